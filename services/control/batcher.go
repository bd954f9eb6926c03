package control

import (
	"context"
	"slices"
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
	save func(context.Context, []Connect) (refused []string, err error)

	mu      sync.Mutex // guards what follows
	waiting *batch     // gathers until the one who saves takes it; may be nil
	saving  bool       // somebody saves
}

type batch struct {
	connects []Connect
	done     chan struct{} // closed when saved
	refused  []string      // sessions; written before done is closed, as is err
	err      error
}

// add returns once c is durable or was not stored, and whether it was. It does not
// end early with ctx: whether the counter was stored must be known.
func (b *batcher) add(ctx context.Context, c Connect) (stored bool, err error) {
	mine, lead := b.join(c)
	if lead { // in a goroutine of its own: who leads must not wait for all who come later
		go b.run(context.WithoutCancel(ctx))
	}
	<-mine.done
	return mine.err == nil && !slices.Contains(mine.refused, c.Session), mine.err
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
		next.refused, next.err = b.saveAll(ctx, next.connects)
		close(next.done)
	}
}

func (b *batcher) saveAll(ctx context.Context, all []Connect) (refused []string, err error) {
	for len(all) > 0 {
		n := min(len(all), saveMost)
		some, err := b.saveOne(ctx, all[:n])
		if err != nil {
			return nil, err
		}
		refused = append(refused, some...)
		all = all[n:]
	}
	return refused, nil
}

func (b *batcher) saveOne(ctx context.Context, some []Connect) (refused []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	return b.save(ctx, some)
}
