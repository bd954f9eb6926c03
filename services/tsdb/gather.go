package tsdb

import (
	"cmp"
	"slices"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// Samples are samples of one series. It may be used again and again; what it
// holds is valid until the next use.
type Samples struct {
	T []int64   // Unix milliseconds, ascending, each once
	V []float64 // stale markers included

	g gatherer
}

// gatherer collects the samples of one series from all there is and leaves, for
// each time, the one of the lowest (partition, rank).
type gatherer struct {
	mint, maxt int64
	partition  int
	all        []ranked
	sorted     bool
	c          chunk.Chunk
	times      []int64
	values     []float64
}

type ranked struct {
	t         int64
	v         float64
	partition int
	rank      uint64
}

func (g *gatherer) reset(mint, maxt int64) {
	g.mint, g.maxt, g.all, g.sorted = mint, maxt, g.all[:0], true
}

func (g *gatherer) add(t int64, v float64, rank uint64) {
	if t < g.mint || t > g.maxt || metric.IsMissing(v) {
		return
	}
	if n := len(g.all); n > 0 && t <= g.all[n-1].t {
		g.sorted = false
	}
	g.all = append(g.all, ranked{t, v, g.partition, rank})
}

// chunk adds the samples of a column of a stored chunk.
func (g *gatherer) chunk(c Chunk, column int) error {
	return g.chunkBy((*chunk.Chunk).OpenFor, c, column)
}

// ownChunk adds those of a chunk that this process made and has kept in memory.
func (g *gatherer) ownChunk(c Chunk, column int) error {
	return g.chunkBy((*chunk.Chunk).OpenOwn, c, column)
}

func (g *gatherer) chunkBy(open func(*chunk.Chunk, []byte, int) error, c Chunk, column int) error {
	if c.MinT > g.maxt || c.MaxT < g.mint {
		return nil
	}
	var err error
	if err = open(&g.c, c.Data, column); err != nil {
		return err
	}
	if column >= g.c.Columns() {
		return ErrCorrupt
	}
	if !g.c.Present(column) {
		return nil
	}
	if g.times, err = g.c.Times(g.times[:0]); err != nil {
		return err
	}
	if g.times[0] > g.maxt || g.times[len(g.times)-1] < g.mint {
		return nil
	}
	if g.values, err = g.c.Column(column, g.values[:0]); err != nil {
		return err
	}
	g.rows(c.Cut, g.c.Runs())
	return nil
}

// rows adds what chunk decoded.
func (g *gatherer) rows(cut int64, runs []chunk.Run) {
	if len(runs) == 0 {
		for i, t := range g.times {
			g.add(t, g.values[i], uint64(cut))
		}
		return
	}
	i := 0
	for _, r := range runs {
		for range r.Rows {
			g.add(g.times[i], g.values[i], uint64(cut+r.Cut))
			i++
		}
	}
}

// finish sorts, removes what lost and hands over the rest.
func (g *gatherer) finish(dst *Samples) {
	if !g.sorted {
		slices.SortStableFunc(g.all, func(a, b ranked) int {
			if c := cmp.Compare(a.t, b.t); c != 0 {
				return c
			}
			if c := cmp.Compare(a.partition, b.partition); c != 0 {
				return c
			}
			return cmp.Compare(a.rank, b.rank)
		})
		g.all = slices.CompactFunc(g.all, func(a, b ranked) bool { return a.t == b.t })
	}
	dst.T, dst.V = slices.Grow(dst.T[:0], len(g.all)), slices.Grow(dst.V[:0], len(g.all))
	for i := range g.all {
		dst.T = append(dst.T, g.all[i].t)
		dst.V = append(dst.V, g.all[i].v)
	}
}
