package spool_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/services/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	diskSchema = probe.Schema(probe.Counter("system.disk.io", "By", "Bytes."), probe.Counter("system.disk.operations", "{operation}", "Operations."))
	loadSchema = probe.Schema(probe.Gauge("system.cpu.load", "1", "Load."))
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is a spool with a writer.
type bench struct {
	*spool.Spool
	t     *testing.T
	w     *spool.Writer
	clock *clock
	cfg   spool.Config
	log   *recorder
}

// recorder keeps what was logged.
type recorder struct {
	mu   sync.Mutex
	text []byte
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, p...)
	return len(p), nil
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.text)
}

func open(t *testing.T, change func(*spool.Config)) *bench {
	t.Helper()
	cfg := spool.DefaultConfig()
	cfg.Path = filepath.Join(t.TempDir(), "spool.db")
	if change != nil {
		change(&cfg)
	}
	return reopen(t, cfg, newClock())
}

func reopen(t *testing.T, cfg spool.Config, c *clock) *bench {
	t.Helper()
	rec := &recorder{}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(rec, t.Output()), nil))
	s, err := spool.Open(t.Context(), cfg, c.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	wc := spool.WriterConfig{Linger: time.Millisecond, BatchSamples: 1000}
	return &bench{Spool: s, t: t, w: spool.NewWriter(wc, s, log), clock: c, cfg: cfg, log: rec}
}

// put puts one collection of the disk probe into the spool as one batch.
func (b *bench) put(devices ...string) {
	b.t.Helper()
	b.w.Put(b.disks(devices...))
	b.flush()
}

func (b *bench) disks(devices ...string) spool.Collection {
	now := b.clock.Now()
	c := spool.Collection{Probe: "disk", Started: now, Complete: true}
	for i, d := range devices {
		c.Readings = append(c.Readings, probe.Reading{
			Schema: diskSchema, Labels: probe.Label("device", d), Time: now.UnixMilli(), Values: []float64{float64(i), 2},
		})
	}
	return c
}

