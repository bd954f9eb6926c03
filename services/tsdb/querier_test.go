package tsdb_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
