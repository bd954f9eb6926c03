package amqp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// pollEvery is how often the backlog is measured when it matters.
	pollEvery = time.Second
	// pollSeldom is how often it is when it is far from the limit: looking costs the
	// broker something.
	pollSeldom = 5 * time.Second
	// pollTimeout bounds one measurement.
	pollTimeout = 10 * time.Second
)

// watchBacklog measures how much is not stored in the partitions that this process
// publishes to, until ctx ends.
func (l *Log) watchBacklog(ctx context.Context) {
	failing := map[int]bool{}
	for pause(ctx, pollEvery) == nil {
		for _, n := range l.current {
			p, err := l.partition(n)
			if err != nil || !p.pollDue() {
				continue
			}
			err = p.poll(ctx)
			if ctx.Err() != nil {
				return
			}
			// Once a time of trouble: it is every second.
			if err != nil && !failing[n] {
				l.log.Warn("the backlog of the ingest log cannot be measured; it counts as growing", "partition", n, "error", err)
			}
			failing[n] = err != nil
		}
	}
}

func (p *partition) pollDue() bool {
	polled := p.polled.Load()
	return polled != 0 && (p.backlog.near() || time.Since(time.Unix(0, polled)) >= pollSeldom)
}

// pollFirst measures the backlog before the first record is published: a full
// stream must not take even that.
func (p *partition) pollFirst(ctx context.Context) error {
	if p.polled.Load() != 0 {
		return nil
	}
	return p.poll(ctx)
}

// poll measures the backlog of one partition. A stored position that cannot be
// read is no reason not to measure.
func (p *partition) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	v, err := p.lookAgain(ctx, pollEvery/2, beginAge)
	if err != nil {
		p.l.metrics.pollFailures.WithLabelValues("stream").Inc()
		return err
	}
	storedErr := p.pollStored(ctx, &v)
	var began time.Time
	if from, ok := p.backlog.wantsTime(&v); ok {
		if began, err = p.timeAt(ctx, from); err != nil {
			p.l.metrics.pollFailures.WithLabelValues("stream").Inc()
			return err
		}
	}
	level := p.backlog.measure(&v, began)
	p.polled.Store(time.Now().UnixNano())
	p.l.metrics.backlog(p.number, level.records, level.bytes, level.age)
	return storedErr
}

func (p *partition) pollStored(ctx context.Context, v *view) error {
	if p.l.deps.Stored == nil {
		if _, known := p.backlog.position(); !known {
			p.backlog.know(p.position(v.id, v.next))
		}
		return nil
	}
	pos, err := p.l.deps.Stored(ctx, p.number)
	if err != nil {
		p.l.metrics.pollFailures.WithLabelValues("stored").Inc()
		return fmt.Errorf("read the stored position: %w", err)
	}
	p.backlog.know(pos)
	p.know(pos)
	return nil
}

// timeAt returns when the record at the offset, or the first one after it, was
// published.
func (p *partition) timeAt(ctx context.Context, offset int64) (time.Time, error) {
	found, err := p.scan(ctx, offset, beginCredit, func(s *seen) bool { return s.record && s.offset >= offset })
	if err != nil {
		return time.Time{}, err
	}
	for i := range found {
		if s := &found[i]; s.record && s.offset >= offset {
			return s.time, nil
		}
	}
	return time.Time{}, errors.New("the first record that is not stored did not come")
}