func (b *bench) flush() {
	b.t.Helper()
	if err := b.w.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// all returns every batch that waits.
func (b *bench) all() (out []*spool.Batch) {
	b.t.Helper()
	id, first, last, err := b.Span(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for first <= last {
		batch, err := b.Read(b.t.Context(), id, first, last)
		if err != nil {
			b.t.Fatal(err)
		}
		if batch == nil {
			return out
		}
		out = append(out, batch)
		first = batch.Sequence + 1
	}
	return out
}

func (b *bench) ack(ranges ...spool.Range) {
	b.t.Helper()
	if err := b.Ack(b.t.Context(), b.ID(), ranges); err != nil {
		b.t.Fatal(err)
	}
}

// kill returns what a new process finds after kill -9: the files as they are
// now, without a clean close.
func (b *bench) kill() *bench {
	b.t.Helper()
	cfg := b.cfg
	cfg.Path = filepath.Join(b.t.TempDir(), "spool.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(b.cfg.Path + suffix)
		if err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(cfg.Path+suffix, data, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	return reopen(b.t, cfg, b.clock)
}

// device returns the device label of an entity's number.
func (b *bench) device(entity uint32) string {
	b.t.Helper()
	for _, batch := range b.all() {
		_, entities, err := b.Definitions(batch.Frames, spool.Known{})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, e := range entities {
			if e.GetId() == entity && len(e.GetLabels()) == 1 {
				return e.GetLabels()[0].GetValue()
			}
		}
	}
	return ""
}

func TestBatchSurvivesRestart(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("sda", "sdb")
	id := b.ID()
	for name, again := range map[string]*bench{"killed": b.kill(), "closed": func() *bench {
		c := b.kill()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		return reopen(t, c.cfg, c.clock)
	}()} {
		t.Run(name, func(t *testing.T) {
			again.t = t
			batches := again.all()
			if again.ID() != id || len(batches) != 1 || len(batches[0].Frames) != 2 {
				t.Fatalf("id %s, want %s; batches %v", again.ID(), id, batches)
			}
			f := batches[0].Frames[1]
			if d := again.device(f.GetEntity()); d != "sdb" || f.GetValues()[0] != 1 || f.GetValues()[1] != 2 {
				t.Errorf("second frame is of %q with values %v", d, f.GetValues())
			}
			again.put("sda")
			if got := again.device(again.all()[1].Frames[1].GetEntity()); got != "sda" {
				t.Errorf("a known device got a new number: %q", got)
			}
		})
	}
}

func TestNaNBitsSurvive(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	now := b.clock.Now()
	b.w.Put(spool.Collection{Probe: "load", Started: now, Readings: []probe.Reading{
		{Schema: diskSchema, Time: now.UnixMilli(), Values: []float64{metric.Missing(), metric.Stale()}},
	}})
	b.flush()
	v := b.all()[0].Frames[0].GetValues()
	if !metric.IsMissing(v[0]) || !metric.IsStale(v[1]) {
		t.Errorf("values are %x %x", math.Float64bits(v[0]), math.Float64bits(v[1]))
	}
}

func TestSequencesAreNeverReused(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	used := map[uint64]bool{}
	for range 5 {
		for range 3 {
			b.put("sda")
			_, _, last, err := b.Span(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if used[last] {
				t.Fatalf("sequence %d was used twice", last)
			}
			used[last] = true
			// Deleted and forgotten: only what is reserved on disk remembers it.
			b.ack(spool.Range{First: 0, Last: last})
		}
		b = b.kill()
	}
}

func TestAckDeletesRanges(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	for range 6 {
		b.put("sda")
		b.clock.Add(time.Second)
	}
	b.ack(spool.Range{First: 2, Last: 3}, spool.Range{First: 5, Last: 5})
	var left []uint64
	for _, batch := range b.all() {
		left = append(left, batch.Sequence)
	}
	if fmt.Sprint(left) != "[1 4 6]" {
		t.Errorf("left are %v, want 1, 4 and 6", left)
	}
	st := b.Stats()
	if st.Batches != 3 || st.Samples != 6 || st.Totals.AckedBatches != 3 || st.Totals.AckedSamples != 6 {
		t.Errorf("stats %+v", st)
	}
	b.ack(spool.Range{First: 1, Last: 1})
	if got := b.Stats().Oldest; got != b.all()[0].From {
		t.Errorf("oldest is %d, want %d", got, b.all()[0].From)
	}
	b.ack(spool.Range{First: 1, Last: 100})
	if st := b.Stats(); st.Batches != 0 || st.Bytes != 0 || st.Samples != 0 || st.Oldest != 0 {
		t.Errorf("stats of an empty spool: %+v", st)
	}
	if err := b.Ack(t.Context(), "another", []spool.Range{{First: 1, Last: 1}}); err == nil {
		t.Error("an acknowledgement for another spool was taken")
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("a", "b", "c")
	whole := b.all()[0]
	if err := b.Split(t.Context(), b.ID(), whole); err != nil {
		t.Fatal(err)
	}
	parts := b.all()
	if len(parts) != 2 || len(parts[0].Frames)+len(parts[1].Frames) != 3 || parts[0].Sequence <= whole.Sequence {
		t.Fatalf("parts are %v", parts)
	}
	if st := b.Stats(); st.Batches != 2 || st.Samples != 6 || st.Totals.AppendedSamples != 6 {
		t.Errorf("stats %+v", st)
	}
	if err := b.Split(t.Context(), b.ID(), parts[0]); err != nil { // one frame
		t.Fatal(err)
	}
	gaps := b.Gaps()
	if len(b.all()) != 1 || len(gaps) != 1 || gaps[0].Reason != spool.ReasonTooLarge || gaps[0].Samples != 2 {
		t.Errorf("left %d batches, gaps %+v", len(b.all()), gaps)
	}
}

func TestInspectWhileOpen(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	b.put("sda")
	c, err := spool.Inspect(t.Context(), b.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	if c.ID != b.ID() || c.Batches != 1 || c.Samples != 2 || c.Oldest != b.clock.Now().UnixMilli() {
		t.Errorf("contents %+v", c)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(wd, b.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := spool.Inspect(t.Context(), relative); err != nil || c.Batches != 1 {
		t.Errorf("by a relative path: %+v, %v", c, err)
	}
	b.put("sda") // the reader left no lock behind
	if _, err := spool.Inspect(t.Context(), filepath.Join(t.TempDir(), "none.db")); err == nil {
		t.Error("a file that is not there was inspected")
	}
}

func TestRunFormsBatches(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.w.Run(ctx) }()
	b.w.Put(b.disks("sda"))
	select {
	case <-b.Appended():
	case <-time.After(10 * time.Second):
		t.Fatal("no batch was formed")
	}
	cancel()
	b.w.Put(b.disks("sda")) // the last one is written at the end
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.flush()
	if n := len(b.all()); n != 2 {
		t.Errorf("%d batches, want 2", n)
	}
}

func TestBatchesAreCut(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	var devices []string
	for i := range 1200 {
		devices = append(devices, fmt.Sprint("d", i))
	}
	b.put(devices...) // 2400 samples, 1000 a batch
	batches := b.all()
	if len(batches) != 3 {
		t.Fatalf("%d batches, want 3", len(batches))
	}
	for _, batch := range batches {
		if batch.Samples > 1000 {
			t.Errorf("batch %d has %d samples", batch.Sequence, batch.Samples)
		}
	}
}
