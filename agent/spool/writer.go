package spool

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

// WriterConfig says how batches are formed.
type WriterConfig struct {
	// Linger is how long a batch stays open after its first frame.
	Linger time.Duration
	// BatchSamples is how many samples make a batch full.
	BatchSamples int
}

// DefaultWriterConfig makes one batch of what a host's probes read together.
func DefaultWriterConfig() WriterConfig {
	return WriterConfig{Linger: time.Second, BatchSamples: 4000}
}

// heldBatches is how many batches may wait in memory while the disk takes none.
const heldBatches = 16

// Collection is what one run of a probe brought.
type Collection struct {
	Probe    string
	Started  time.Time
	Readings []probe.Reading
	// Complete says that nothing is missing: what the probe reported before and
	// does not now has ended.
	Complete bool
}

// Writer forms batches of the probes' readings and puts them into the spool. It
// adds the stale markers of what vanished.
type Writer struct {
	cfg   WriterConfig
	spool *Spool
	log   *slog.Logger
	wake  chan struct{}

	mu      sync.Mutex // guards what follows; taken before the spool's
	frames  []*ingestv1.Frame
	samples int
	ended   []ended
	writing []*ingestv1.Frame // on their way into the spool
	pending func() time.Time  // see Await; may be nil

	failing  bool // Run's: the last write failed
	failedAt time.Time
}

// NewWriter returns a writer; Run forms the batches.
func NewWriter(cfg WriterConfig, s *Spool, log *slog.Logger) *Writer {
	return &Writer{cfg: cfg, spool: s, log: log, wake: make(chan struct{}, 1)}
}

// Await tells the writer from when on readings are still to come. With it a batch
// need not wait for more when none is about to come. It is set before Run.
func (w *Writer) Await(pending func() time.Time) { w.pending = pending }

// Complete returns up to when all that was read is in the spool, as a time of now's
// clock in Unix milliseconds, exclusive; 0 if that is not known. What is still to come
// has this time or a later one.
func (w *Writer) Complete(now func() time.Time) int64 {
	if w.pending == nil {
		return 0
	}
	// First what is still to be read, then what is here: what moves on meanwhile is
	// seen twice rather than not at all.
	first := w.pending()
	if first.IsZero() {
		return 0
	}
	// The difference is of the monotonic clock, where the times have it: a clock that
	// was set meanwhile counts as it is now. A stale marker is stamped a millisecond
	// before its run.
	at := now()
	complete := at.Add(first.Sub(at)).UnixMilli() - 1
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, frames := range [][]*ingestv1.Frame{w.frames, w.writing} {
		for _, f := range frames {
			complete = min(complete, f.GetTimestampMs())
		}
	}
	return complete
}

// Put takes a probe's readings. It keeps their values.
func (w *Writer) Put(c Collection) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.spool.number(c, &w.ended) {
		w.frames = append(w.frames, f)
		w.samples += len(f.Values)
	}
	if len(w.frames) > 0 {
		w.signal()
	}
}

// Retire ends everything that probes other than those named reported: they
// were switched off or are gone.
func (w *Writer) Retire(now time.Time, keep []string) {
	for _, name := range w.spool.others(keep) {
		w.Put(Collection{Probe: name, Started: now, Complete: true})
	}
}

func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run forms batches until ctx ends, and then the last one.
func (w *Writer) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return w.last(context.WithoutCancel(ctx))
		case <-w.wake:
		}
		w.linger(ctx)
		err := w.Flush(ctx)
		w.report(ctx, err)
		if err != nil {
			w.signal() // what could not be written is tried again
		}
	}
}

// last writes what waits at the end. What cannot be written then is lost, with
// nowhere but the log to note it.
func (w *Writer) last(ctx context.Context) error {
	err := w.Flush(ctx)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log.ErrorContext(ctx, "the last readings could not be written to the spool and are lost", "samples", w.samples)
	}
	return err
}

// linger waits for more frames of the same moment.
func (w *Writer) linger(ctx context.Context) {
	end := time.Now().Add(w.cfg.Linger)
	t := time.NewTimer(w.cfg.Linger)
	defer t.Stop()
	if w.alone(end) {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			return
		case <-w.wake:
			if w.full() || w.alone(end) {
				return
			}
		}
	}
}

// alone tells whether no more readings are to come before the time.
func (w *Writer) alone(end time.Time) bool {
	return w.pending != nil && w.pending().After(end)
}

func (w *Writer) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.samples >= w.cfg.BatchSamples && !w.failing
}

// report logs the first of a row of failures, one a minute, and the recovery.
func (w *Writer) report(ctx context.Context, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil && time.Since(w.failedAt) >= time.Minute:
		w.failedAt = time.Now()
		w.log.ErrorContext(ctx, "the spool cannot be written; the newest readings wait in memory and the oldest of them will be lost", "error", err)
	case err == nil && w.failing:
		w.log.InfoContext(ctx, "the spool can be written again")
	}
	w.failing = err != nil
}

