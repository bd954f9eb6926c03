package dbcopy

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// definitionsAtOnce is how many definitions or pairs one transaction stores.
const definitionsAtOnce = 20_000

// copyDefinitions copies schemas, entities and pairs. Stored again, they are the same.
func (c *copier) copyDefinitions(ctx context.Context) error {
	c.begin("definitions", 0, 0)
	state := c.source.state
	first := state.Partitions[0].Partition
	store := func(cut *tsdb.Cut) error {
		if err := c.commit(ctx, cut, 0); err != nil {
			return fmt.Errorf("copy definitions: %w", err)
		}
		return nil
	}
	for some := range slices.Chunk(state.Schemas, definitionsAtOnce) {
		if err := store(&tsdb.Cut{Partition: first, Schemas: some}); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(state.Entities, definitionsAtOnce) {
		if err := store(&tsdb.Cut{Partition: first, Entities: some}); err != nil {
			return err
		}
	}
	for _, p := range state.Partitions {
		pairs := slices.DeleteFunc(slices.Clone(state.Pairs), func(d tsdb.PairDef) bool { return d.Partition != p.Partition })
		for some := range slices.Chunk(pairs, definitionsAtOnce) {
			if err := store(&tsdb.Cut{Partition: p.Partition, Pairs: some}); err != nil {
				return err
			}
		}
	}
	return nil
}

// blockKey names a block.
type blockKey struct {
	partition int
	start     int64
}

func keyOf(b tsdb.BlockInfo) blockKey { return blockKey{b.Partition, b.Start} }

func (k blockKey) String() string {
	return fmt.Sprintf("block %s of partition %d", time.UnixMilli(k.start).UTC().Format(time.RFC3339), k.partition)
}

// copyBlocks copies the chunks of the blocks that are not in the target yet.
func (c *copier) copyBlocks(ctx context.Context) error {
	there, err := c.targetBlocks(ctx)
	if err != nil {
		return err
	}
	c.begin("chunks", len(c.source.blocks), c.source.bytes())
	for _, b := range c.source.blocks {
		t := there[keyOf(b)]
		if t == b {
			c.advance(1, b.Bytes)
			continue
		}
		if err := c.copyBlock(ctx, b, t); err != nil {
			return fmt.Errorf("copy %s: %w", keyOf(b), err)
		}
		c.advance(1, 0)
	}
	return nil
}

func (c *copier) targetBlocks(ctx context.Context) (map[blockKey]tsdb.BlockInfo, error) {
	list, err := c.to.Chunks.Blocks(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what the target holds: %w", err)
	}
	there := make(map[blockKey]tsdb.BlockInfo, len(list))
	for _, b := range list {
		there[keyOf(b)] = b
	}
	return there, nil
}

// copyBlock copies what the target does not have of the block; there is what it has.
func (c *copier) copyBlock(ctx context.Context, b, there tsdb.BlockInfo) error {
	w := &writer{c: c, b: b}
	defer w.abort(ctx)
	switch {
	case b.Merged && !there.Merged:
		if err := w.beginMerge(ctx, there); err != nil {
			return err
		}
	default:
		w.skip = there.Cuts
	}
	s := newSummer()
	err := c.from.Chunks.Export(ctx, b.Partition, b.Start, func(merged bool, chunks []tsdb.Chunk) error {
		n := s.add(merged, chunks)
		if err := w.write(ctx, merged, chunks); err != nil {
			return err
		}
		c.advance(0, n)
		return nil
	})
	if err == nil {
		err = w.end(ctx)
	}
	if err != nil {
		return err
	}
	c.sums[keyOf(b)] = s.sum()
	return nil
}

// writer writes one block into the target.
type writer struct {
	c     *copier
	b     tsdb.BlockInfo
	merge tsdb.Merge // nil if none is under way

	skip  int          // cuts that are there already
	small []tsdb.Chunk // of the cut at hand
}

// beginMerge makes the block, if it is not there, with a cut that has nothing in
// it, and begins to put merged chunks in its place.
func (w *writer) beginMerge(ctx context.Context, there tsdb.BlockInfo) (err error) {
	if there.Cuts == 0 {
		newest := w.c.source.maxTime(w.b.Partition)
		empty := &tsdb.Cut{Partition: w.b.Partition, Blocks: []tsdb.BlockStats{{Block: w.b.Start, MinT: newest, MaxT: newest}}}
		if err := w.c.commit(ctx, empty, 0); err != nil {
			return err
		}
	}
	w.merge, err = w.c.to.Chunks.BeginMerge(ctx, w.b.Partition, w.b.Start)
	return err
}

// write takes chunks in the order of tsdb.Store.Export.
func (w *writer) write(ctx context.Context, merged bool, chunks []tsdb.Chunk) error {
	if merged {
		if w.merge == nil {
			return nil // they are there
		}
		return w.merge.Write(ctx, chunks)
	}
	if err := w.endMerge(ctx); err != nil {
		return err
	}
	for _, k := range chunks {
		if len(w.small) > 0 && w.small[0].Cut != k.Cut {
			if err := w.endCut(ctx); err != nil {
				return err
			}
		}
		k.Data = bytes.Clone(k.Data)
		w.small = append(w.small, k)
	}
	return nil
}

// end stores what is at hand.
func (w *writer) end(ctx context.Context) error {
	if err := w.endMerge(ctx); err != nil {
		return err
	}
	return w.endCut(ctx)
}

func (w *writer) endMerge(ctx context.Context) error {
	if w.merge == nil {
		return nil
	}
	err := w.merge.Commit(ctx)
	if err == nil {
		w.merge = nil
	}
	return err
}

// endCut stores what a cut has in the block. Cuts come in their order, so that those
// that are there are the first ones.
func (w *writer) endCut(ctx context.Context) error {
	small := w.small
	w.small = w.small[:0]
	if len(small) == 0 {
		return nil
	}
	if w.skip > 0 {
		w.skip--
		return nil
	}
	stats := tsdb.BlockStats{Block: w.b.Start, Chunks: len(small), MinT: small[0].MinT, MaxT: small[0].MaxT}
	for i := range small {
		stats.Bytes += int64(len(small[i].Data))
	}
	return w.c.commit(ctx, &tsdb.Cut{Partition: w.b.Partition, Blocks: []tsdb.BlockStats{stats}, Chunks: small}, small[0].Cut)
}

// abort leaves nothing of a merge that was not committed.
func (w *writer) abort(ctx context.Context) {
	if w.merge != nil {
		_ = w.merge.Abort(context.WithoutCancel(ctx)) // why it was not committed is the error that counts
	}
}
