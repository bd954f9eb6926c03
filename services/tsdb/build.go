package tsdb

import (
	"cmp"
	"math"
	"slices"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/chunk"
	"github.com/esolutions/esmon/services/tsdb/head"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// built is an encoded cut.
type built struct {
	data   *cutData
	chunks []Chunk // ordered by block and pair
	blocks []BlockStats
	pairs  []pairChange
}

// pairChange is a pair that is new to the Store or of which more is known now.
type pairChange struct {
	ref uint32
	def PairDef
}

// builder encodes the rows of a cut. It keeps its buffers from pair to pair.
type builder struct {
	db     *DB
	p      *partition
	table  *head.Table
	below  uint64 // rank that no row may have; see sealed
	own    bool   // this process gives ids to pairs
	gone   int64  // pairs whose newest row is older may be forgotten
	out    *built
	lastID int64

	enc  chunk.Encoder
	rows []row
	cols chunk.Rows
	twin map[int64]uint64 // lowest rank by time
}

// row is one row on its way into a chunk.
type row struct {
	t    int64
	rank uint64
	bits []uint64 // one a column; of the head's memory until it must be changed
}

var missingBits = math.Float64bits(metric.Missing())

func (db *DB) build(p *partition, s *sealed) *built {
	b := &builder{
		db: db, p: p, table: s.table, below: s.limit(), own: s.standing == nil, gone: db.forgettable(),
		out: &built{data: &cutData{number: s.from.Cut + 1, minT: math.MaxInt64, maxT: math.MinInt64}},
	}
	p.mu.RLock()
	b.lastID = p.lastID
	p.mu.RUnlock()
	var refs []uint32
	s.table.Refs(func(ref uint32) { refs = append(refs, ref) })
	slices.Sort(refs)
	for _, ref := range refs {
		b.pair(db.index.ByRef(ref))
	}
	b.finish()
	return b.out
}

// pair encodes the rows of a pair.
func (b *builder) pair(p *index.Pair) {
	rows := b.table.Rows(p.Ref)
	b.rows = b.rows[:0]
	for c := rows.Cursor(); c.Next(); {
		if c.Rank() < b.below {
			b.rows = append(b.rows, row{c.Time(), c.Rank(), c.Bits()})
		}
	}
	for _, t := range b.db.index.Twins(p) {
		b.yield(t)
	}
	if rows.Unsorted {
		slices.SortStableFunc(b.rows, func(x, y row) int {
			if c := cmp.Compare(x.t, y.t); c != 0 {
				return c
			}
			return cmp.Compare(x.rank, y.rank)
		})
		b.combine()
	}
	b.rows = slices.DeleteFunc(b.rows, row.empty)
	id := int64(0)
	for from := 0; from < len(b.rows); {
		block, to := blockOf(b.rows[from].t), from+1
		for to < len(b.rows) && b.rows[to].t < block+blockMS {
			to++
		}
		if id == 0 {
			id = b.identify(p)
		}
		b.chunk(p.Ref, id, block, b.rows[from:to])
		from = to
	}
}

// yield takes the values out of the column that lose to those of the same time
// in a twin.
func (b *builder) yield(t index.Twin) {
	other := b.table.Rows(t.Pair.Ref)
	if other.Len() == 0 {
		return
	}
	if b.twin == nil {
		b.twin = map[int64]uint64{}
	}
	clear(b.twin)
	for c := other.Cursor(); c.Next(); {
		if c.Bits()[t.Other] == missingBits || c.Rank() >= b.below {
			continue
		}
		if rank, ok := b.twin[c.Time()]; !ok || c.Rank() < rank {
			b.twin[c.Time()] = c.Rank()
		}
	}
	for i := range b.rows {
		if rank, ok := b.twin[b.rows[i].t]; ok && rank < b.rows[i].rank {
			b.set(&b.rows[i], t.Column, missingBits)
		}
	}
}

// combine makes one row of those of equal time: for each column the first that
// has a value wins.
func (b *builder) combine() {
	out := b.rows[:0]
	for _, r := range b.rows {
		n := len(out)
		if n == 0 || out[n-1].t != r.t {
			out = append(out, r)
			continue
		}
		b.db.metrics.duplicateValues.Inc()
		for c, v := range out[n-1].bits {
			if v == missingBits && r.bits[c] != missingBits {
				b.set(&out[n-1], c, r.bits[c])
			}
		}
	}
	b.rows = out
}

// set changes a value in a copy of the row: queries read the head's.
func (b *builder) set(r *row, column int, v uint64) {
	if r.bits[column] == v {
		return
	}
	r.bits = slices.Clone(r.bits)
	r.bits[column] = v
}

func (r row) empty() bool {
	for _, v := range r.bits {
		if v != missingBits {
			return false
		}
	}
	return true
}

// identify returns the pair's id in the Store and notes what has to be stored
// about it.
func (b *builder) identify(p *index.Pair) int64 {
	b.p.mu.RLock()
	known := *b.p.peek(p.Ref)
	b.p.mu.RUnlock()
	if !b.own {
		return known.id
	}
	if known.last < b.gone {
		known = storedPair{} // another process may have forgotten its number
	}
	first, last := p.Times()
	def := PairDef{
		Partition: b.p.id, ID: known.id, Entity: p.Entity.ID, Schema: p.Schema.ID,
		First: blockOf(first), Last: blockOf(last) + blockMS - 1, Present: p.Present(),
	}
	if known.id == 0 {
		b.lastID++
		def.ID = b.lastID
	} else if def.First >= known.first && def.Last <= known.last && slices.Equal(def.Present, known.present) {
		return known.id
	}
	b.out.pairs = append(b.out.pairs, pairChange{p.Ref, def})
	return def.ID
}

// chunk encodes rows of one block.
func (b *builder) chunk(ref uint32, id, block int64, rows []row) {
	width := len(rows[0].bits)
	b.cols.Times = b.cols.Times[:0]
	b.cols.Values = slices.Grow(b.cols.Values[:0], width*len(rows))[:width*len(rows)]
	for i, r := range rows {
		b.cols.Times = append(b.cols.Times, r.t)
		for c, v := range r.bits {
			b.cols.Values[c*len(rows)+i] = v
		}
	}
	d := b.out.data
	from := len(d.data)
	d.data = b.enc.Encode(d.data, &b.cols)
	e := cutEntry{ref: ref, block: block, pair: id, minT: rows[0].t, maxT: rows[len(rows)-1].t, from: from, to: len(d.data)}
	d.entries = append(d.entries, e)
	d.minT, d.maxT = min(d.minT, e.minT), max(d.maxT, e.maxT)
}

// finish brings the chunks into the order of the Store and counts them.
func (b *builder) finish() {
	d := b.out.data
	for _, e := range d.entries {
		b.out.chunks = append(b.out.chunks, d.chunk(e))
	}
	slices.SortFunc(b.out.chunks, func(x, y Chunk) int {
		if c := cmp.Compare(x.Block, y.Block); c != 0 {
			return c
		}
		return cmp.Compare(x.Pair, y.Pair)
	})
	for _, c := range b.out.chunks {
		n := len(b.out.blocks)
		if n == 0 || b.out.blocks[n-1].Block != c.Block {
			b.out.blocks = append(b.out.blocks, BlockStats{Block: c.Block, MinT: c.MinT, MaxT: c.MaxT})
			n++
		}
		s := &b.out.blocks[n-1]
		s.Chunks++
		s.Bytes += int64(len(c.Data))
		s.MinT, s.MaxT = min(s.MinT, c.MinT), max(s.MaxT, c.MaxT)
	}
}

// cutOf puts together what one commit stores.
func (db *DB) cutOf(partition int, s *sealed, changes *index.Changes, requires map[int]Position) *Cut {
	c := &Cut{
		Partition: partition, From: s.from, To: s.to, Requires: requires, Now: db.cfg.Now(),
		Blocks: s.built.blocks, Chunks: s.built.chunks, Rejected: s.rejected,
	}
	for i, e := range changes.Entities {
		c.Entities = append(c.Entities, EntityDef{ID: e.ID, Entity: &e.Def, Seen: changes.Seen[i]})
	}
	for i, x := range changes.Schemas {
		c.Schemas = append(c.Schemas, SchemaDef{ID: x.ID, Schema: x.Def, Seen: changes.Seen[len(changes.Entities)+i]})
	}
	for _, p := range s.built.pairs {
		c.Pairs = append(c.Pairs, p.def)
	}
	return c
}
