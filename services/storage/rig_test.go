package storage_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/esolutions/esmon/services/bus"
	bussqlite "github.com/esolutions/esmon/services/bus/sqlite"
	dbsqlite "github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a storage over a real ingest log and a real database in one directory,
// which outlive it as they do a process.
type rig struct {
	t       *testing.T
	dir     string
	cfg     storage.Config
	tsdbCfg tsdb.Config

	log   *bussqlite.Log
	file  *dbsqlite.DB
	store *faultyStore
	db    *tsdb.DB
	s     *storage.Storage
	reg   *prometheus.Registry

	stop context.CancelFunc
	done chan error

	mu     sync.Mutex // guards what follows
	offset time.Duration
	count  int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), cfg: storage.DefaultConfig(), tsdbCfg: tsdb.DefaultConfig()}
	r.tsdbCfg.Now = r.now
	r.tsdbCfg.CutEvery = time.Second // real time: what a test waits for
	r.cfg.RetryPause, r.cfg.UpkeepInterval = 10*time.Millisecond, time.Second
	t.Cleanup(r.close)
	return r
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.offset)
}

// advance sets the clock forward.
func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.offset += d
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

// open opens what a process opens, without running storage yet.
func (r *rig) open() {
	t := r.t
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	r.reg = prometheus.NewRegistry()
	var err error
	if r.file, err = dbsqlite.Open(t.Context(), r.path("es_monitor.db"), quiet); err != nil {
		t.Fatal(err)
	}
	busCfg := bussqlite.DefaultConfig()
	busCfg.Now = r.now
	if r.log, err = bussqlite.Open(t.Context(), r.path("es_ingest.db"), busCfg, quiet, r.reg); err != nil {
		t.Fatal(err)
	}
	r.store = &faultyStore{Store: r.file.Chunks()}
	if r.db, err = tsdb.Open(t.Context(), r.tsdbCfg, r.store, quiet, r.reg); err != nil {
		t.Fatal(err)
	}
	if r.s, err = storage.New(r.cfg, storage.Deps{Log: r.log, DB: r.db, Now: r.now}, quiet, r.reg); err != nil {
		t.Fatal(err)
	}
}

// run opens all and runs storage.
func (r *rig) run() {
	r.open()
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.done = stop, make(chan error, 1)
	go func(s *storage.Storage, done chan error) { done <- s.Run(ctx) }(r.s, r.done)
}

// halt ends the run as a signal does and closes everything.
func (r *rig) halt() {
	r.t.Helper()
	if r.stop != nil {
		r.stop()
		if err := <-r.done; err != nil {
			r.t.Errorf("storage ended with %v", err)
		}
		r.stop = nil
	}
	r.close()
}

func (r *rig) close() {
	if r.stop != nil {
		r.stop()
		<-r.done
		r.stop = nil
	}
	if r.log != nil {
		if err := r.log.Close(); err != nil {
			r.t.Error(err)
		}
		if err := r.file.Close(); err != nil {
			r.t.Error(err)
		}
		r.log = nil
	}
}

var counterSchema = &metric.Schema{Columns: []metric.Column{{Name: "test_value", Type: metric.Gauge}}}

// publish appends a record with one more sample of the host, and returns nothing:
// the n-th sample ever has the value n.
func (r *rig) publish(host string) {
	r.t.Helper()
	r.publishRaw(r.encoded(host))
}

// encoded returns the record that publish would append.
func (r *rig) encoded(host string) []byte {
	r.mu.Lock()
	r.count++
	n := r.count
	r.mu.Unlock()
	e := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: host})}
	var b record.Builder
	b.Batch("agent", r.now(), 0)
	b.DefineSchema(counterSchema.ID(), counterSchema)
	b.DefineEntity(e.ID(), e)
	b.Frame(e.ID(), counterSchema.ID(), r.now().UnixMilli()+int64(n), []float64{float64(n)})
	return b.Encode(nil)
}

func (r *rig) publishRaw(payload []byte) {
	r.t.Helper()
	if err := r.log.Publish(r.t.Context(), 0, payload); err != nil {
		r.t.Fatal(err)
	}
}

// values returns all values stored or in memory, sorted.
func (r *rig) values() []float64 { return r.valuesOf(r.db) }

func (r *rig) valuesOf(db *tsdb.DB) []float64 {
	r.t.Helper()
	q, err := db.Querier(r.t.Context(), math.MinInt64/4, math.MaxInt64/4)
	if err != nil {
		r.t.Fatal(err)
	}
	defer q.Close()
	list, err := q.Select(r.t.Context(), []tsdb.Matcher{everything{}}, tsdb.SelectOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	var out []float64
	var got tsdb.Samples
	for _, s := range list {
		if err := s.Samples(&got); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, got.V...)
	}
	slices.Sort(out)
	return out
}

type everything struct{}

func (everything) Name() string        { return metric.NameLabel }
func (everything) Matches(string) bool { return true }
func (everything) Set() []string       { return nil }

// upTo returns 1 to n.
func upTo(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(i + 1)
	}
	return out
}

func (r *rig) wantValues(n int) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%d values are there, each once", n), func() error {
		if got := r.values(); !slices.Equal(got, upTo(n)) {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
}

func (r *rig) committed() int64 { return r.db.Position(0).Offset }

func (r *rig) wantCommitted(offset int64) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("everything before offset %d is stored", offset), func() error {
		if got := r.committed(); got != offset {
			return fmt.Errorf("stored before %d", got)
		}
		return nil
	})
}

// wantReleased waits until the log keeps nothing before the offset.
func (r *rig) wantReleased(offset int64) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("the log is released before offset %d", offset), func() error {
		b, err := r.log.Bounds(r.t.Context(), 0)
		if err == nil && b.First != offset {
			err = fmt.Errorf("it keeps %+v", b)
		}
		return err
	})
}

func (r *rig) metric(name string, labels map[string]string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				got[l.GetName()] = l.GetValue()
			}
			if f.GetName() == name && (labels == nil || maps.Equal(labels, got)) {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return total
}

// eventually waits for what other goroutines do; it fails after far longer than
// that takes.
func (r *rig) eventually(what string, f func() error) {
	r.t.Helper()
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	r.t.Fatalf("not in time: %s: %v", what, err)
}

// faultyStore is a store that fails when it is told to.
type faultyStore struct {
	tsdb.Store
	mu       sync.Mutex // guards what follows
	err      error
	happened bool // the commit takes place and fails all the same
}

func (s *faultyStore) fail(err error, happened bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.happened = err, happened
}

func (s *faultyStore) Commit(ctx context.Context, c *tsdb.Cut) error {
	s.mu.Lock()
	err, happened := s.err, s.happened
	s.mu.Unlock()
	if err != nil && !happened {
		return err
	}
	if err := s.Store.Commit(ctx, c); err != nil {
		return err
	}
	return err
}

var _ bus.Log = (*bussqlite.Log)(nil)
