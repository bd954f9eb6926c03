package tsdb

import (
	"cmp"
	"math"
	"slices"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// Samples are samples of one series. It may be used again and again; what it
// holds is its own memory, valid until the next use.
type Samples struct {
	T []int64   // Unix milliseconds, ascending, each once
	V []float64 // stale markers included

	g gatherer
}

// gatherer collects the samples of one series from all there is and leaves, for
// each time, the one of the lowest (partition, rank).
type gatherer struct {
	mint, maxt int64

	t      []int64
	v      []float64
	rank   []uint64
	parts  []part
	sorted bool // t ascends, each time once: as nearly always

	c   chunk.Chunk
	all []ranked
}

// part says that samples from a place on are of a partition.
type part struct{ from, partition int }

type ranked struct {
	t         int64
	v         float64
	partition int
	rank      uint64
}

func (g *gatherer) reset(mint, maxt int64) {
	g.mint, g.maxt, g.sorted = mint, maxt, true
	g.t, g.v, g.rank, g.parts = g.t[:0], g.v[:0], g.rank[:0], g.parts[:0]
}

// of says of which partition the samples are that are added from now on.
func (g *gatherer) of(partition int) { g.parts = append(g.parts, part{len(g.t), partition}) }

func (g *gatherer) add(t int64, v float64, rank uint64) {
	if t < g.mint || t > g.maxt || metric.IsMissing(v) {
		return
	}
	if n := len(g.t); n > 0 && t <= g.t[n-1] {
		g.sorted = false
	}
	g.t, g.v, g.rank = append(g.t, t), append(g.v, v), append(g.rank, rank)
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
	from := len(g.t)
	if g.t, err = g.c.Times(g.t); err != nil {
		return err
	}
	if g.t[from] > g.maxt || g.t[len(g.t)-1] < g.mint {
		g.t = g.t[:from]
		return nil
	}
	if g.v, err = g.c.Column(column, g.v); err != nil {
		return err
	}
	g.ranks(uint64(c.Cut), g.c.Runs())
	g.settle(from)
	return nil
}

// ranks gives the samples that were decoded last their ranks: the cuts they came with.
func (g *gatherer) ranks(cut uint64, runs []chunk.Run) {
	if len(runs) == 0 {
		runs = []chunk.Run{{Rows: len(g.t) - len(g.rank)}}
	}
	for _, r := range runs {
		for range r.Rows {
			g.rank = append(g.rank, cut+uint64(r.Cut))
		}
	}
}

// settle takes those out of the samples from a place on that are not wanted.
func (g *gatherer) settle(from int) {
	n, last := from, int64(math.MinInt64)
	if n > 0 {
		last = g.t[n-1]
	}
	for i := from; i < len(g.t); i++ {
		t := g.t[i]
		if t < g.mint || t > g.maxt || metric.IsMissing(g.v[i]) {
			continue
		}
		if t <= last && n > 0 {
			g.sorted = false
		}
		g.t[n], g.v[n], g.rank[n], last = t, g.v[i], g.rank[i], t
		n++
	}
	g.t, g.v, g.rank = g.t[:n], g.v[:n], g.rank[:n]
}

// finish hands over what is left for each time. It is the gatherer's memory.
func (g *gatherer) finish(dst *Samples) {
	if !g.sorted {
		g.sort()
	}
	dst.T, dst.V = g.t, g.v
}

// sort sorts by time and removes what lost.
func (g *gatherer) sort() {
	g.all = g.all[:0]
	for i, p := range g.parts {
		to := len(g.t)
		if i+1 < len(g.parts) {
			to = g.parts[i+1].from
		}
		for j := p.from; j < to; j++ {
			g.all = append(g.all, ranked{g.t[j], g.v[j], p.partition, g.rank[j]})
		}
	}
	slices.SortStableFunc(g.all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.t, b.t), cmp.Compare(a.partition, b.partition), cmp.Compare(a.rank, b.rank))
	})
	g.all = slices.CompactFunc(g.all, func(a, b ranked) bool { return a.t == b.t })
	g.t, g.v = g.t[:0], g.v[:0]
	for i := range g.all {
		g.t, g.v = append(g.t, g.all[i].t), append(g.v, g.all[i].v)
	}
}
