package tsdb

import (
	"errors"
	"fmt"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// The rank of a row in the head: the offset of its record and its place therein.
// Ranks of stored rows are numbers of cuts, which are below headRank.
const (
	headRank  = uint64(1) << 63
	placeBits = 20
)

func rankOf(offset int64, place int) uint64 {
	return headRank | uint64(offset)<<placeBits | uint64(min(place, 1<<placeBits-1))
}

// resolver turns the dictionaries of a record into what the index knows.
type resolver struct {
	entities []*index.Entity
	schemas  []*index.Schema
}

// Append adds the frames of a record to the head. Records of a partition come
// in the order of their offsets. What cannot be stored is counted, and goes to
// the rejected rows with the next cut. The record is not kept, its definitions
// are.
func (db *DB) Append(offset int64, partition int, rec *record.Record) {
	db.collecting.RLock()
	defer db.collecting.RUnlock()
	p := db.partition(partition)
	now := db.cfg.Now().UnixMilli()
	db.resolve(&p.resolve, rec, now)
	a := appender{db: db, p: p, offset: offset, now: now, observer: db.activeObserver()}
	rec.Rewind()
	for place := 0; rec.Next(); place++ {
		a.frame(place, rec.Frame(), rec)
	}
	p.mu.Lock()
	p.next = offset + 1
	p.mu.Unlock()
	db.metrics.rows.Add(float64(a.rows))
	db.metrics.samples.Add(float64(a.samples))
}

// RejectRecord notes that a record as a whole cannot be stored.
func (db *DB) RejectRecord(offset int64, partition int, reason string, err error) {
	p := db.partition(partition)
	db.reject(p, Rejected{Partition: partition, Offset: offset, Frame: -1, Reason: reason, Message: err.Error()})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = offset + 1
}

func (db *DB) resolve(r *resolver, rec *record.Record, now int64) {
	for i := range rec.Schemas {
		db.index.DefineSchema(rec.Schemas[i].ID, rec.Schemas[i].Schema, now)
	}
	for i := range rec.Entities {
		db.index.DefineEntity(rec.Entities[i].ID, rec.Entities[i].Entity, now)
	}
	r.schemas, r.entities = r.schemas[:0], r.entities[:0]
	for _, id := range rec.SchemaIDs {
		r.schemas = append(r.schemas, db.index.Schema(id))
	}
	for _, id := range rec.EntityIDs {
		r.entities = append(r.entities, db.index.Entity(id))
	}
}

func (db *DB) activeObserver() Observer {
	if o := db.observer.Load(); o != nil && (*o).Active() {
		return *o
	}
	return nil
}

// appender adds the frames of one record.
type appender struct {
	db            *DB
	p             *partition
	observer      Observer
	offset        int64
	now           int64
	rows, samples int
}

func (a *appender) frame(place int, f *record.Frame, rec *record.Record) {
	e, s := a.p.resolve.entities[f.Entity], a.p.resolve.schemas[f.Schema]
	pair, err := a.pair(e, s, f, rec.Batches[f.Batch].Received)
	if err != nil {
		var r *metric.Refusal
		if !errors.As(err, &r) {
			r = &metric.Refusal{Reason: "pair_gone", Message: err.Error()}
		}
		a.db.reject(a.p, Rejected{
			Partition: a.p.id, Offset: a.offset, Frame: place, Reason: r.Reason, Message: r.Message,
			Entity: rec.EntityIDs[f.Entity], Schema: rec.SchemaIDs[f.Schema], Time: f.Time,
		})
		return
	}
	a.p.active.Append(pair.Ref, rankOf(a.offset, place), f.Time, f.Values)
	pair.Note(f.Time, f.Values)
	a.rows++
	a.samples += len(f.Values)
	if a.observer != nil {
		a.observer.Observe(&pair.Entity.Def, pair.Schema.Def, f.Time, f.Values)
	}
}

// pair returns the pair of a frame that can be stored.
func (a *appender) pair(e *index.Entity, s *index.Schema, f *record.Frame, received int64) (*index.Pair, error) {
	switch {
	case e == nil:
		return nil, refusal("entity_unknown", "no definition of the entity has come by; the sender must define it anew")
	case s == nil:
		return nil, refusal("schema_unknown", "no definition of the schema has come by; the sender must define it anew")
	case len(f.Values) != len(s.Def.Columns):
		return nil, refusal("frame_width", "the frame has %d values, the schema %d columns", len(f.Values), len(s.Def.Columns))
	case f.Time < min(a.now, received)-a.db.cfg.Retention.Milliseconds():
		return nil, refusal("timestamp_before_retention", "the row is older than the retention of %s (tsdb.retention)", a.db.cfg.Retention)
	case f.Time > max(a.now, received)+a.db.cfg.Future.Milliseconds():
		return nil, refusal("timestamp_in_future", "the row is more than %s ahead of the clock (tsdb.future)", a.db.cfg.Future)
	}
	return a.db.index.Pair(e, s)
}

func refusal(reason, format string, args ...any) *metric.Refusal {
	return &metric.Refusal{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func (db *DB) reject(p *partition, r Rejected) {
	db.metrics.rejected.WithLabelValues(r.Reason).Inc()
	r.At = db.cfg.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.rejected) < maxRejected {
		p.rejected = append(p.rejected, r)
	} else {
		p.refused++
	}
}
