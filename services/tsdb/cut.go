package tsdb

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/esolutions/esmon/services/tsdb/head"
)

// soonest is the least time between two cuts that are made for their rows.
const soonest = 5 * time.Second

// sealed is a cut under way: the rows are complete and not stored yet.
type sealed struct {
	table    *head.Table
	from, to Position
	rejected []Rejected
	built    *built // kept from one try of the commit to the next

	// Of a cut that another process stored:
	standing *Standing
	below    uint64 // rows of this rank on are not part of it
}

// limit returns the rank that no row of the cut has.
func (s *sealed) limit() uint64 {
	if s.standing == nil {
		return math.MaxUint64
	}
	return s.below
}

// CutDue tells whether the partition should be cut now: its last cut being so
// long ago, its rows being so many.
func (db *DB) CutDue(partition int, sinceLast time.Duration) bool {
	p := db.partition(partition)
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.sealed != nil || !p.unstored() {
		return false
	}
	size := p.active.Size()
	enough := size.Rows >= int64(db.cfg.CutRows)*size.Pairs && size.Pairs > 0
	return sinceLast >= db.cfg.CutEvery ||
		size.Bytes >= db.headShare()/4 ||
		enough && (sinceLast >= soonest || size.Bytes >= db.headShare()/8)
}

// Full tells whether the partition's part of the head may not grow any further before
// a cut is stored. Each partition has an equal share: one that nobody stores must not
// keep the others from being read.
func (db *DB) Full(partition int) bool {
	size, _ := db.partition(partition).size()
	return size.Bytes >= db.headShare()
}

// headShare returns how many bytes of the head a partition may take.
func (db *DB) headShare() int64 { return db.cfg.HeadBytes / int64(max(len(db.all()), 1)) }

// unstored tells whether anything was read from the log that is in no cut. It
// needs mu.
func (p *partition) unstored() bool {
	return p.next != p.sealedTo().Offset || p.logID != p.sealedTo().LogID
}

// sealedTo returns the position behind the last cut, stored or under way. It
// needs mu.
func (p *partition) sealedTo() Position {
	if p.sealed != nil {
		return p.sealed.to
	}
	return p.pos
}

// Seal begins a cut of everything appended so far; [DB.Commit] stores it. It
// returns false if a cut is under way already or there is nothing to store.
func (db *DB) Seal(partition int) bool {
	p := db.partition(partition)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sealed != nil || !p.unstored() {
		return false
	}
	p.sealed = &sealed{
		table: p.active, from: p.pos, rejected: p.takeRejected(),
		to: Position{LogID: p.logID, Offset: p.next, Cut: p.pos.Cut + 1, ID: newID()},
	}
	p.active = head.NewTable(db.pool)
	return true
}

// takeRejected returns the rejected rows so far. It needs mu.
func (p *partition) takeRejected() []Rejected {
	list := p.rejected
	if p.refused > 0 && len(list) > 0 {
		last := list[len(list)-1]
		last.Reason, last.Message = "more", fmt.Sprintf("%d more rows were rejected before this cut", p.refused)
		list = append(list, last)
	}
	p.rejected, p.refused = nil, 0
	return list
}

// Commit encodes and stores the sealed rows and returns the position that is
// stored then. After an error the rows are still there, and it may be called
// again; after [ErrConflict] only [DB.Reload] helps.
func (db *DB) Commit(ctx context.Context, partition int) (Position, error) {
	p := db.partition(partition)
	p.mu.RLock()
	s, pos := p.sealed, p.pos
	p.mu.RUnlock()
	if s == nil || s.standing != nil {
		return pos, nil
	}
	start := time.Now()
	if s.built == nil {
		s.built = db.build(p, s)
	}
	changes, requires := db.unsaved(partition, s.from)
	if err := db.store.Commit(ctx, db.cutOf(p.id, s, changes, requires)); err != nil {
		return pos, fmt.Errorf("store cut %d of partition %d: %w", s.to.Cut, partition, err)
	}
	db.saved(partition, s.to, changes)
	db.publish(p, s)
	db.metrics.cuts.Inc()
	db.metrics.cutSeconds.Observe(time.Since(start).Seconds())
	db.metrics.chunks.Add(float64(len(s.built.chunks)))
	db.metrics.chunkBytes.Add(float64(len(s.built.data.data)))
	return s.to, nil
}

// Cut seals and stores everything appended so far.
func (db *DB) Cut(ctx context.Context, partition int) (Position, error) {
	if pos, err := db.Commit(ctx, partition); err != nil { // one under way
		return pos, err
	}
	db.Seal(partition)
	return db.Commit(ctx, partition)
}

// publish lets queries see the cut as stored.
func (db *DB) publish(p *partition, s *sealed) {
	defer s.table.Release()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pos, p.sealed = s.to, nil
	for _, d := range s.built.pairs {
		*p.known(d.ref) = storedPair{id: d.def.ID, first: d.def.First, last: d.def.Last, present: d.def.Present}
		p.lastID = max(p.lastID, d.def.ID)
	}
	s.built.data.at = db.cfg.Now()
	p.recent = append(p.recent[:len(p.recent):len(p.recent)], s.built.data)
	p.trim(s.built.data.at.Add(-db.cfg.RecentFor), db.cfg.RecentBytes)
}

// trim lets go of recent cuts that are older than the time or too large
// together. It needs mu.
func (p *partition) trim(before time.Time, limit int64) {
	bytes, keep := int64(0), len(p.recent)
	for ; keep > 0; keep-- {
		c := p.recent[keep-1]
		if bytes += int64(len(c.data)); bytes > limit || c.at.Before(before) {
			break
		}
	}
	for _, c := range p.recent[:keep] {
		p.coldMaxT = max(p.coldMaxT, c.maxT)
	}
	p.recent = append([]*cutData(nil), p.recent[keep:]...)
}

// Trim lets go of stored chunks that were kept in memory long enough. Where
// nothing is cut any more, nothing else does.
func (db *DB) Trim() {
	before := db.cfg.Now().Add(-db.cfg.RecentFor)
	for _, p := range db.all() {
		p.mu.Lock()
		p.trim(before, db.cfg.RecentBytes)
		p.mu.Unlock()
	}
}
