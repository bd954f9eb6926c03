package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"
)

const (
	historyStep = 15 * time.Second
	// cutSteps is how many steps tsdb.cut_every makes a cut of.
	cutSteps = 8
	// A host is in trouble for troubleSteps, once in troubleEvery times as long.
	troubleSteps = 40
	troubleEvery = 200
)

// history is what hosts sent over some days, three series each: one gauge, and two
// counters that are sent together.
type history struct {
	hosts, steps int
	start        time.Time

	w       *historyWriter
	samples int64
}

var (
	gaugeSchema   = &metric.Schema{Columns: []metric.Column{{Name: "bench_busy_percent", Type: metric.Gauge, Unit: "%"}}}
	counterSchema = &metric.Schema{Columns: []metric.Column{{Name: "bench_requests_total", Type: metric.Counter}, {Name: "bench_errors_total", Type: metric.Counter}}}
)

// newHistory returns one that ends now, so that retention takes nothing of it.
func newHistory(hosts, days int, now time.Time) *history {
	steps := days * int(24*time.Hour/historyStep)
	end := now.Truncate(historyStep)
	return &history{hosts: hosts, steps: steps, start: end.Add(-time.Duration(steps) * historyStep)}
}

func (h *history) end() time.Time { return h.start.Add(time.Duration(h.steps) * historyStep) }

// troubled tells whether the host is in the trouble of the kind at a step.
func troubled(kind, host, step int) bool {
	return (step/troubleSteps+host+kind*troubleEvery/2)%troubleEvery == 0
}

// episodes returns how many times hosts are in the trouble of the kind.
func (h *history) episodes(kind int) (n int64) {
	for host := range h.hosts {
		for step := 0; step < h.steps; step += troubleSteps {
			if troubled(kind, host, step) {
				n++
			}
		}
	}
	return n
}

// write stores the history in the file, on a clock of its own: cut as often as storage
// cuts, and merged when it would be. No ingest log is behind it; the server that is
// started on it goes on from the beginning of its own.
func (h *history) write(ctx context.Context, path string) (err error) {
	log := slog.New(slog.DiscardHandler)
	file, err := sqlite.Open(ctx, filepath.Clean(path), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	now := h.start
	cfg := tsdb.DefaultConfig()
	cfg.Now = func() time.Time { return now }
	db, err := tsdb.Open(ctx, cfg, file.Chunks(), log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	h.w = newHistoryWriter(db, h.hosts)
	for step := range h.steps {
		now = h.start.Add(time.Duration(step) * historyStep)
		if err := h.w.step(step, now); err != nil {
			return err
		}
		if step%cutSteps == cutSteps-1 || step == h.steps-1 {
			if err := h.keep(ctx, db, now); err != nil {
				return err
			}
		}
	}
	h.samples = h.w.samples
	return db.Sweep(ctx, 0)
}

// keep cuts, and merges the block whose time has come.
func (*history) keep(ctx context.Context, db *tsdb.DB, now time.Time) error {
	if _, err := db.Cut(ctx, 0); err != nil {
		return err
	}
	db.Trim()
	due := now.Add(-storage.DefaultConfig().MergeAfter)
	if due.Truncate(tsdb.BlockLength).Equal(due.Add(-cutSteps * historyStep).Truncate(tsdb.BlockLength)) {
		return nil // no block has become due since the last cut
	}
	block := due.Truncate(tsdb.BlockLength).Add(-tsdb.BlockLength).UnixMilli()
	blocks, err := db.Blocks(ctx)
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if b.Start == block && !b.Merged {
			if err := db.Merge(ctx, b.Partition, block); err != nil {
				return err
			}
			return db.Sweep(ctx, 0)
		}
	}
	return nil
}

// historyWriter appends one step of all hosts after the other.
type historyWriter struct {
	db       *tsdb.DB
	entities []*metric.Entity
	ids      []metric.ID
	requests []float64
	errors   []float64
	builder  record.Builder
	decoder  record.Decoder
	encoded  []byte
	offset   int64
	samples  int64
}

func newHistoryWriter(db *tsdb.DB, hosts int) *historyWriter {
	w := &historyWriter{db: db, requests: make([]float64, hosts), errors: make([]float64, hosts)}
	for i := range hosts {
		e := &metric.Entity{Labels: metric.NewLabels(
			metric.Label{Name: "host_id", Value: fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(noise(i, -1)), i)},
			metric.Label{Name: "host_name", Value: fmt.Sprintf("host-%05d", i)},
			metric.Label{Name: "os_type", Value: "linux"},
			metric.Label{Name: "role", Value: fmt.Sprintf("role-%d", i%10)},
		)}
		w.entities, w.ids = append(w.entities, e), append(w.ids, e.ID())
	}
	return w
}

// step appends what all hosts measured at a step, each at its own moment of it.
func (w *historyWriter) step(step int, at time.Time) error {
	const perRecord = 500
	gaugeID, counterID := gaugeSchema.ID(), counterSchema.ID()
	for from := 0; from < len(w.entities); from += perRecord {
		w.builder.Reset()
		w.builder.Batch("bench", at, 0)
		w.builder.DefineSchema(gaugeID, gaugeSchema)
		w.builder.DefineSchema(counterID, counterSchema)
		for host := from; host < min(from+perRecord, len(w.entities)); host++ {
			x := noise(host, step)
			t := at.UnixMilli() + int64(noise(host, -1)%15_000) + int64(x%3)
			w.builder.DefineEntity(w.ids[host], w.entities[host])
			w.builder.Frame(w.ids[host], gaugeID, t, []float64{busy(host, step, x)})
			w.count(host, step, x)
			w.builder.Frame(w.ids[host], counterID, t, []float64{w.requests[host], w.errors[host]})
			w.samples += 3
		}
		w.encoded = w.builder.Encode(w.encoded[:0])
		rec, err := w.decoder.Decode(w.encoded)
		if err != nil {
			return err
		}
		w.offset++
		w.db.Append(w.offset, 0, rec)
	}
	return nil
}

// busy returns the gauge: 20 to 80 with two decimals over the day, above 90 in trouble
// of the first kind.
func busy(host, step int, x uint64) float64 {
	v := float64(x%1000) / 100 // 0 to 10
	if troubled(0, host, step) {
		return 90.01 + math.Round(v*50)/100
	}
	day := math.Sin(2 * math.Pi * (float64(step)/5760 + float64(host)/1000))
	return math.Round((45+25*day+v)*100) / 100
}

// count moves the counters: about 100 requests a second and next to no errors, but ten a
// second in trouble of the second kind.
func (w *historyWriter) count(host, step int, x uint64) {
	w.requests[host] += 1400 + float64(x>>8%200)
	if w.errors[host] += float64(x >> 16 % 2); troubled(1, host, step) {
		w.errors[host] += 150
	}
}

// noise returns bits that look random, the same ones for the same host and step
// (splitmix64).
func noise(host, step int) uint64 {
	x := uint64(host)<<32 ^ uint64(uint32(step))
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
