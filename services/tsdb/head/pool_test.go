package head_test

import (
	"math/rand/v2"
	"testing"

	"github.com/esolutions/esmon/services/tsdb/head"
)

func fill(table *head.Table, pairs, rows, width int) {
	values := make([]float64, width)
	for i := range rows {
		for ref := range pairs {
			table.Append(uint32(ref), uint64(i), int64(i), values)
		}
	}
}

func TestBlocksReturnWithTheLastHold(t *testing.T) {
	t.Parallel()
	pool := head.NewPool(1 << 30)
	table := head.NewTable(pool)
	fill(table, 40, 100, 10)
	bytes := table.Size().Bytes
	table.Retain()
	table.Retain()
	for range 2 {
		table.Release()
		if words, _ := pool.Words(); words != 0 {
			t.Fatalf("%d words returned while the table is held", words)
		}
	}
	table.Release()
	words, blocks := pool.Words()
	if int64(8*words) != bytes {
		t.Fatalf("%d bytes returned, the table had %d", 8*words, bytes)
	}
	next := head.NewTable(pool)
	fill(next, 40, 100, 10)
	if words, left := pool.Words(); words != 0 || left != 0 {
		t.Fatalf("%d of %d blocks were not used again", left, blocks)
	}
	if next.Size() != (head.Size{Rows: 4000, Pairs: 40, Bytes: bytes, Most: 100}) {
		t.Fatalf("size is %+v", next.Size())
	}
}

func TestPoolKeepsNoMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ limit, width, atLeast int }{
		"nothing":             {0, 10, 0},
		"some":                {100_000, 10, 50_000},
		"less than one block": {64*8 - 1, 1, 0},
		"one block":           {64 * 8, 1, 64 * 8},
		"wide":                {6 << 20, 10_000, 5 << 20},
		"too wide for a pool": {1 << 30, head.LargestPooled, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := head.NewPool(c.limit)
			for range 3 {
				a, b := head.NewTable(pool), head.NewTable(pool)
				fill(a, 3, 70_000/c.width+1, c.width)
				fill(b, 3, 70_000/c.width+1, c.width)
				a.Release()
				b.Release()
			}
			if words, _ := pool.Words(); 8*words > c.limit || 8*words < c.atLeast {
				t.Fatalf("%d bytes kept, want %d to %d", 8*words, c.atLeast, c.limit)
			}
		})
	}
}

// A reader that holds a table never sees the rows of another, whatever becomes
// of the memory of those that are let go.
func TestHeldRowsAreNotOverwritten(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 3))
	pool := head.NewPool(8 << 20)
	type held struct {
		table *head.Table
		rows  plain
	}
	var all []held
	for range 60 {
		h := held{head.NewTable(pool), plain{}}
		for i := range 300 {
			h.rows.add(h.table, rng, uint32(i%7), 20+i%7, int64(i))
		}
		h.table.Retain() // a query's
		h.table.Release()
		all = append(all, h)
		if len(all) > 5 {
			at := rng.IntN(len(all))
			all[at].rows.check(t, all[at].table)
			all[at].table.Release()
			all[at] = all[len(all)-1]
			all = all[:len(all)-1]
		}
	}
	for _, h := range all {
		h.rows.check(t, h.table)
		h.table.Release()
	}
	pool.Words()
}