// Flush writes what waits. After an error it waits on, up to a bound.
func (w *Writer) Flush(ctx context.Context) error {
	w.mu.Lock()
	frames, gone := w.frames, w.ended
	w.frames, w.ended, w.samples = nil, nil, 0
	w.writing = frames
	w.mu.Unlock()
	if len(frames) == 0 {
		return nil
	}
	err := w.spool.add(ctx, addition{batches: w.split(frames), ended: gone})
	if err != nil {
		w.giveBack(ctx, frames, gone)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing = nil
	return err
}

// split cuts frames into batches of at most BatchSamples.
func (w *Writer) split(frames []*ingestv1.Frame) (batches [][]*ingestv1.Frame) {
	start, samples := 0, 0
	for i, f := range frames {
		if samples > 0 && samples+len(f.Values) > w.cfg.BatchSamples {
			batches = append(batches, frames[start:i])
			start, samples = i, 0
		}
		samples += len(f.Values)
	}
	return append(batches, frames[start:])
}

// giveBack puts frames that could not be written before the newer ones, and
// drops the oldest beyond the bound as a gap.
func (w *Writer) giveBack(ctx context.Context, frames []*ingestv1.Frame, gone []ended) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames, w.ended = append(frames, w.frames...), append(gone, w.ended...)
	w.samples = 0
	for _, f := range w.frames {
		w.samples += len(f.Values)
	}
	n := 0
	for limit := heldBatches * w.cfg.BatchSamples; w.samples > limit; n++ {
		w.samples -= len(w.frames[n].Values)
	}
	if n > 0 {
		w.spool.lost(ctx, w.frames[:n])
		w.frames = w.frames[n:]
	}
}

// maxLive is how many entities of a probe are kept as live while it never says
// that a run was complete. Beyond it those that it did not report end: what it
// leaves behind must not grow for ever.
const maxLive = 20_000

// number turns readings into frames that name their definitions by number, and
// those of the pairs that ended into stale frames, which come first.
func (s *Spool) number(c Collection, gone *[]ended) []*ingestv1.Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	frames := make([]*ingestv1.Frame, 0, len(c.Readings))
	seen := make(map[pair]bool, len(c.Readings))
	for i := range c.Readings {
		r := &c.Readings[i]
		schema, entity := s.defs.schema(r.Schema), s.defs.entity(r.Labels, r.Target)
		entity.forms++
		p := pair{entity: entity.id, schema: schema.id}
		seen[p] = true
		s.live.add(c.Probe, p)
		frames = append(frames, &ingestv1.Frame{Entity: p.entity, Schema: p.schema, TimestampMs: r.Time, Values: r.Values})
	}
	if !c.Complete && len(s.live[c.Probe]) <= s.maxLive {
		return frames
	}
	return append(s.staleFrames(c, seen, gone), frames...)
}

// staleFrames ends what the probe reported before and does not now. They are
// stamped just before the run, so that a series which goes on in another shape
// is not cut at its newest sample.
func (s *Spool) staleFrames(c Collection, seen map[pair]bool, gone *[]ended) (frames []*ingestv1.Frame) {
	vanished := s.live.vanished(c.Probe, seen)
	for _, p := range vanished {
		*gone = append(*gone, ended{c.Probe, p})
		schema, entity := s.defs.schemas[p.schema], s.defs.entities[p.entity]
		if schema == nil || entity == nil {
			continue // never described to anyone
		}
		entity.forms++
		values := make([]float64, schema.columns())
		for i := range values {
			values[i] = metric.Stale()
		}
		frames = append(frames, &ingestv1.Frame{
			Entity: p.entity, Schema: p.schema, TimestampMs: c.Started.UnixMilli() - 1, Values: values,
		})
	}
	s.live.remove(c.Probe, vanished)
	return frames
}

// others returns the probes with live entities that are not among those named.
func (s *Spool) others(keep []string) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := map[string]bool{}
	for _, k := range keep {
		kept[k] = true
	}
	for _, name := range s.live.probes() {
		if !kept[name] {
			names = append(names, name)
		}
	}
	return names
}

// add writes batches.
func (s *Spool) add(ctx context.Context, a addition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.append(ctx, a); err != nil {
		return err
	}
	for _, frames := range a.batches {
		s.defs.formed(frames)
	}
	return nil
}

// lost records frames that could not be written.
func (s *Spool) lost(ctx context.Context, frames []*ingestv1.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := Gap{Reason: ReasonWriteFailed, First: s.next, Last: s.next, From: math.MaxInt64}
	for _, f := range frames {
		g.From, g.To = min(g.From, f.TimestampMs), max(g.To, f.TimestampMs)
		g.Samples += int64(len(f.Values))
	}
	s.defs.formed(frames)
	s.lose(ctx, g)
}
