package tsdb_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// TestQueriesSeeWholeRecords runs queries while records are appended, cut, let go
// of from memory and merged. A record writes the same number for all hosts, so
// that a query which sees it for one host only, twice, or not at all shows.
func TestQueriesSeeWholeRecords(t *testing.T) {
	t.Parallel()
	const hosts, records = 5, 600
	r := newRig(t, func(c *tsdb.Config) { c.RecentFor, c.RecentBytes = 0, 2000 })
	var written atomic.Int64
	stop := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		defer close(stop)
		random := rand.New(rand.NewPCG(1, 2))
		for i := range records {
			var rows []sample
			for h := range hosts {
				rows = append(rows, sample{fmt.Sprint("host", h), time.Duration(i) * time.Second, float64(i)})
			}
			r.write(int64(i+1), rows...)
			written.Store(int64(i + 1))
			switch random.IntN(20) {
			case 0, 1:
				if _, err := r.db.Cut(t.Context(), 0); err != nil {
					t.Error(err)
				}
			case 2:
				if err := r.db.Merge(t.Context(), 0, blockStart); err != nil && r.db.Position(0).Cut > 0 {
					t.Error(err)
				}
			case 3:
				r.db.Trim()
			}
		}
	})
	for range 3 {
		work.Go(func() {
			for running := true; running; {
				select {
				case <-stop:
					running = false // one more, of all
				default:
				}
				checkWhole(t, r, hosts, &written)
			}
		})
	}
	work.Wait()
}

func checkWhole(t *testing.T, r *rig, hosts int, written *atomic.Int64) {
	atLeast := int(written.Load())
	q, err := r.db.Querier(t.Context(), math.MinInt64/4, math.MaxInt64/4)
	if err != nil {
		t.Error(err)
		return
	}
	defer q.Close()
	got, err := read(t.Context(), q)
	if err != nil {
		t.Error(err)
		return
	}
	first := got["host0"]
	if len(first) < atLeast {
		t.Errorf("%d rows, %d were written before", len(first), atLeast)
	}
	for i, text := range first {
		if want := fmt.Sprintf("%s=%d", time.Duration(i)*time.Second, i); text != want {
			t.Errorf("row %d is %s, want %s", i, text, want)
			return
		}
	}
	for h := range hosts {
		// A merge that is committed meanwhile may show what came later.
		if n := min(len(first), len(got[fmt.Sprint("host", h)])); n < atLeast || !reflect.DeepEqual(got[fmt.Sprint("host", h)][:n], first[:n]) {
			t.Errorf("host %d has %d rows, host 0 has %d", h, len(got[fmt.Sprint("host", h)]), len(first))
		}
	}
}

// TestQueryMemoryIsBounded reads more than a query may hold at a time, in the
// order of the series and against it.
func TestQueryMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const hosts = 300
	r := newRig(t, func(c *tsdb.Config) { c.RecentFor, c.RecentBytes, c.QueryBytes = 0, 0, 1<<20 })
	random := rand.New(rand.NewPCG(3, 4))
	for cut := range 2 {
		for h := range hosts {
			var rows []sample
			for i := range 500 {
				rows = append(rows, sample{fmt.Sprintf("host%03d", h), time.Duration(cut*500+i) * time.Second, random.Float64()})
			}
			r.write(int64(cut*hosts+h+1), rows...)
		}
		r.cut()
	}
	q := r.querier()
	defer q.Close()
	list, err := q.Select(t.Context(), []tsdb.Matcher{testValue}, tsdb.SelectOptions{})
	if err != nil || len(list) != hosts {
		t.Fatalf("%d series, %v", len(list), err)
	}
	var got tsdb.Samples
	for i := range 2 * hosts {
		at := i
		if i >= hosts {
			at = 2*hosts - 1 - i
		}
		if err := list[at].Samples(&got); err != nil {
			t.Fatal(err)
		}
		if len(got.T) != 1000 {
			t.Fatalf("series %d has %d samples", at, len(got.T))
		}
	}
	if n := r.metric("esmon_tsdb_chunk_fetches_total"); n < 4 || n > 2*hosts {
		t.Errorf("%v fetches", n)
	}
}

