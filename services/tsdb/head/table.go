package head

import (
	"math"
	"sync"
	"sync/atomic"
)

const (
	shards    = 32
	rowHeader = 2 // words before a row's values: time, rank
	firstRows = 4 // rows of a pair's first block; each further one doubles
	mostRows  = 64
)

// Table holds rows of many pairs. One goroutine appends; any number reads.
type Table struct {
	pool   *Pool
	shards [shards]shard
	rows   atomic.Int64
	pairs  atomic.Int64
	bytes  atomic.Int64
	widest atomic.Int64 // most rows of one pair
	refs   atomic.Int32
}

type shard struct {
	mu   sync.Mutex // guards all below, and list.n and block.next of all lists
	byID []*list    // by ref / shards
	slab []list
}

// list is the rows of one pair in the order they came.
type list struct {
	first, last *block
	n           int // rows
	free        int // rows that still fit into last
	used        int // words used of last
	lastTime    int64
	lastRows    int
	stride      int
	unsorted    bool // times do not ascend strictly
}

// NewTable returns an empty table that takes its memory from the pool. The
// caller holds it; see [Table.Release].
func NewTable(pool *Pool) *Table {
	t := &Table{pool: pool}
	t.refs.Store(1)
	return t
}

// Append adds a row. The rank orders rows of equal time. All rows of a pair have
// the same number of values; they are copied.
func (t *Table) Append(ref uint32, rank uint64, time int64, values []float64) {
	sh := &t.shards[ref%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l := sh.list(ref)
	if l.n == 0 {
		l.stride, l.lastTime = rowHeader+len(values), time
		t.pairs.Add(1)
	} else if time <= l.lastTime {
		l.unsorted = true
	}
	l.lastTime = max(time, l.lastTime)
	if l.free == 0 {
		t.grow(l)
	}
	row := l.last.data[l.used : l.used+l.stride]
	row[0], row[1] = uint64(time), rank
	for i, v := range values {
		row[rowHeader+i] = math.Float64bits(v)
	}
	l.used += l.stride
	l.free--
	l.n++
	t.rows.Add(1)
	if n := int64(l.n); n > t.widest.Load() {
		t.widest.Store(n)
	}
}

func (t *Table) grow(l *list) {
	l.lastRows = min(max(2*l.lastRows, firstRows), mostRows)
	b := t.pool.get(l.lastRows * l.stride)
	if l.last == nil {
		l.first = b
	} else {
		l.last.next = b
	}
	l.last, l.used, l.free = b, 0, len(b.data)/l.stride
	t.bytes.Add(int64(8 * len(b.data)))
}

func (sh *shard) list(ref uint32) *list {
	at := int(ref / shards)
	if at >= len(sh.byID) {
		grown := make([]*list, max(at+1, 2*len(sh.byID)))
		copy(grown, sh.byID)
		sh.byID = grown
	}
	if sh.byID[at] == nil {
		if len(sh.slab) == 0 {
			sh.slab = make([]list, 64)
		}
		sh.byID[at] = &sh.slab[0]
		sh.slab = sh.slab[1:]
	}
	return sh.byID[at]
}

// Rows returns the rows that the pair has now.
func (t *Table) Rows(ref uint32) Rows {
	sh := &t.shards[ref%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	at := int(ref / shards)
	if at >= len(sh.byID) || sh.byID[at] == nil {
		return Rows{}
	}
	l := sh.byID[at]
	return Rows{first: l.first, n: l.n, stride: l.stride, Unsorted: l.unsorted}
}

// CopyFrom appends the rows of the given rank and above to another table. It must
// not run while rows are appended to either.
func (t *Table) CopyFrom(rank uint64, to *Table) {
	var values []float64
	t.Refs(func(ref uint32) {
		rows := t.Rows(ref)
		for c := rows.Cursor(); c.Next(); {
			if c.Rank() < rank {
				continue
			}
			values = values[:0]
			for _, bits := range c.Bits() {
				values = append(values, math.Float64frombits(bits))
			}
			to.Append(ref, c.Rank(), c.Time(), values)
		}
	})
}

// Refs calls f with every pair that has rows. It must not run while rows are
// appended.
func (t *Table) Refs(f func(ref uint32)) {
	for i := range t.shards {
		for at, l := range t.shards[i].byID {
			if l != nil {
				f(uint32(at*shards + i))
			}
		}
	}
}

// Size returns what the table holds.
func (t *Table) Size() Size {
	return Size{Rows: t.rows.Load(), Pairs: t.pairs.Load(), Bytes: t.bytes.Load(), Most: t.widest.Load()}
}

// Size is how much a table holds.
type Size struct {
	Rows, Pairs, Bytes int64
	Most               int64 // rows of the pair that has the most
}

// Retain holds the table for a further reader.
func (t *Table) Retain() { t.refs.Add(1) }

// Release lets go of the table. With the last hold its blocks return to the
// pool: nothing that was read from it may be used any more.
func (t *Table) Release() {
	if t.refs.Add(-1) > 0 {
		return
	}
	for i := range t.shards {
		sh := &t.shards[i]
		for _, l := range sh.byID {
			if l != nil {
				t.pool.put(l.first)
			}
		}
		sh.byID, sh.slab = nil, nil
	}
}
