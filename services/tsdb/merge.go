package tsdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// mergedRows bounds the rows of a merged chunk, so that a query of an hour does
// not decode a day of a fast series.
const mergedRows = 512

// Merge rewrites the chunks of a block as fewer, larger ones, without what lost
// to other rows of its time. Queries that run see the old or the new ones, which
// say the same.
func (db *DB) Merge(ctx context.Context, partition int, block int64) error {
	if err := db.merge(ctx, partition, block); err != nil {
		return fmt.Errorf("merge block %s of partition %d: %w", formatTime(block), partition, err)
	}
	db.metrics.merges.Inc()
	return nil
}

func (db *DB) merge(ctx context.Context, partition int, block int64) error {
	m, err := db.store.BeginMerge(ctx, partition, block)
	if err != nil {
		return err
	}
	if err := db.rewrite(ctx, m); err != nil {
		// The caller's context may be what ended the merge.
		return errors.Join(err, m.Abort(context.WithoutCancel(ctx)))
	}
	return m.Commit(ctx)
}

func (db *DB) rewrite(ctx context.Context, m Merge) error {
	w := &merger{db: db}
	for {
		chunks, err := m.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		merged, err := w.all(chunks)
		if err != nil {
			return err
		}
		if err := m.Write(ctx, merged); err != nil {
			return err
		}
	}
}

// merger makes merged chunks. It keeps its buffers from pair to pair.
type merger struct {
	db     *DB
	c      chunk.Chunk
	enc    chunk.Encoder
	times  []int64
	column []float64
	rows   []row // rank is the cut
	cols   chunk.Rows
	out    []Chunk
}

// all merges chunks ordered by pair.
func (w *merger) all(chunks []Chunk) ([]Chunk, error) {
	w.out = w.out[:0]
	for len(chunks) > 0 {
		n := 1
		for n < len(chunks) && chunks[n].Pair == chunks[0].Pair {
			n++
		}
		if err := w.pair(chunks[:n]); err != nil {
			return nil, err
		}
		chunks = chunks[n:]
	}
	return w.out, nil
}

// pair merges the chunks of one pair. One that cannot be read is carried over as
// it is: what is damaged stays in sight of those who ask for it, and harms no
// other.
func (w *merger) pair(chunks []Chunk) error {
	w.rows = w.rows[:0]
	for _, c := range chunks {
		err := w.read(c)
		if errors.Is(err, ErrCorrupt) {
			w.db.metrics.corrupt.Inc()
			w.db.log.Error("a chunk is damaged and was not merged", "block", formatTime(c.Block), "pair", c.Pair, "cut", c.Cut, "error", err)
			w.out = append(w.out, keepDamaged(c))
			continue
		}
		if err != nil {
			return fmt.Errorf("pair %d, cut %d: %w", c.Pair, c.Cut, err)
		}
	}
	slices.SortStableFunc(w.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.t, b.t), cmp.Compare(a.rank, b.rank))
	})
	w.combine()
	for rows := range slices.Chunk(w.rows, mergedRows) {
		w.write(chunks[0], rows)
	}
	// Of a pair with a damaged chunk, what was carried over came first.
	from := slices.IndexFunc(w.out, func(c Chunk) bool { return c.Pair == chunks[0].Pair })
	if from >= 0 {
		slices.SortStableFunc(w.out[from:], func(a, b Chunk) int { return cmp.Compare(a.MinT, b.MinT) })
	}
	return nil
}

// keepDamaged copies a chunk that cannot be decoded. When its rows were is not
// known, so it is given the whole block.
func keepDamaged(c Chunk) Chunk {
	c.Data = slices.Clone(c.Data)
	c.MinT, c.MaxT = c.Block, c.Block+blockMS-1
	return c
}

// read decodes a chunk into rows.
func (w *merger) read(c Chunk) error {
	err := w.c.Open(c.Data)
	if err != nil {
		return err
	}
	if w.times, err = w.c.Times(w.times[:0]); err != nil {
		return err
	}
	width, n := w.c.Columns(), w.c.Rows()
	bits := make([]uint64, width*n) // by rows
	for i := range width {
		if w.column, err = w.c.Column(i, w.column[:0]); err != nil {
			return err
		}
		for j, v := range w.column {
			bits[j*width+i] = math.Float64bits(v)
		}
	}
	ranks := cutsOf(c.Cut, w.c.Runs(), n)
	for j, t := range w.times {
		w.rows = append(w.rows, row{t: t, rank: ranks(j), bits: bits[j*width : (j+1)*width : (j+1)*width]})
	}
	return nil
}

// cutsOf returns a func that says of which cut a row is. It is called for all
// rows in their order.
func cutsOf(first int64, runs []chunk.Run, rows int) func(row int) uint64 {
	if len(runs) == 0 {
		runs = []chunk.Run{{Rows: rows}}
	}
	end := 0
	at := -1
	return func(row int) uint64 {
		for row >= end {
			at++
			end += runs[at].Rows
		}
		return uint64(first + runs[at].Cut)
	}
}

// combine takes out what lost to an earlier row of its time. What is left of a
// row keeps its own cut, because its values may yet lose to those of a twin.
func (w *merger) combine() {
	out := w.rows[:0]
	first := 0 // first row in out of the time at hand
	for _, r := range w.rows {
		if len(out) == 0 || out[len(out)-1].t != r.t {
			first = len(out)
		}
		for _, winner := range out[first:] {
			for c, v := range winner.bits {
				if v != missingBits {
					r.bits[c] = missingBits
				}
			}
		}
		if !r.empty() {
			out = append(out, r)
		}
	}
	w.rows = out
}

// write encodes rows as one chunk.
func (w *merger) write(like Chunk, rows []row) {
	width, n := len(rows[0].bits), len(rows)
	lowest := rows[0].rank
	for _, r := range rows {
		lowest = min(lowest, r.rank)
	}
	w.cols.Times, w.cols.Runs = w.cols.Times[:0], w.cols.Runs[:0]
	w.cols.Values = slices.Grow(w.cols.Values[:0], width*n)[:width*n]
	for i, r := range rows {
		w.cols.Times = append(w.cols.Times, r.t)
		for c, v := range r.bits {
			w.cols.Values[c*n+i] = v
		}
		w.addRun(int64(r.rank - lowest))
	}
	if len(w.cols.Runs) == 1 { // all of one cut
		w.cols.Runs = w.cols.Runs[:0]
	}
	w.out = append(w.out, Chunk{
		Block: like.Block, Pair: like.Pair, Cut: int64(lowest),
		MinT: rows[0].t, MaxT: rows[n-1].t, Data: w.enc.Encode(nil, &w.cols),
	})
}

func (w *merger) addRun(cut int64) {
	if k := len(w.cols.Runs) - 1; k >= 0 && w.cols.Runs[k].Cut == cut {
		w.cols.Runs[k].Rows++
		return
	}
	w.cols.Runs = append(w.cols.Runs, chunk.Run{Cut: cut, Rows: 1})
}
