package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/tsdb"
)

// maxPauses is how many times the first pause between tries may become.
const maxPauses = 30

// committer stores the cuts of one partition, one after the other.
type committer struct {
	s         *Storage
	partition int
	sealed    chan struct{} // holds a token when there is a cut to store
	conflict  chan error    // gets the error that only a reload helps against

	working chan struct{} // holds a token while nobody tries: two must not run at the same time

	trouble trouble // with the cut at hand
}

func newCommitter(s *Storage, partition int) *committer {
	c := &committer{s: s, partition: partition, sealed: make(chan struct{}, 1), conflict: make(chan error, 1), working: make(chan struct{}, 1)}
	c.working <- struct{}{}
	return c
}

// wake says that there is a cut to store.
func (c *committer) wake() {
	select {
	case c.sealed <- struct{}{}:
	default:
	}
}

// start stores cuts until ctx ends; the channel is closed when it has stopped.
func (c *committer) start(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	c.drain()
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-c.sealed:
				c.s.deps.DB.Settle(c.partition) // if it was another process that stored it
				c.store(ctx)
			}
		}
	}()
	return done
}

// drain empties what an earlier course left.
func (c *committer) drain() {
	select {
	case <-c.conflict: //nolint:errcheck // of an earlier course
	default:
	}
	select {
	case <-c.sealed:
	default:
	}
}

// store tries until the cut is stored, ctx ends, or there is a conflict.
func (c *committer) store(ctx context.Context) {
	for wait := c.s.cfg.RetryPause; ; wait = min(2*wait, maxPauses*c.s.cfg.RetryPause) {
		err := c.try(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if errors.Is(err, tsdb.ErrConflict) {
			c.conflict <- err
			return
		}
		c.s.log.Error("storing a cut failed, will try again; nothing is lost, the ingest log has it", "partition", c.partition, "error", err, "after", wait)
		if errors.Is(err, tsdb.ErrFull) {
			c.s.makeRoom(ctx)
		}
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// try stores the cut at hand, if there is one, and lets the log go of it.
func (c *committer) try(ctx context.Context) error {
	pos, err := c.commit(ctx)
	if err == nil {
		c.release(ctx, pos)
	}
	return err
}

func (c *committer) commit(ctx context.Context) (tsdb.Position, error) {
	select {
	case <-c.working:
		defer func() { c.working <- struct{}{} }()
	case <-ctx.Done():
		return tsdb.Position{}, fmt.Errorf("wait for the cut under way: %w", ctx.Err())
	}
	pos, err := c.s.deps.DB.Commit(ctx, c.partition)
	c.note(err)
	return pos, err
}

// release lets the log go of what is stored. If that fails, the next cut releases
// this, too.
func (c *committer) release(ctx context.Context, pos tsdb.Position) {
	stored := bus.Position{LogID: pos.LogID, Partition: c.partition, Offset: pos.Offset}
	if err := c.s.deps.Log.Release(ctx, stored); err != nil {
		c.s.log.Warn("the ingest log could not be released", "partition", c.partition, "before_offset", pos.Offset, "error", err)
	}
}

// finish stores what is sealed and what is in the head. The log is released with
// the next cut, or at the next start: a process that ends need not wait for that.
func (c *committer) finish(ctx context.Context) error {
	if _, err := c.commit(ctx); err != nil {
		return err
	}
	c.s.deps.DB.Seal(c.partition)
	_, err := c.commit(ctx)
	return err
}

func (c *committer) note(err error) {
	if err != nil {
		c.s.metrics.failures.Inc()
	}
	c.trouble.note(err, c.s.deps.Now())
}
