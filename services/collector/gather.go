package collector

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/record"
)

// gatherer makes the records of one partition: group commits of what comes from
// all streams.
type gatherer struct {
	cfg       *Config
	bus       bus.Log
	partition int
	now       func() time.Time
	log       *slog.Logger
	metrics   *metrics
	defs      *definitions

	begun chan struct{} // a record got its first frames
	full  chan struct{} // a record reached its size
	slots chan struct{} // one for each record being published
	under sync.WaitGroup

	mu     sync.Mutex    // guards what follows
	room   chan struct{} // closed, and made anew, when there may be room in the record
	cur    *gathering
	spare  []*gathering
	number uint64
	closed bool
	paused bool // the log is full: nothing is taken for a moment
	gap    time.Duration
}

// gathering is a record while it is gathered and published.
type gathering struct {
	number  uint64
	builder record.Builder
	defs    []*definition // that ride in it
	batches []gathered
	frames  int
	samples int
	encoded []byte
}

// gathered is a batch in a record and who is to be told about it.
type gathered struct {
	sequence uint64
	skewMS   int64
	complete int64 // see batch
	oldest   int64 // time of its oldest frame, Unix milliseconds
	to       answer
}

// answer is told what became of a batch.
type answer interface {
	// completeWith is asked just before the batch is published up to when the
	// agent's data is complete with it. It is not asked for one that says nothing.
	completeWith(b *gathered) int64
	// confirmed is called once the batch is durable.
	confirmed(b *gathered)
	// putOff is called when the batch is not in the log and may be sent again.
	putOff(b *gathered, r *ingestv1.Refusal)
	// lost is called when it is not known whether the batch is in the log.
	lost(b *gathered, err error)
}

// batch is what is added to a record at once.
type batch struct {
	agentID  string
	sequence uint64
	received time.Time
	skewMS   int64
	complete int64 // see ingestv1.Batch
	frames   []frame
}

// errDraining refuses what comes during a shutdown.
var errDraining = fault.New(fault.Unavailable, "shutting_down", "the server is shutting down: connect again in a moment; what was not acknowledged must be sent again")

func newGatherer(cfg *Config, deps *Deps, partition int, log *slog.Logger, m *metrics) *gatherer {
	g := &gatherer{
		cfg: cfg, bus: deps.Log, partition: partition, now: deps.Now, log: log, metrics: m, defs: newDefinitions(),
		begun: make(chan struct{}, 1), full: make(chan struct{}, 1), slots: make(chan struct{}, cfg.Publishing),
		room: make(chan struct{}), gap: cfg.MinGap,
	}
	g.nextLocked()
	return g
}

// nextLocked begins a new record.
func (g *gatherer) nextLocked() {
	g.number++
	if n := len(g.spare); n > 0 {
		g.cur, g.spare = g.spare[n-1], g.spare[:n-1]
	} else {
		g.cur = &gathering{}
	}
	g.cur.number = g.number
}

// add puts the batch into the record and sees to it that to is told what became
// of it. It waits while the record is full; that is what makes senders wait. A
// sender that is gone, as ctx tells, waits no longer: otherwise those that come
// again and again while the log is full would pile up. The frames are not kept.
func (g *gatherer) add(ctx context.Context, b *batch, to answer) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.awaitRoomLocked(ctx); err != nil {
		return err
	}
	r := g.cur
	if len(r.batches) == 0 {
		signal(g.begun)
	}
	oldest := g.now().Add(-g.cfg.RedefineAfter).UnixMilli()
	r.builder.Batch(b.agentID, b.received, b.skewMS)
	own := gathered{sequence: b.sequence, skewMS: b.skewMS, complete: b.complete, oldest: math.MaxInt64, to: to}
	for i := range b.frames {
		f := &b.frames[i]
		own.oldest = min(own.oldest, f.time)
		r.define(f.schema, oldest)
		r.define(f.entity, oldest)
		r.builder.Frame(f.entity.id, f.schema.id, f.time, f.values)
		r.samples += len(f.values)
	}
	r.frames += len(b.frames)
	r.batches = append(r.batches, own)
	if r.builder.Len() >= g.cfg.RecordBytes {
		signal(g.full)
	}
	return nil
}

// awaitRoomLocked returns when the record takes frames, or why it will not. g.mu
// is held, though not while it waits.
func (g *gatherer) awaitRoomLocked(ctx context.Context) error {
	for !g.closed && (g.paused || g.cur.builder.Len() >= g.cfg.RecordBytes) {
		room := g.room
		g.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
		}
		g.mu.Lock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for room in the record: %w", err)
		}
	}
	if g.closed {
		return errDraining
	}
	return nil
}

// wakeLocked lets everybody who waits for room look again.
func (g *gatherer) wakeLocked() {
	close(g.room)
	g.room = make(chan struct{})
}

func (r *gathering) define(d *definition, oldest int64) {
	if d.due(r.number, oldest) {
		d.ride(&r.builder, r.number)
		r.defs = append(r.defs, d)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run publishes records until ctx ends; then it takes nothing more, publishes
// what was gathered and returns when all of it is decided.
func (g *gatherer) run(ctx context.Context) {
	defer g.under.Wait()
	defer context.AfterFunc(ctx, g.close)() // at once, also while the log is waited for
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-g.begun:
		case <-ctx.Done():
			g.close()
			g.publishNext()
			return
		}
		timer.Reset(g.currentGap())
		byTime := false
		select {
		case <-timer.C:
			byTime = true
		case <-g.full:
		case <-ctx.Done():
		}
		g.adapt(byTime, g.publishNext())
	}
}

// publishNext hands the gathered record on to be published, when there is a
// place, and returns how many batches it has. Until then the record goes on
// gathering.
func (g *gatherer) publishNext() int {
	g.slots <- struct{}{}
	r := g.seal()
	if r == nil {
		<-g.slots
		return 0
	}
	n := len(r.batches)
	g.under.Go(func() {
		g.publish(r)
		<-g.slots
	})
	return n
}

// seal ends the record and begins the next. It returns nil if there is nothing
// in it.
func (g *gatherer) seal() *gathering {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range []chan struct{}{g.begun, g.full} { // they spoke of this record
		select {
		case <-c:
		default:
		}
	}
	if len(g.cur.batches) == 0 {
		return nil
	}
	r := g.cur
	g.nextLocked()
	g.wakeLocked()
	return r
}

// adapt chooses how long the next record is gathered. Waiting pays when it puts
// many batches into one commit: then fewer commits, syncs and acknowledgements
// are made. When a record has one or two batches anyway, waiting is only delay.
func (g *gatherer) adapt(byTime bool, batches int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case byTime && batches >= 4:
		g.gap = min(max(2*g.gap, time.Millisecond), g.cfg.MaxGap)
	case byTime && batches <= 2:
		g.gap = max(g.gap/2, g.cfg.MinGap)
	}
	g.metrics.gap.Set(g.gap.Seconds())
}

func (g *gatherer) currentGap() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gap
}

func (g *gatherer) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.wakeLocked()
}

// queued returns how many bytes wait to be published.
func (g *gatherer) queued() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cur.builder.Len()
}
