package tsdb

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// forgetAfter is how long after the retention a definition is kept that nothing
// refers to.
const forgetAfter = 24 * time.Hour

// Retain removes the blocks whose rows are all older than the retention, and
// forgets the definitions that nothing needs any more. It returns what was
// removed.
func (db *DB) Retain(ctx context.Context) ([]BlockInfo, error) {
	oldest := db.cfg.Now().Add(-db.cfg.Retention).UnixMilli()
	stored, err := db.store.Blocks(ctx)
	if err != nil {
		return nil, fmt.Errorf("list blocks: %w", err)
	}
	before, kept := bounded(stored, blockOf(oldest))
	dropped, err := db.store.Drop(ctx, before) // a block ends before the next begins
	if err != nil {
		return dropped, fmt.Errorf("drop blocks older than the retention of %s: %w", db.cfg.Retention, err)
	}
	// A pair of which chunks may be left is not forgotten, whatever the clock says.
	if err := db.forget(ctx, min(kept, oldest-forgetAfter.Milliseconds())); err != nil {
		return dropped, fmt.Errorf("forget definitions: %w", err)
	}
	return dropped, nil
}

// forgettable returns the time before which a pair may be forgotten of which no row is
// in memory.
func (db *DB) forgettable() int64 {
	return db.cfg.Now().Add(-db.cfg.Retention - forgetAfter).UnixMilli()
}

// mostDropped is how many blocks one pass drops: a clock that is wrong for a moment
// must not cost more than the oldest few.
const mostDropped = 2

// bounded returns the time before which blocks may be dropped, and the start of
// the oldest that then is left.
func bounded(stored []BlockInfo, before int64) (to, kept int64) {
	starts := make([]int64, 0, len(stored))
	for _, b := range stored {
		starts = append(starts, b.Start)
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	n := 0
	for n < len(starts) && n < mostDropped && starts[n] < before {
		n++
	}
	if n == len(starts) {
		return before, math.MaxInt64
	}
	return min(before, starts[n]), starts[n]
}

// forget removes pairs whose newest row is older, and definitions that then are
// part of no pair and were not seen since. What is removed here and comes back
// before the Store followed is new to both.
func (db *DB) forget(ctx context.Context, before int64) error {
	db.forgetting.Lock()
	defer db.forgetting.Unlock()
	gone := db.collect(before)
	gone.Pairs = append(gone.Pairs, db.unforgotten.Pairs...)
	gone.Entities = append(gone.Entities, db.unforgotten.Entities...)
	gone.Schemas = append(gone.Schemas, db.unforgotten.Schemas...)
	if len(gone.Pairs)+len(gone.Entities)+len(gone.Schemas) == 0 {
		return nil
	}
	err := db.store.Forget(ctx, gone)
	db.unforgotten = Forget{}
	if err != nil {
		db.unforgotten = *gone // the index has forgotten it: nobody else would say it again
	}
	return err
}

func (db *DB) collect(before int64) *Forget {
	db.collecting.Lock()
	defer db.collecting.Unlock()
	partitions := db.all()
	garbage := db.index.Collect(before, func(p *index.Pair) bool {
		for _, part := range partitions {
			if part.uses(p.Ref) {
				return true
			}
		}
		return false
	})
	f := &Forget{Before: before}
	for _, part := range partitions {
		f.Pairs = append(f.Pairs, part.forget(garbage.Pairs)...)
	}
	f.Entities, f.Schemas = make([]metric.ID, 0, len(garbage.Entities)), make([]metric.ID, 0, len(garbage.Schemas))
	for _, e := range garbage.Entities {
		f.Entities = append(f.Entities, e.ID)
	}
	for _, s := range garbage.Schemas {
		f.Schemas = append(f.Schemas, s.ID)
	}
	return f
}

// uses tells whether the pair must be kept: rows of it are in memory, or it has the
// highest number.
func (p *partition) uses(ref uint32) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if id := p.peek(ref).id; id != 0 && id == p.lastID {
		return true // or its number would be given to another, after a restart
	}
	if p.active.Rows(ref).Len() > 0 || p.sealed != nil && p.sealed.table.Rows(ref).Len() > 0 {
		return true
	}
	for _, c := range p.recent {
		if len(c.of(ref)) > 0 {
			return true
		}
	}
	return false
}

// forget forgets the ids of pairs, whose numbers will be given to others.
func (p *partition) forget(pairs []*index.Pair) []PairDef {
	p.mu.Lock()
	defer p.mu.Unlock()
	var gone []PairDef
	for _, pair := range pairs {
		known := p.peek(pair.Ref)
		if known.id == 0 {
			continue
		}
		gone = append(gone, PairDef{Partition: p.id, ID: known.id, Entity: pair.Entity.ID, Schema: pair.Schema.ID, First: known.first, Last: known.last, Present: known.present})
		*known = storedPair{}
	}
	return gone
}

// Sweep removes what merges replaced and no query reads any more, and gives free
// space back to the operating system.
func (db *DB) Sweep(ctx context.Context, longestQuery time.Duration) error {
	if err := db.store.Sweep(ctx, db.cfg.Now().Add(-longestQuery)); err != nil {
		return fmt.Errorf("sweep what merges replaced: %w", err)
	}
	if err := db.store.Reclaim(ctx); err != nil {
		return fmt.Errorf("give free space back: %w", err)
	}
	return nil
}

// Blocks returns what is stored, ordered by partition and start.
func (db *DB) Blocks(ctx context.Context) ([]BlockInfo, error) { return db.store.Blocks(ctx) }

// Rejected returns the newest rejected rows, at most limit.
func (db *DB) Rejected(ctx context.Context, limit int) ([]Rejected, error) {
	return db.store.Rejected(ctx, limit)
}

// ActiveSeries returns how many series had a row since the time.
func (db *DB) ActiveSeries(since time.Time) int { return db.index.ActiveSeries(since.UnixMilli()) }
