package control

import (
	"context"
	"sync"
	"time"
)

const (
	// saveTimeout bounds one write: the one who connects waits for it.
	saveTimeout = 15 * time.Second
	// saveMost bounds one transaction, so that no one waits for a whole fleet.
	saveMost = 500
)

// batcher lets connects that come at the same time share a transaction, and with
// it the one fsync that each would else pay for: a fleet that comes back after a
// restart connects in seconds.
type batcher struct {
	save func(context.Context, []Connect) error

	mu      sync.Mutex // guards what follows
	waiting *batch     // gathers until the one who saves takes it; may be nil
	saving  bool       // somebody saves
}

type batch struct {
	connects []Connect
	done     chan struct{} // closed when saved
	err      error         // written before done is closed
}

// add returns once c is durable or was not stored. It does not end early with
// ctx: whether the counter was stored must be known.
func (b *batcher) add(ctx context.Context, c Connect) error {
	mine, lead := b.join(c)
	if lead { // in a goroutine of its own: who leads must not wait for all who come later
		go b.run(context.WithoutCancel(ctx))
	}
	<-mine.done
	return mine.err
}

// join puts c into the waiting batch. The first to find nobody saving leads.
func (b *batcher) join(c Connect) (mine *batch, lead bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = &batch{done: make(chan struct{})}
	}
	b.waiting.connects = append(b.waiting.connects, c)
	mine = b.waiting
	lead = !b.saving
	b.saving = true
	return mine, lead
}

// run saves batch after batch until nobody waits. What gathers during one save
// makes the next.
func (b *batcher) run(ctx context.Context) {
	for {
		b.mu.Lock()
		next := b.waiting
		b.waiting = nil
		if next == nil {
			b.saving = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		next.err = b.saveAll(ctx, next.connects)
		close(next.done)
	}
}

func (b *batcher) saveAll(ctx context.Context, all []Connect) error {
	for len(all) > 0 {
		n := min(len(all), saveMost)
		if err := b.saveOne(ctx, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func (b *batcher) saveOne(ctx context.Context, some []Connect) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	return b.save(ctx, some)
}
