package amqp

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
)

// blockedPatience is how long Publish waits for a broker that takes nothing.
const blockedPatience = time.Second

var (
	errNack     = errors.New("the broker refused the record: it could not replicate it")
	errReturned = errors.New("no stream took the record: it was deleted")
	errReplaced = errors.New("the channel was replaced: the broker refused what was written to it")
	errTimeout  = errors.New("not confirmed in time (bus.publish_timeout)")
)

// Publish implements bus.Log. Several records are on their way at the same time,
// as many as the window allows.
func (l *Log) Publish(ctx context.Context, partition int, record []byte) error {
	p, err := l.partition(partition)
	switch {
	case err != nil:
		return err
	case !p.current:
		return fmt.Errorf("%w to publish to: %d is of an earlier setting of bus.partitions", bus.ErrNoPartition, partition)
	case ctx.Err() != nil:
		return fmt.Errorf("publish: %w", ctx.Err())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.cfg.PublishTimeout, errTimeout)
	defer cancel()
	ctx, done := l.bound(ctx)
	defer done()
	start := time.Now()
	err = p.publish(ctx, record)
	if err != nil {
		return l.unpublished(ctx, err)
	}
	l.metrics.confirmed(len(record), time.Since(start))
	p.backlog.published(len(record) + messageBytes)
	return nil
}

// unpublished counts why a record was not confirmed.
func (l *Log) unpublished(ctx context.Context, err error) error {
	reason := reasonBroken
	switch {
	case l.closing.Err() != nil:
		return bus.ErrClosed
	case errors.Is(err, bus.ErrFull):
		l.metrics.full.Inc()
		return err
	case errors.Is(err, errNack):
		reason = reasonNack
	case errors.Is(err, errReturned):
		reason = reasonReturned
	case ctx.Err() != nil:
		reason = reasonTimeout
		if cause := context.Cause(ctx); !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
	}
	l.metrics.failures.WithLabelValues(reason).Inc()
	return fmt.Errorf("publish: %w", err)
}

func (p *partition) publish(ctx context.Context, record []byte) error {
	if err := p.pollFirst(ctx); err != nil && p.polled.Load() == 0 {
		return err
	}
	if err := p.backlog.full(); err != nil {
		return err
	}
	if err := p.l.publish.awaitUnblocked(ctx); err != nil {
		return err
	}
	release, err := p.acquire(ctx, int64(len(record)))
	if err != nil {
		return err
	}
	s, err := p.open(ctx)
	if err != nil {
		release()
		return err
	}
	w, err := s.send(ctx, p.queue, func(tag uint64) amqp.Publishing {
		return message(typeRecord, p.lastID(), tag, p.l.cfg.Now(), record)
	}, release)
	if err != nil {
		return err
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the caller says what was attempted
	}
}

// acquire takes a place in the window. It is free again when the record's fate is
// known, not when its caller has lost patience.
func (p *partition) acquire(ctx context.Context, size int64) (release func(), err error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err() //nolint:wrapcheck // the caller says what was attempted
	}
	size = min(size, p.l.cfg.WindowBytes)
	if err := p.room.Acquire(ctx, size); err != nil {
		<-p.slots
		return nil, err //nolint:wrapcheck // likewise
	}
	return func() { p.room.Release(size); <-p.slots }, nil
}

// open returns the partition's sender, and makes one if there is none.
func (p *partition) open(ctx context.Context) (*sender, error) {
	select {
	case p.opening <- struct{}{}:
		defer func() { <-p.opening }()
	case <-ctx.Done():
		return nil, ctx.Err() //nolint:wrapcheck // the caller says what was attempted
	}
	p.mu.Lock()
	s := p.sender
	p.mu.Unlock()
	if s != nil && s.alive() {
		return s, nil
	}
	// The stream may have been deleted, which may be why the sender ended.
	if _, err := p.lookAgain(ctx, lookPause, beginAge); err != nil {
		return nil, err
	}
	s, err := newSender(ctx, p.l.publish, func() { p.written.Add(1) })
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.sender = s
	p.mu.Unlock()
	return s, nil
}