// TestFirstFetchIsBounded asks for one of many wide pairs: the pairs behind it,
// fetched along, must not take more than the query may hold.
func TestFirstFetchIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.RecentFor, c.RecentBytes, c.QueryBytes = 0, 0, 1<<20 })
	counting := &countingStore{Store: r.store.Store}
	r.store.Store = counting
	wide := &metric.Schema{}
	for i := range 100 {
		label := metric.NewLabels(metric.Label{Name: "column", Value: fmt.Sprint(i)})
		wide.Columns = append(wide.Columns, metric.Column{Name: "test_value", Labels: label})
	}
	random := rand.New(rand.NewPCG(5, 6))
	values := make([]float64, len(wide.Columns))
	b := &r.builder
	b.Reset()
	b.Batch("agent", r.clock(), 0)
	b.DefineSchema(wide.ID(), wide)
	for h := range 40 {
		e := hostEntity(fmt.Sprintf("host%02d", h))
		b.DefineEntity(e.ID(), e)
		for i := range 60 {
			for c := range values {
				values[c] = random.Float64()
			}
			b.Frame(e.ID(), wide.ID(), epoch.Add(time.Duration(i)*time.Second).UnixMilli(), values)
		}
	}
	r.append(1, b)
	r.cut()
	q := r.querier()
	defer q.Close()
	list, err := q.Select(t.Context(), []tsdb.Matcher{testValue}, tsdb.SelectOptions{})
	if err != nil || len(list) != 40*len(values) {
		t.Fatalf("%d series, %v", len(list), err)
	}
	var got tsdb.Samples
	for _, s := range list {
		if err := s.Samples(&got); err != nil || len(got.T) != 60 {
			t.Fatalf("%d samples, %v", len(got.T), err)
		}
	}
	if most := counting.most.Load(); most > 3<<19 {
		t.Errorf("one read brought %d bytes, the query may hold %d", most, r.cfg.QueryBytes)
	}
}

// countingStore notes how many bytes one read of chunks brought at the most.
type countingStore struct {
	tsdb.Store
	most atomic.Int64
}

func (s *countingStore) Snapshot(ctx context.Context) (tsdb.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx)
	return countingSnapshot{snap, s}, err
}

type countingSnapshot struct {
	tsdb.Snapshot
	s *countingStore
}

func (s countingSnapshot) Chunks(ctx context.Context, w *tsdb.Want, f func(tsdb.Chunk) error) error {
	n := int64(0)
	err := s.Snapshot.Chunks(ctx, w, func(c tsdb.Chunk) error {
		n += int64(len(c.Data))
		return f(c)
	})
	s.s.most.Store(max(s.s.most.Load(), n))
	return err
}

// TestRange checks both ends of the querier's range and of a select's.
func TestRange(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{false, true} {
		r := newRig(t, func(c *tsdb.Config) { c.RecentFor, c.RecentBytes = 0, 0 })
		for i := range 10 {
			r.write(int64(i+1), sample{"a", time.Duration(i) * time.Second, float64(i)})
			if stored {
				r.cut()
			}
		}
		at := func(s int) int64 { return epoch.Add(time.Duration(s) * time.Second).UnixMilli() }
		q, err := r.db.Querier(t.Context(), at(2), at(8))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ start, end, first, n int }{{0, 0, 2, 7}, {3, 5, 3, 3}, {5, 20, 5, 4}, {9, 20, 0, 0}} {
			opt := tsdb.SelectOptions{Start: at(c.start), End: at(c.end)}
			if c.start == 0 {
				opt = tsdb.SelectOptions{}
			}
			list, err := q.Select(t.Context(), []tsdb.Matcher{testValue}, opt)
			if err != nil {
				t.Fatal(err)
			}
			var got tsdb.Samples
			if len(list) > 0 {
				if err := list[0].Samples(&got); err != nil {
					t.Fatal(err)
				}
			}
			if len(got.V) != c.n || c.n > 0 && got.V[0] != float64(c.first) {
				t.Errorf("stored %t, %d to %d: %v", stored, c.start, c.end, got.V)
			}
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestClosedQuerier must not read what it let go of.
func TestClosedQuerier(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.RecentFor, c.RecentBytes = 0, 0 })
	r.write(1, sample{"a", 0, 1})
	r.cut()
	q := r.querier()
	list, err := q.Select(t.Context(), []tsdb.Matcher{testValue}, tsdb.SelectOptions{})
	if err != nil || len(list) != 1 {
		t.Fatal(len(list), err)
	}
	for range 2 {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := list[0].Samples(&tsdb.Samples{}); err == nil {
		t.Error("a series of a closed querier was read")
	}
}
