package tsdb

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/head"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// Matcher is one condition of a selector.
type Matcher = index.Matcher

// Observer is told of every row as it is appended. It must return at once and
// keeps nothing of the values.
type Observer interface {
	// Active tells whether anybody watches. It is asked once a record.
	Active() bool
	// Observe hands over a row. Missing values are in it.
	Observe(e *metric.Entity, s *metric.Schema, t int64, values []float64)
}

// DB holds the head and the index over a Store. It is safe for concurrent use,
// except that each partition has one goroutine that calls Append and Seal and
// one at a time that calls Commit and Reload.
type DB struct {
	cfg     Config
	store   Store
	log     *slog.Logger
	metrics *metrics
	index   *index.Index
	pool    *head.Pool

	selections selections

	// forgetting is held while definitions are forgotten here and in the store, and
	// while they are taken up from it: what one deletes the other must not restore.
	// It comes before every other lock.
	forgetting sync.Mutex
	// unforgotten is what the store was told to forget and did not. forgetting guards it.
	unforgotten Forget
	basis       basis
	// collecting keeps definitions from being collected while a record is
	// appended that may use them.
	collecting sync.RWMutex

	mu         sync.RWMutex // guards partitions
	partitions []*partition

	observer atomic.Pointer[Observer]
}

// Open loads the definitions and the stored positions.
func Open(ctx context.Context, cfg Config, store Store, log *slog.Logger, reg prometheus.Registerer) (*DB, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("tsdb: %w", err)
	}
	db := &DB{cfg: cfg, store: store, log: log, index: index.New(), pool: head.NewPool(int(cfg.HeadBytes))}
	db.selections.young = map[string]*selection{}
	state, err := store.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load definitions and positions: %w", err)
	}
	if err := db.restore(state); err != nil {
		return nil, err
	}
	if db.metrics, err = newMetrics(db, reg); err != nil {
		return nil, err
	}
	return db, nil
}

// SetObserver makes the observer see every row appended from now on.
func (db *DB) SetObserver(o Observer) { db.observer.Store(&o) }

// Metadata calls f with every known column until it returns false.
func (db *DB) Metadata(f func(c *metric.Column) bool) { db.index.Columns(f) }

// Position returns how far the partition is stored. The position of a partition
// that never stored anything is zero.
func (db *DB) Position(partition int) Position {
	p := db.partition(partition)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.pos
}

// NewestStored returns the time of the newest stored sample of the partition, or a
// little later; the zero time if nothing is stored.
func (db *DB) NewestStored(partition int) time.Time {
	p := db.partition(partition)
	p.mu.RLock()
	defer p.mu.RUnlock()
	newest := p.coldMaxT
	for _, c := range p.recent {
		newest = max(newest, c.maxT)
	}
	if newest == math.MinInt64 {
		return time.Time{}
	}
	return time.UnixMilli(newest)
}

// Begin says that the records appended from now on are of the log and begin at
// the offset. It is needed where they do not go on from [DB.Position].
func (db *DB) Begin(partition int, logID string, offset int64) {
	p := db.partition(partition)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logID, p.next = logID, offset
}

// Next returns the offset of the next record to append and the log it is of.
func (db *DB) Next(partition int) (logID string, offset int64) {
	p := db.partition(partition)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.logID, p.next
}

// Reload forgets everything of the partition that is not stored and takes up
// definitions and position anew. Running queries keep what they see. It must not
// run beside Append, Seal or Commit of the partition.
func (db *DB) Reload(ctx context.Context, partition int) error {
	db.forgetting.Lock()
	defer db.forgetting.Unlock()
	state, err := db.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("reload partition %d: %w", partition, err)
	}
	db.unforgotten = Forget{} // it is all known again below
	if err := db.rebase(state); err != nil {
		return err
	}
	p := db.partition(partition)
	p.mu.Lock() // queries see the one state or the other
	defer p.mu.Unlock()
	p.reset(db.pool)
	db.restorePartition(p, state)
	return nil
}

// Stats say how much the DB holds.
type Stats struct {
	Entities, Schemas, Pairs, Series int
	HeadRows, HeadBytes              int64
	RecentBytes                      int64
}

// Stats returns what the DB holds now.
func (db *DB) Stats() Stats {
	x := db.index.Stats()
	s := Stats{Entities: x.Entities, Schemas: x.Schemas, Pairs: x.Pairs, Series: x.Series}
	for _, p := range db.all() {
		size, recent := p.size()
		s.HeadRows += size.Rows
		s.HeadBytes += size.Bytes
		s.RecentBytes += recent
	}
	return s
}

func (db *DB) partition(n int) *partition {
	db.mu.RLock()
	at := slices.IndexFunc(db.partitions, func(p *partition) bool { return p.id == n })
	if at >= 0 {
		defer db.mu.RUnlock()
		return db.partitions[at]
	}
	db.mu.RUnlock()
	db.mu.Lock()
	defer db.mu.Unlock()
	if at = slices.IndexFunc(db.partitions, func(p *partition) bool { return p.id == n }); at >= 0 {
		return db.partitions[at]
	}
	p := &partition{id: n, active: head.NewTable(db.pool), coldMaxT: math.MinInt64}
	db.partitions = append(slices.Clone(db.partitions), p)
	slices.SortFunc(db.partitions, func(a, b *partition) int { return a.id - b.id })
	return p
}

// all returns the partitions in their order.
func (db *DB) all() []*partition {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.partitions
}

func (db *DB) restore(state *State) error {
	if err := db.rebase(state); err != nil {
		return err
	}
	for _, ps := range state.Partitions {
		p := db.partition(ps.Partition)
		p.mu.Lock()
		db.restorePartition(p, state)
		p.mu.Unlock()
	}
	return nil
}

func (db *DB) restoreDefinitions(state *State) error {
	for _, d := range state.Schemas {
		db.index.RestoreSchema(d.ID, d.Schema, d.Seen)
	}
	for _, d := range state.Entities {
		db.index.RestoreEntity(d.ID, d.Entity, d.Seen)
	}
	return nil
}

// restorePartition takes up what is stored of the partition. It needs p.mu.
func (db *DB) restorePartition(p *partition, state *State) {
	for _, ps := range state.Partitions {
		if ps.Partition == p.id {
			p.pos, p.logID, p.next, p.coldMaxT = ps.Position, ps.Position.LogID, ps.Position.Offset, ps.MaxTime
		}
	}
	db.restorePairs(p, slices.DeleteFunc(slices.Clone(state.Pairs), func(d PairDef) bool { return d.Partition != p.id }))
}

// restorePairs takes up what is stored about pairs of the partition. It needs p.mu.
func (db *DB) restorePairs(p *partition, defs []PairDef) {
	for _, d := range defs {
		p.lastID = max(p.lastID, d.ID) // never given to another: its chunks may be there
		e, s := db.index.Entity(d.Entity), db.index.Schema(d.Schema)
		if e == nil || s == nil {
			db.log.Error("a pair is stored without its definitions and cannot be queried", "partition", p.id, "pair", d.ID, "entity", d.Entity.String(), "schema", d.Schema.String())
			continue
		}
		pair, err := db.index.Pair(e, s)
		if err != nil {
			db.log.Error("a stored pair cannot be queried", "partition", p.id, "pair", d.ID, "error", err)
			continue
		}
		pair.Restore(d.First, d.Last, d.Present)
		*p.known(pair.Ref) = storedPair{id: d.ID, first: d.First, last: d.Last, present: d.Present}
	}
}
