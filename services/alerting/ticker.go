package alerting

import (
	"context"
	"sync"
	"time"
)

// ticker publishes ticks, so that the leader never waits for the ingest log.
type ticker struct {
	a    *Alerting
	wake chan struct{}

	mu     sync.Mutex // guards what follows
	wanted time.Time  // the newest tick to publish
	done   time.Time  // the newest tick that was published
	since  time.Time  // by a clock that does not jump: since when a tick is away; zero if none is
	err    error      // of the last attempt
}

func newTicker(a *Alerting) *ticker { return &ticker{a: a, wake: make(chan struct{}, 1)} }

// want has a tick of the time published.
func (t *ticker) want(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.Equal(t.wanted) {
		return
	}
	t.wanted = at
	if t.since.IsZero() {
		t.since = time.Now()
	}
	select {
	case t.wake <- struct{}{}:
	default: // it is awake
	}
}

// read notes up to when all was read, and returns for how long a tick is away and why.
func (t *ticker) read(at time.Time) (away time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wanted.IsZero() || !at.Before(t.wanted) {
		t.since = time.Time{}
		return 0, nil
	}
	return time.Since(t.since), t.err
}

// run publishes ticks until ctx ends.
func (t *ticker) run(ctx context.Context) {
	for ctx.Err() == nil {
		t.mu.Lock()
		at, due := t.wanted, !t.wanted.Equal(t.done)
		t.mu.Unlock()
		if !due {
			t.a.waitFor(ctx, time.Hour, t.wake)
			continue
		}
		if !t.publish(ctx, at) {
			t.a.waitFor(ctx, step, nil)
		}
	}
}

func (t *ticker) publish(ctx context.Context, at time.Time) bool {
	limited, cancel := context.WithTimeout(ctx, stuckAfter)
	defer cancel()
	err := t.a.deps.Data.Tick(limited, at)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err = err; err == nil {
		t.done = at
	}
	return err == nil
}
