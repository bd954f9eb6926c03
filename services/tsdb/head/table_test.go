package head_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/head"
)

// plain is what a table should hold, in the plainest form.
type plain map[uint32][]row

type row struct {
	t    int64
	rank uint64
	bits []uint64
}

// add appends a row of random bits to both.
func (p plain) add(t *head.Table, rng *rand.Rand, ref uint32, width int, at int64) {
	r := row{at, rng.Uint64(), make([]uint64, width)}
	values := make([]float64, width)
	seed := rng.Uint64()
	for i := range values {
		values[i] = math.Float64frombits(seed * uint64(2*i+1))
		if i%7 == 3 {
			values[i] = metric.Missing() // signalling bits must not get lost
		}
		r.bits[i] = math.Float64bits(values[i])
	}
	p[ref] = append(p[ref], r)
	t.Append(ref, r.rank, at, values)
	clear(values) // the caller's memory is the caller's
}

func (p plain) check(tb testing.TB, t *head.Table) {
	tb.Helper()
	rows := 0
	for ref, want := range p {
		if err := same(t.Rows(ref), want); err != nil {
			tb.Fatalf("pair %d: %v", ref, err)
		}
		rows += len(want)
	}
	size := t.Size()
	if size.Rows != int64(rows) || size.Pairs != int64(len(p)) || size.Most != int64(p.most()) {
		tb.Fatalf("size is %+v, want %d rows of %d pairs, %d of one", size, rows, len(p), p.most())
	}
	var refs []uint32
	t.Refs(func(ref uint32) { refs = append(refs, ref) })
	slices.Sort(refs)
	if len(slices.Compact(slices.Clone(refs))) != len(refs) || len(refs) != len(p) {
		tb.Fatalf("%d refs, want %d: %v", len(refs), len(p), refs)
	}
	for _, ref := range refs {
		if len(p[ref]) == 0 {
			tb.Fatalf("pair %d has no rows, yet it is told of", ref)
		}
	}
}

func (p plain) most() (n int) {
	for _, rows := range p {
		n = max(n, len(rows))
	}
	return n
}

// sameFrom looks up the rows from some times on.
func sameFrom(rows head.Rows, want []row) error {
	for i := 0; i < len(want); i += 1 + i/3 {
		for _, t := range []int64{want[i].t - 1, want[i].t, want[i].t + 1} {
			first := 0
			if !rows.Unsorted {
				first = slices.IndexFunc(want, func(r row) bool { return r.t >= t })
			}
			c := rows.From(t)
			if found := c.Next(); found != (first >= 0) || found && c.Rank() != want[first].rank {
				return fmt.Errorf("from %d on there is %t, want row %d", t, found, first)
			}
			if first < 0 {
				continue
			}
			left := len(want) - first - 1
			for c.Next() {
				left--
			}
			if left != 0 {
				return fmt.Errorf("from %d on there are %d rows too few", t, left)
			}
		}
	}
	return nil
}

func same(rows head.Rows, want []row) error {
	if err := sameFrom(rows, want); err != nil {
		return err
	}
	if rows.Len() != len(want) {
		return fmt.Errorf("%d rows, want %d", rows.Len(), len(want))
	}
	i := 0
	for c := rows.Cursor(); c.Next(); i++ {
		if i == len(want) {
			return fmt.Errorf("the cursor goes beyond row %d", i)
		}
		if c.Time() != want[i].t || c.Rank() != want[i].rank || !slices.Equal(c.Bits(), want[i].bits) {
			return fmt.Errorf("row %d at %d of rank %d, want %d of rank %d; or other values", i, c.Time(), c.Rank(), want[i].t, want[i].rank)
		}
		for column := 0; column < len(want[i].bits); column += 1 + column/8 {
			if got := math.Float64bits(c.Value(column)); got != want[i].bits[column] {
				return fmt.Errorf("row %d, column %d: %x, want %x", i, column, got, want[i].bits[column])
			}
		}
	}
	if i != len(want) {
		return fmt.Errorf("the cursor stops before row %d of %d", i, len(want))
	}
	return nil
}

