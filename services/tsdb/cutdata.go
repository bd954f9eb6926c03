package tsdb

import (
	"cmp"
	"slices"
	"time"
)

// cutData is the chunks of one stored cut. It is immutable.
type cutData struct {
	number     int64
	at         time.Time // when it was stored
	minT, maxT int64
	entries    []cutEntry // ordered by ref, then block
	data       []byte
}

// cutEntry is one chunk of a cut.
type cutEntry struct {
	ref        uint32
	block      int64
	pair       int64
	minT, maxT int64
	from, to   int // of data
}

// of returns the chunks of the pair.
func (c *cutData) of(ref uint32) []cutEntry {
	from, ok := slices.BinarySearchFunc(c.entries, ref, func(e cutEntry, ref uint32) int { return cmp.Compare(e.ref, ref) })
	if !ok {
		return nil
	}
	to := from + 1
	for to < len(c.entries) && c.entries[to].ref == ref {
		to++
	}
	return c.entries[from:to]
}

func (c *cutData) chunk(e cutEntry) Chunk {
	return Chunk{Block: e.block, Pair: e.pair, Cut: c.number, MinT: e.minT, MaxT: e.maxT, Data: c.data[e.from:e.to:e.to]}
}
