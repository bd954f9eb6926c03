package index

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sync/atomic"

	"github.com/esolutions/esmon/services/metric"
)

// Entity is a known entity.
type Entity struct {
	ID  metric.ID
	Def metric.Entity // immutable

	// pairs are ordered by their schemas' numbers. The list is replaced, never
	// changed in place: it is read without a lock.
	pairs atomic.Pointer[[]*Pair]
	sight
}

// Pair returns what is known of the entity under the schema, nil if nothing is.
func (e *Entity) Pair(s *Schema) *Pair {
	list := *e.pairs.Load()
	if len(list) <= fewPairs {
		for _, p := range list {
			if p.Schema == s {
				return p
			}
		}
		return nil
	}
	if at, ok := slices.BinarySearchFunc(list, s, bySchema); ok {
		return list[at]
	}
	return nil
}

// fewPairs is up to how many pairs looking at each is the fastest.
const fewPairs = 32

// bySchema orders the pairs of an entity. A source of loose points has one for
// each metric, so that finding one must not mean looking at all.
func bySchema(p *Pair, s *Schema) int { return cmp.Compare(p.Schema.number, s.number) }

// Schema is a known schema.
type Schema struct {
	ID  metric.ID
	Def *metric.Schema // immutable

	number uint64         // of those ever known
	keys   []string       // one a column: what makes two columns the same
	byKey  map[string]int // key to column
	pairs  []*Pair        // guarded by Index.mu
	sight
}

// Pair is an entity under a schema: what frames come of. All series of a pair
// share their timestamps and are stored together.
type Pair struct {
	Entity *Entity
	Schema *Schema
	// Ref is a small number, unique among the pairs that are known now. It is
	// given away again after a pair was collected.
	Ref uint32

	minT, maxT atomic.Int64 // of all rows ever seen
	present    []atomic.Uint64
	full       atomic.Bool // every column had a value
	twins      []Twin      // guarded by Index.mu
	at         int         // place in Schema.pairs. Guarded by Index.mu
}

// Twin says that a column of a pair is the same series as a column of another
// pair. That is rare: a schema grew a column, or a label moved from the entity
// to the column.
type Twin struct {
	Column int // of the pair that has the twin
	Pair   *Pair
	Other  int // column of Pair
}

// Width returns the number of columns.
func (p *Pair) Width() int { return len(p.Schema.Def.Columns) }

// Note records that the pair has a row: at which time, and which columns have
// ever had a value. It is safe for concurrent use.
func (p *Pair) Note(t int64, values []float64) {
	p.noteTime(t, t)
	if p.full.Load() {
		return
	}
	more := false
	for i, v := range values {
		if bit := uint64(1) << (i % 64); !metric.IsMissing(v) && p.present[i/64].Load()&bit == 0 {
			p.present[i/64].Or(bit)
			more = true
		}
	}
	if more {
		p.checkFull()
	}
}

func (p *Pair) noteTime(first, last int64) {
	for old := p.maxT.Load(); last > old && !p.maxT.CompareAndSwap(old, last); {
		old = p.maxT.Load()
	}
	for old := p.minT.Load(); first < old && !p.minT.CompareAndSwap(old, first); {
		old = p.minT.Load()
	}
}

func (p *Pair) checkFull() {
	n := 0
	for i := range p.Width() {
		if p.present[i/64].Load()&(1<<(i%64)) != 0 {
			n++
		}
	}
	if n == p.Width() {
		p.full.Store(true)
	}
}

// Times returns the oldest and the newest timestamp of the pair. After a restart
// they are as exact as what was stored.
func (p *Pair) Times() (first, last int64) { return p.minT.Load(), p.maxT.Load() }

// Present returns which columns ever had a value, one bit each.
func (p *Pair) Present() []uint64 {
	bits := make([]uint64, len(p.present))
	for i := range bits {
		bits[i] = p.present[i].Load()
	}
	return bits
}

// Restore merges what was stored about the pair.
func (p *Pair) Restore(first, last int64, present []uint64) {
	p.noteTime(first, last)
	for i := range min(len(present), len(p.present)) {
		p.present[i].Or(present[i])
	}
	p.checkFull()
}

// Has tells whether the column ever had a value.
func (p *Pair) Has(column int) bool {
	return p.full.Load() || p.present[column/64].Load()&(1<<(column%64)) != 0
}

// having appends those of the columns that ever had a value.
func (p *Pair) having(columns, to []int) []int {
	for _, c := range columns {
		if p.Has(c) {
			to = append(to, c)
		}
	}
	return to
}

// Overlaps tells whether rows of the pair may lie between the times, both included.
func (p *Pair) Overlaps(mint, maxt int64) bool {
	return p.maxT.Load() >= mint && p.minT.Load() <= maxt
}

func newPair(e *Entity, s *Schema, ref uint32) *Pair {
	p := &Pair{Entity: e, Schema: s, Ref: ref, present: make([]atomic.Uint64, (len(s.Def.Columns)+63)/64)}
	p.minT.Store(math.MaxInt64)
	p.maxT.Store(math.MinInt64)
	return p
}

func newSchema(id metric.ID, def *metric.Schema, number uint64) *Schema {
	s := &Schema{ID: id, Def: def, number: number, keys: make([]string, len(def.Columns)), byKey: make(map[string]int, len(def.Columns))}
	for i := range def.Columns {
		s.keys[i] = columnKey(def.Columns[i].Name, def.Columns[i].Labels)
		s.byKey[s.keys[i]] = i
	}
	return s
}

// columnKey is what makes two columns the same series on one entity. Every field
// is preceded by its length, so that no two differ only in where a field ends.
func columnKey(name string, labels metric.Labels) string {
	b := appendField(nil, name)
	for _, l := range labels {
		b = appendField(appendField(b, l.Name), l.Value)
	}
	return string(b)
}

func appendField(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
