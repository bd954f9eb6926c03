package amqp

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

// retryPause is the wait before a reader subscribes again.
const retryPause = 200 * time.Millisecond

// reader implements bus.Reader. It subscribes again by hand whenever the broker
// goes away, from the next offset it wants.
type reader struct {
	p    *partition
	id   string
	next int64 // offset wanted next

	sub      *subscription
	unacked  int // messages whose credit was not given back
	tag      uint64
	lagging  time.Time // since when the broker lacks what is wanted
	failed   error
	isClosed bool
}

// Read implements bus.Log.
func (l *Log) Read(ctx context.Context, partition int, from int64) (bus.Reader, error) {
	p, err := l.partition(partition)
	if err != nil {
		return nil, err
	}
	ctx, done := l.bound(ctx)
	defer done()
	v, err := p.look(ctx)
	if err != nil {
		return nil, l.failed("read the ingest log", err)
	}
	if next := p.atLeast(ctx, &v); from < v.first || from > next {
		return nil, &bus.GapError{Partition: partition, Wanted: from, First: v.first, Next: next}
	}
	r := &reader{p: p, id: v.id, next: from}
	if err := r.resume(ctx); err != nil {
		return nil, l.failed("read the ingest log", err)
	}
	return r, nil
}

// LogID implements bus.Reader.
func (r *reader) LogID() string { return r.id }

// Next implements bus.Reader.
func (r *reader) Next(ctx context.Context) (bus.Record, error) {
	for {
		if err := r.usable(ctx); err != nil {
			return bus.Record{}, err
		}
		if r.sub == nil {
			if err := r.resumeBound(ctx); err != nil {
				return bus.Record{}, err
			}
		}
		select {
		case d, ok := <-r.sub.deliveries:
			if !ok {
				r.drop()
				continue
			}
			rec, ok, err := r.take(ctx, &d)
			if ok || err != nil {
				return rec, err
			}
		case <-r.p.l.closing.Done():
		case <-ctx.Done():
		}
	}
}

func (r *reader) usable(ctx context.Context) error {
	switch {
	case r.isClosed || r.p.l.closing.Err() != nil:
		return bus.ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("read the ingest log: %w", ctx.Err())
	}
	return r.failed
}

// take looks at a message: whether it is the record that is wanted.
func (r *reader) take(ctx context.Context, d *amqp.Delivery) (bus.Record, bool, error) {
	s, err := describe(d)
	if err != nil {
		return bus.Record{}, false, r.fail(fmt.Errorf("%w: queue %s: %w", errTopology, r.p.queue, err))
	}
	r.credit(d)
	switch {
	case s.offset < r.next:
		return bus.Record{}, false, nil // a chunk begins before what is wanted
	case s.offset > r.next:
		if ok, err := r.jump(ctx); !ok {
			return bus.Record{}, false, err
		}
	}
	r.next = s.offset + 1
	if !s.record {
		if !s.header {
			r.p.l.metrics.foreign.Inc()
		}
		return bus.Record{}, false, nil
	}
	r.p.know(r.p.position(r.id, r.next))
	return bus.Record{Offset: s.offset, Time: s.time, Payload: d.Body}, true, nil
}

// jump finds out why an offset is missing. The broker uses one itself at the
// beginning of each segment, for what it knows about publishers. If the stream
// still holds the place, there never was a record; if it does not, there was.
func (r *reader) jump(ctx context.Context) (ok bool, err error) {
	ctx, done := r.p.l.bound(ctx)
	defer done()
	v, err := r.p.look(ctx)
	switch {
	case err == nil && v.id == r.id && r.next < v.first:
		return false, r.fail(&bus.GapError{Partition: r.p.number, Wanted: r.next, First: v.first, Next: v.next})
	case err == nil && v.id == r.id:
		return true, nil
	}
	r.drop() // what came is asked for again, when it can be told
	return false, nil
}

// credit lets the broker send more. If that fails, the subscription is about to
// end.
func (r *reader) credit(d *amqp.Delivery) {
	r.unacked, r.tag = r.unacked+1, d.DeliveryTag
	if r.unacked >= (r.p.l.cfg.Prefetch+1)/2 {
		r.unacked = 0
		_ = r.sub.ch.Ack(r.tag, true)
	}
}

func (r *reader) resumeBound(ctx context.Context) error {
	ctx, done := r.p.l.bound(ctx)
	defer done()
	err := r.resume(ctx)
	switch {
	case err == nil:
		return nil
	case r.p.l.closing.Err() != nil:
		return bus.ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("read the ingest log: %w", ctx.Err())
	}
	return r.fail(err)
}

// resume subscribes from the offset wanted next, trying until ctx ends or it is
// clear that what is wanted is gone.
func (r *reader) resume(ctx context.Context) error {
	for {
		err := r.subscribe(ctx)
		if err == nil {
			return nil
		}
		if final(err) {
			return err
		}
		r.p.l.log.Debug("reading the stream did not begin, will try again", "partition", r.p.number, "error", err)
		if err := pause(ctx, retryPause); err != nil {
			return err
		}
	}
}

// final tells errors that trying again does not help against.
func final(err error) bool {
	_, gap := errors.AsType[*bus.GapError](err)
	return gap || errors.Is(err, bus.ErrReplaced) || errors.Is(err, bus.ErrNoPartition) || errors.Is(err, bus.ErrClosed) || errors.Is(err, errTopology)
}

// subscribe subscribes, then looks at the stream: so what was subscribed to is
// the stream that is seen. Had it been replaced afterwards, the subscription
// would have ended.
func (r *reader) subscribe(ctx context.Context) error {
	sub, err := r.p.subscribe(ctx, r.next, r.p.l.cfg.Prefetch)
	if errors.Is(err, errMissing) {
		_, err = r.p.look(ctx) // makes it anew, or says that it is gone
		if err == nil {
			err = errMissing
		}
	}
	if err != nil {
		return err
	}
	v, err := r.p.look(ctx)
	if err == nil {
		err = r.compare(&v)
	}
	if err != nil {
		sub.close()
		return err
	}
	r.sub, r.unacked, r.lagging = sub, 0, time.Time{}
	return nil
}

// compare tells whether the stream is the one that was read, and holds what is
// wanted next.
func (r *reader) compare(v *view) error {
	switch {
	case v.id != r.id:
		return fmt.Errorf("%w: it was %s and is %s", bus.ErrReplaced, r.id, v.id)
	case r.next < v.first:
		return &bus.GapError{Partition: r.p.number, Wanted: r.next, First: v.first, Next: v.next}
	case r.next <= v.end:
		return nil
	case r.lagging.IsZero():
		r.lagging = time.Now()
	case time.Since(r.lagging) > r.p.l.cfg.CatchUpTimeout:
		return &bus.GapError{Partition: r.p.number, Wanted: r.next, First: v.first, Next: v.next}
	}
	return fmt.Errorf("the broker's replica ends at offset %d, wanted is %d", v.end-1, r.next)
}

// fail makes the reader useless.
func (r *reader) fail(err error) error {
	r.drop()
	r.p.l.metrics.gaps.Inc()
	r.failed = fmt.Errorf("read the ingest log: %w", err)
	return r.failed
}

func (r *reader) drop() {
	if r.sub != nil {
		r.sub.close()
		r.sub = nil
	}
}

// Close implements bus.Reader.
func (r *reader) Close() error {
	r.drop()
	r.isClosed = true
	return nil
}
