package collector

import (
	"context"
	"errors"
	"fmt"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/fault"
)

// keptRecord is the largest record, uncompressed, whose memory is kept for a
// later one.
const keptRecord = 4 << 20

// publish makes the record durable and tells everybody who has a batch in it. It
// is not bound to a caller: what was gathered is decided, one way or the other.
func (g *gatherer) publish(r *gathering) {
	start := g.now()
	r.complete()
	raw := r.builder.Len()
	r.encoded = r.builder.Encode(r.encoded[:0])
	g.metrics.queue.Add(float64(raw))
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.PublishTimeout)
	err := g.bus.Publish(ctx, g.partition, r.encoded)
	cancel()
	g.metrics.queue.Sub(float64(raw))
	g.metrics.published(r, raw, g.now().Sub(start), err)
	switch {
	case err == nil:
		g.confirm(r)
	case errors.Is(err, bus.ErrFull):
		g.pause()
		g.putOff(r)
	default:
		// Once a record: it is many batches of many senders.
		g.log.Error("the ingest log took no record; its batches are not acknowledged and come again", "partition", g.partition, "batches", len(r.batches), "error", err)
		g.fail(r, err)
	}
	g.recycle(r)
}

// complete notes up to when the data of agents is complete with the record. That is
// as late as can be, for what was put off meanwhile counts.
func (r *gathering) complete() {
	for i := range r.batches {
		if b := &r.batches[i]; b.complete != 0 {
			r.builder.Complete(i, b.to.completeWith(b))
		}
	}
}

// confirm notes which definitions readers can know now, then answers.
func (g *gatherer) confirm(r *gathering) {
	g.mu.Lock()
	now := g.now().UnixMilli()
	for _, d := range r.defs {
		d.confirmed = now
	}
	g.resumeLocked()
	g.mu.Unlock()
	for i := range r.batches {
		r.batches[i].to.confirmed(&r.batches[i])
	}
}

// putOff asks the senders of the record to come again. The log is full, so the
// record is surely not in it.
func (g *gatherer) putOff(r *gathering) {
	again := uint32(2 * g.cfg.FullPause.Milliseconds())
	for i := range r.batches {
		b := &r.batches[i]
		b.to.putOff(b, &ingestv1.Refusal{
			Sequence: b.sequence, Reason: "log_full", Retryable: true, RetryAfterMs: again,
			Message: "the server's ingest log takes nothing, because storage has not caught up or a disk is nearly full: the batch is taken later; on the server look at the free space, at what storage logs, and at the limits of the log in the section bus of its configuration",
		})
	}
}

// fail ends the streams of the record: whether it is in the log is not known,
// and sending its batches again is harmless.
func (g *gatherer) fail(r *gathering, err error) {
	f := fault.Wrap(fmt.Errorf("publish record: %w", err), fault.Unavailable, "ingest_log_unavailable",
		"the server could not make the data durable: connect again and send what was not acknowledged")
	for i := range r.batches {
		r.batches[i].to.lost(&r.batches[i], f)
	}
}

// pause makes all senders wait a moment.
func (g *gatherer) pause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused {
		return
	}
	g.paused = true
	g.metrics.full.Set(1)
	time.AfterFunc(g.cfg.FullPause, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.resumeLocked()
	})
}

func (g *gatherer) resumeLocked() {
	if g.paused {
		g.paused = false
		g.metrics.full.Set(0)
		g.wakeLocked()
	}
}

// recycle keeps the record's memory for a later one.
func (g *gatherer) recycle(r *gathering) {
	if r.builder.Len() > keptRecord {
		return
	}
	clear(r.batches) // lets go of streams that may have ended
	clear(r.defs)
	r.builder.Reset()
	r.defs, r.batches, r.frames, r.samples = r.defs[:0], r.batches[:0], 0, 0
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.spare) <= g.cfg.Publishing {
		g.spare = append(g.spare, r)
	}
}
