package tsdb

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/esolutions/esmon/services/tsdb/head"
)

// A partition is cut by one process at a time; others may follow. They append the
// same records and answer queries, but store nothing: when they see that the other
// has stored a cut, they make the same cut of their own rows and keep it in memory
// as if they had stored it. So each of them can go on where the other stopped. What
// they follow must be made on top of what they have; that is what the lineage tells
// (see lineage.go).

// Standing is what the Store says about a partition that another process cuts.
type Standing struct {
	progress *Progress
	at       Position // where this process was when it asked
	rest     Position // the cut that what it holds for stored rested on
}

// Standing asks the Store how far the partition is stored, for [DB.Follow]. It may
// run beside Append.
func (db *DB) Standing(ctx context.Context, partition int) (*Standing, error) {
	p := db.partition(partition)
	p.mu.RLock()
	s, last := &Standing{at: p.pos}, p.lastID
	p.mu.RUnlock()
	s.rest = db.restsOn(partition)
	var err error
	if s.progress, err = db.store.Progress(ctx, partition, []Position{s.at, s.rest}, last); err != nil {
		return nil, fmt.Errorf("ask how far partition %d is stored: %w", partition, err)
	}
	return s, nil
}

// Following is what a [Standing] means for a process that follows.
type Following int

const (
	// Level says that nothing was stored since the last time, or that what was is
	// not settled yet or must be asked for anew.
	Level Following = iota
	// Sealed says that rows another process stored are sealed here: [DB.Settle] is
	// to be called.
	Sealed
	// Behind says that another process stored records that were not appended here.
	Behind
	// Astray says that the stored position is of another log, or that cuts are not
	// stored any more that were: only [DB.Reload] helps.
	Astray
)

// Follow takes note that another process cuts the partition and seals the rows
// that it has stored. It must not run beside Append, Seal or Lead of the partition.
func (db *DB) Follow(partition int, s *Standing) Following {
	p := db.partition(partition)
	to := s.progress.Position
	if s.progress.Held {
		db.descend(partition, s.rest, to)
	}
	p.mu.Lock()
	p.following = true
	f := p.compare(s)
	p.mu.Unlock()
	if f != Sealed {
		return f
	}
	floor := rankOf(to.Offset, 0)
	rest := head.NewTable(db.pool)
	p.active.CopyFrom(floor, rest)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sealed = &sealed{table: p.active, from: p.pos, to: to, below: floor, standing: s}
	p.active = rest
	p.rejected, p.refused = slices.DeleteFunc(p.rejected, func(r Rejected) bool { return r.Offset < to.Offset }), 0
	return Sealed
}

// compare tells what the stored position means. It needs mu.
func (p *partition) compare(s *Standing) Following {
	to := s.progress.Position
	switch {
	case p.sealed != nil || s.at != p.pos:
		return Level
	case !s.progress.Held:
		return Astray
	case to == p.pos:
		return Level
	case p.pos.LogID != "" && (to.LogID != p.pos.LogID || to.Offset < p.pos.Offset || to.Cut <= p.pos.Cut),
		to.LogID != p.logID:
		return Astray
	case p.next < to.Offset:
		return Behind
	}
	return Sealed
}

// Settle encodes the rows that [DB.Follow] sealed and keeps them as a stored cut.
// It may run beside Append, but not beside Commit.
func (db *DB) Settle(partition int) {
	p := db.partition(partition)
	s := db.settling(p)
	if s == nil {
		return
	}
	changes := db.index.Changes() // before it is asked who leads; see Lead
	s.built = db.build(p, s)
	s.built.pairs = nil // as the other process stored them
	db.publish(p, s)
	if db.followsAll() {
		// Whoever stores them, it is not this process; should it have to one day, Lead
		// lists them all again.
		db.index.Saved(changes)
	}
}

// settling takes up the pairs of what is sealed and returns it; nil if nothing is, or
// if this process has sealed it for itself.
func (db *DB) settling(p *partition) *sealed {
	db.forgetting.Lock()
	defer db.forgetting.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sealed == nil || p.sealed.standing == nil {
		return nil
	}
	db.restorePairs(p, p.sealed.standing.progress.Pairs)
	return p.sealed
}

// followsAll tells whether other processes cut all partitions, and this one has no
// cut of its own left to store.
func (db *DB) followsAll() bool {
	return !slices.ContainsFunc(db.all(), func(p *partition) bool {
		p.mu.RLock()
		defer p.mu.RUnlock()
		return !p.following || p.sealed != nil && p.sealed.standing == nil
	})
}

// Lead makes this process the one that cuts the partition. It takes up what the one
// before it has stored; rows that are not stored stay. The error is [ErrConflict],
// wrapped, if more was stored than was followed here. It must not run beside Append,
// Seal, Follow, Settle or Commit of the partition.
func (db *DB) Lead(ctx context.Context, partition int) error {
	db.forgetting.Lock()
	defer db.forgetting.Unlock()
	state, err := db.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("take partition %d over: %w", partition, err)
	}
	p := db.partition(partition)
	// What the one before saw and did not store must be stored. From here on no
	// Settle takes it for the business of others.
	if stored := state.position(partition); !p.stopFollowing(stored) {
		return fmt.Errorf("take partition %d over at cut %d: cut %d is stored: %w", partition, db.Position(partition).Cut, stored.Cut, ErrConflict)
	}
	if err := db.rebase(state); err != nil {
		return err // whoever asked does not lead, and the next Follow says so
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pairs, p.lastID = nil, 0
	db.restorePairs(p, slices.DeleteFunc(state.Pairs, func(d PairDef) bool { return d.Partition != partition }))
	return nil
}

// stopFollowing ends following where the partition is level with what is stored and
// no cut is under way; else it changes nothing and returns false.
func (p *partition) stopFollowing(stored Position) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pos != stored || p.sealed != nil {
		return false
	}
	p.following = false
	return true
}

// position returns how far the partition is stored.
func (s *State) position(partition int) Position {
	for _, p := range s.Partitions {
		if p.Partition == partition {
			return p.Position
		}
	}
	return Position{}
}

// Prune forgets the definitions that nothing needs any more, in memory only: what
// [DB.Retain] does where another process removes them from the Store. It leaves that
// one a day.
func (db *DB) Prune() {
	oldest := db.cfg.Now().Add(-db.cfg.Retention - 2*forgetAfter).UnixMilli()
	db.forgetting.Lock()
	defer db.forgetting.Unlock()
	db.collect(max(oldest, math.MinInt64/2))
}
