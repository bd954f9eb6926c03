package tsdb_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	dbsqlite "github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/tsdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is a time in the middle of a block.
var epoch = time.Date(2026, 5, 4, 13, 0, 0, 0, time.UTC)

// rig is a DB over a real store whose failures the test decides, with a clock of
// the test's own.
type rig struct {
	t       *testing.T
	db      *tsdb.DB
	file    *dbsqlite.DB
	store   *faultyStore
	reg     *prometheus.Registry
	cfg     tsdb.Config
	builder record.Builder
	decoder record.Decoder

	mu  sync.Mutex // guards now
	now time.Time
}

func newRig(t *testing.T, change func(*tsdb.Config)) *rig {
	t.Helper()
	r := &rig{t: t, now: epoch, store: &faultyStore{}, file: openFile(t, filepath.Join(t.TempDir(), "es_monitor.db"))}
	r.store.Store = r.file.Chunks()
	r.cfg = tsdb.DefaultConfig()
	r.cfg.Now = r.clock
	if change != nil {
		change(&r.cfg)
	}
	r.open()
	return r
}

func openFile(t *testing.T, path string) *dbsqlite.DB {
	t.Helper()
	file, err := dbsqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	return file
}

// open opens the DB, as a process does when it starts.
func (r *rig) open() {
	r.t.Helper()
	r.reg = prometheus.NewRegistry()
	db, err := tsdb.Open(r.t.Context(), r.cfg, r.store, slog.New(slog.DiscardHandler), r.reg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.db = db
	if db.Position(0) == (tsdb.Position{}) {
		db.Begin(0, "log-a", 1)
	}
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// sample is what tests write and read: one value of the metric of a host.
type sample struct {
	host  string
	at    time.Duration // after the epoch
	value float64
}

var oneColumn = &metric.Schema{Columns: []metric.Column{{Name: "test_value", Type: metric.Gauge, Unit: "1"}}}

func hostEntity(host string) *metric.Entity {
	return &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host_name", Value: host})}
}

// write appends a record with the samples, definitions included.
func (r *rig) write(offset int64, samples ...sample) {
	r.t.Helper()
	r.writeTo(0, offset, samples...)
}

// writeTo does so in another partition.
func (r *rig) writeTo(partition int, offset int64, samples ...sample) {
	r.t.Helper()
	b := &r.builder
	b.Reset()
	b.Batch("agent", r.clock(), 0)
	b.DefineSchema(oneColumn.ID(), oneColumn)
	for _, s := range samples {
		e := hostEntity(s.host)
		b.DefineEntity(e.ID(), e)
		b.Frame(e.ID(), oneColumn.ID(), epoch.Add(s.at).UnixMilli(), []float64{s.value})
	}
	r.appendTo(partition, offset, b)
}

func (r *rig) append(offset int64, b *record.Builder) {
	r.t.Helper()
	r.appendTo(0, offset, b)
}

func (r *rig) appendTo(partition int, offset int64, b *record.Builder) {
	r.t.Helper()
	rec, err := r.decoder.Decode(b.Encode(nil))
	if err != nil {
		r.t.Fatal(err)
	}
	r.db.Append(offset, partition, rec)
}

func (r *rig) cut() tsdb.Position {
	r.t.Helper()
	pos, err := r.db.Cut(r.t.Context(), 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return pos
}

// equal is a matcher on one value.
type equal struct{ name, value string }

func (m equal) Name() string              { return m.name }
func (m equal) Matches(value string) bool { return value == m.value }
func (m equal) Set() []string             { return []string{m.value} }
func (m equal) Key() string               { return m.name + "=" + m.value }

var testValue = equal{metric.NameLabel, "test_value"}

func (r *rig) querier() *tsdb.Querier {
	r.t.Helper()
	q, err := r.db.Querier(r.t.Context(), math.MinInt64/4, math.MaxInt64/4)
	if err != nil {
		r.t.Fatal(err)
	}
	return q
}

// read returns all samples of the metric, as text that compares and prints well.
func read(ctx context.Context, q *tsdb.Querier, ms ...tsdb.Matcher) (map[string][]string, error) {
	list, err := q.Select(ctx, append([]tsdb.Matcher{testValue}, ms...), tsdb.SelectOptions{})
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	var got tsdb.Samples
	for _, s := range list {
		if err := s.Samples(&got); err != nil {
			return nil, err
		}
		for i, t := range got.T {
			host := s.Labels().Get("host_name")
			out[host] = append(out[host], fmt.Sprintf("%s=%v", time.UnixMilli(t).Sub(epoch), got.V[i]))
		}
	}
	return out, nil
}

// all returns all samples that a query finds now.
func (r *rig) all() map[string][]string {
	r.t.Helper()
	q := r.querier()
	defer func() {
		if err := q.Close(); err != nil {
			r.t.Error(err)
		}
	}()
	out, err := read(r.t.Context(), q)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) metric(name string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return total
}

// faultyStore is a store that fails when it is told to.
type faultyStore struct {
	tsdb.Store
	mu          sync.Mutex // guards what follows
	failCommit  error      // returned instead of committing
	afterCommit error      // returned although the commit happened
	spoil       func([]byte) []byte
	failForget  error
}

func (s *faultyStore) set(change func(*faultyStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *faultyStore) Forget(ctx context.Context, f *tsdb.Forget) error {
	s.mu.Lock()
	err := s.failForget
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.Store.Forget(ctx, f)
}

func (s *faultyStore) Commit(ctx context.Context, c *tsdb.Cut) error {
	s.mu.Lock()
	before, after, spoil := s.failCommit, s.afterCommit, s.spoil
	s.mu.Unlock()
	if before != nil {
		return before
	}
	if spoil != nil {
		spoilt := *c
		spoilt.Chunks = append([]tsdb.Chunk(nil), c.Chunks...)
		for i := range spoilt.Chunks {
			spoilt.Chunks[i].Data = spoil(append([]byte(nil), c.Chunks[i].Data...))
		}
		c = &spoilt
	}
	return errors.Join(s.Store.Commit(ctx, c), after)
}
