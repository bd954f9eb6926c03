package watermark

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/esolutions/esmon/services/record"
)

// Tick implements alerting.Data.
func (t *Tracker) Tick(ctx context.Context, at time.Time) error {
	ms := at.UnixMilli()
	t.remember(ms)
	var b record.Builder
	b.Tick(ms)
	payload := b.Encode(nil)
	var g errgroup.Group
	for _, p := range t.deps.Log.Partitions() {
		g.Go(func() error {
			if err := t.deps.Log.Publish(ctx, p, payload); err != nil {
				return fmt.Errorf("publish a tick to partition %d: %w", p, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// remember notes that the tick is under way, and forgets the oldest beyond the bound.
func (t *Tracker) remember(ms int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ticks[ms] = struct{}{}
	if len(t.ticks) <= ticksKept {
		return
	}
	for _, old := range slices.Sorted(maps.Keys(t.ticks))[:ticksKept/2] {
		delete(t.ticks, old)
	}
}

// Read implements alerting.Data.
func (t *Tracker) Read() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	var least int64
	for i, p := range t.deps.Log.Partitions() {
		ms, ok := t.read[p]
		if !ok {
			return time.Time{}
		}
		if i == 0 || ms < least {
			least = ms
		}
	}
	if least == 0 {
		return time.Time{}
	}
	return time.UnixMilli(least)
}
