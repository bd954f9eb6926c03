package filesystem

import (
	"context"
	"errors"
	"time"
)

var (
	errStuck  = errors.New("no answer in time")
	errNoSlot = errors.New("not asked: all calls are held by filesystems that do not answer (filesystem.max_calls)")
)

// result is what a call brought.
type result struct {
	usage
	at  time.Time // just before asking
	err error
}

// call is one question to one filesystem. The goroutine that asks fills result
// and then closes done.
type call struct {
	path   string
	at     time.Time // when it was asked; zero if there was no slot
	done   chan struct{}
	result result
	old    bool // begun by an earlier collection: do not wait again
}

// calls asks filesystems, each in a goroutine of its own. At most cap(slots)
// goroutines exist: one that is stuck keeps its slot until the kernel lets it
// go. Its methods are called by one goroutine at a time.
type calls struct {
	slots   chan struct{}
	now     func() time.Time
	ask     func(path string) (usage, error)
	pending map[string]*call // by path, those that were given up waiting for
}

func newCalls(limit int, now func() time.Time, ask func(string) (usage, error)) *calls {
	return &calls{slots: make(chan struct{}, limit), now: now, ask: ask, pending: make(map[string]*call)}
}

// start asks the filesystem at path, unless an earlier question to it is still
// open. It waits for a free slot until ctx ends.
func (c *calls) start(ctx context.Context, path string) *call {
	if p := c.pending[path]; p != nil {
		select {
		case <-p.done:
			delete(c.pending, path)
		default:
			p.old = true
			return p
		}
	}
	k := &call{path: path, done: make(chan struct{})}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return k
	}
	k.at = c.now()
	go func() {
		u, err := c.ask(path)
		k.result = result{usage: u, at: k.at, err: err}
		<-c.slots
		close(k.done)
	}()
	return k
}

// wait returns the result once it is there, or that the filesystem is stuck
// once ctx ends.
func (c *calls) wait(ctx context.Context, k *call) result {
	switch {
	case k.at.IsZero():
		return result{at: c.now(), err: errNoSlot}
	case k.old:
		return result{at: c.now(), err: errStuck}
	}
	select {
	case <-k.done:
		return k.result
	default:
	}
	select {
	case <-k.done:
		return k.result
	case <-ctx.Done():
		c.pending[k.path] = k
		return result{at: k.at, err: errStuck}
	}
}
