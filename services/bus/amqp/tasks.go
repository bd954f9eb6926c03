package amqp

import (
	"context"
	"sync"

	"github.com/esolutions/esmon/services/bus"
)

// tasks are goroutines that are waited for.
type tasks struct {
	wg sync.WaitGroup

	mu    sync.Mutex // guards ended
	ended bool
}

// run starts f, unless no more may start.
func (t *tasks) run(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.wg.Go(f)
	return true
}

// end lets no more start and waits for those that run.
func (t *tasks) end() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.wg.Wait()
}

// within makes a call that knows no context. If ctx ends first, the call goes on
// until the broker answers or its connection is given up; drop then gets what it
// returned.
func within[T any](ctx context.Context, t *tasks, call func() (T, error), drop func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var (
		none      T
		done      = make(chan result, 1)
		mu        sync.Mutex // guards abandoned
		abandoned bool
	)
	started := t.run(func() {
		v, err := call()
		mu.Lock()
		late := abandoned
		done <- result{v, err}
		mu.Unlock()
		if late && err == nil {
			drop(v)
		}
	})
	if !started {
		return none, bus.ErrClosed
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	select {
	case r := <-done: // it came just now
		return r.value, r.err
	default:
		abandoned = true
		return none, ctx.Err() //nolint:wrapcheck // the caller says what was attempted
	}
}