func TestRowsComeBackToTheBit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ width, rows int }{
		{0, 200}, {1, 1}, {1, 500}, {2, 64}, {7, 333}, {62, 300}, {63, 300}, {100, 200}, {510, 140}, {1000, 300}, {1022, 200}, {5000, 150},
		{16_382, 140}, // the largest that is pooled: 64 rows are exactly 1 Mi words
		{16_383, 140}, // one column more
		{70_000, 14},
	} {
		t.Run(fmt.Sprintf("%d columns", c.width), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(c.width), 1))
			pool := head.NewPool(64 << 20)
			for range 2 { // the second time, blocks are used again
				table, p := head.NewTable(pool), plain{}
				for i := range c.rows {
					p.add(table, rng, 5, c.width, int64(i)-3)
				}
				p.check(t, table)
				words, want := table.Size().Bytes/8, int64(c.rows*(c.width+2))
				if words < want || words > 2*want+64*int64(c.width+2)+64 {
					t.Errorf("%d words hold rows of %d", words, want)
				}
				table.Release()
				pool.Words()
			}
		})
	}
}

func TestRowsOfManyPairs(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	pool := head.NewPool(1 << 20)
	for round := range 5 {
		table, p := head.NewTable(pool), plain{}
		p.check(t, table)
		widths := map[uint32]int{}
		for range 4000 {
			ref := uint32(rng.IntN(300 * (round + 1)))
			if _, ok := widths[ref]; !ok {
				widths[ref] = rng.IntN(40)
			}
			p.add(table, rng, ref, widths[ref], rng.Int64N(1000)-500)
		}
		p.add(table, rng, 1_000_003, 3, 7) // a number far off
		p.check(t, table)
		for _, ref := range []uint32{1_000_002, 2_000_000, 1 << 31} {
			if rows := table.Rows(ref); rows.Len() != 0 || rows.Unsorted {
				t.Fatalf("pair %d has rows", ref)
			}
		}
		table.Release()
	}
}

func TestUnsorted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		times    []int64
		unsorted bool
	}{
		"one":               {[]int64{5}, false},
		"ascending":         {[]int64{-5, 0, 1, 100}, false},
		"twice the same":    {[]int64{1, 2, 2}, true},
		"all the same":      {[]int64{7, 7}, true},
		"back":              {[]int64{1, 3, 2}, true},
		"back, then on":     {[]int64{1, 3, 2, 4, 5, 6}, true},
		"below the highest": {[]int64{10, 1, 2}, true},
		"extremes":          {[]int64{math.MinInt64, 0, math.MaxInt64}, false},
		"first the highest": {[]int64{math.MaxInt64, math.MinInt64}, true},
		"over a border":     {append(counting(200), 199), true},
		"many":              {counting(300), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := head.NewTable(head.NewPool(0))
			table.Append(8, 0, 0, nil) // of another pair
			for i, at := range c.times {
				if rows := table.Rows(7); rows.Unsorted && !c.unsorted {
					t.Fatalf("unsorted before row %d", i)
				}
				table.Append(7, uint64(i), at, []float64{float64(i)})
			}
			rows := table.Rows(7)
			if rows.Unsorted != c.unsorted || table.Rows(8).Unsorted {
				t.Fatalf("unsorted is %t, want %t", rows.Unsorted, c.unsorted)
			}
			i := 0
			for cur := rows.Cursor(); cur.Next(); i++ { // duplicates stay, in the order they came
				if cur.Time() != c.times[i] || cur.Rank() != uint64(i) || cur.Value(0) != float64(i) {
					t.Fatalf("row %d is of time %d and rank %d", i, cur.Time(), cur.Rank())
				}
			}
		})
	}
}

func counting(n int) []int64 {
	times := make([]int64, n)
	for i := range times {
		times[i] = int64(i)
	}
	return times
}

// Rows that were taken stay as they are while more come.
func TestRowsTakenBeforeStay(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 2))
	table, p := head.NewTable(head.NewPool(0)), plain{}
	var taken []head.Rows
	for i := range 300 {
		taken = append(taken, table.Rows(1))
		p.add(table, rng, 1, 9, int64(i))
	}
	for n, rows := range taken {
		if err := same(rows, p[1][:n]); err != nil {
			t.Fatalf("taken at row %d: %v", n, err)
		}
	}
}
