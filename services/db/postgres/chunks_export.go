package postgres

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/tsdb"
)

// exportBytes is about how many bytes one statement of Export reads. Each has its
// time limit, whatever the size of a block.
const exportBytes = 4 << 20

// exporter reads a block in the order of its tables.
type exporter struct {
	tx pgx.Tx
	b  *storedBlock
	f  func(merged bool, chunks []tsdb.Chunk) error
}

// Export implements tsdb.Store. It is one snapshot; f must not take so long that
// the server ends it: see beginSnapshot.
func (c *Chunks) Export(ctx context.Context, partition int, block int64, f func(merged bool, chunks []tsdb.Chunk) error) error {
	err := within(ctx, c.db.snapshots, beginSnapshot(ctx), func(tx pgx.Tx) error {
		blocks, err := readBlocks(ctx, tx, partition, block, block)
		if err != nil || len(blocks) == 0 {
			return err
		}
		x := &exporter{tx: tx, b: &blocks[0], f: f}
		if err := x.merged(ctx); err != nil {
			return err
		}
		return x.cuts(ctx)
	})
	return chunksError(err, "export block %d of partition %d", block, partition)
}

func (x *exporter) merged(ctx context.Context) error {
	if x.b.merged == 0 {
		return nil
	}
	query := "SELECT id, cut, min_time, max_time, data FROM " + quoted(x.b.mergedTable()) + " WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3"
	return x.pages(ctx, true, query, 0, math.MaxInt64, rowsOf(x.b.mergedChunks, x.b.mergedBytes), func(row [][]byte) tsdb.Chunk { return mergedChunk(x.b.block, row) })
}

func (x *exporter) cuts(ctx context.Context) error {
	for i := range x.b.cuts {
		k := &x.b.cuts[i]
		query := "SELECT id, data FROM " + quoted(x.b.smallTable(k.small)) + " WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3"
		err := x.pages(ctx, false, query, smallID(k.nth, 0), smallID(k.nth, maxPair), rowsOf(k.chunks, k.bytes), func(row [][]byte) tsdb.Chunk {
			return smallChunk(x.b, []*storedCut{k}, row)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rowsOf returns how many rows have about exportBytes, where so many chunks have so
// many bytes.
func rowsOf(chunks, bytes int64) int64 {
	return min(max(exportBytes/(bytes/max(chunks, 1)+1), 1), loadAtOnce)
}

// pages reads the rows from an id to another, limit of them with each statement.
func (x *exporter) pages(ctx context.Context, merged bool, query string, from, to, limit int64, chunk func(row [][]byte) tsdb.Chunk) error {
	chunks := make([]tsdb.Chunk, 0, limit)
	for more := true; more; {
		chunks = chunks[:0]
		err := eachRaw(ctx, x.tx, query, func(row [][]byte) error {
			from = integer(row[0]) + 1
			chunks = append(chunks, chunk(row))
			return nil
		}, from, to, limit)
		if err != nil {
			return err
		}
		if more = int64(len(chunks)) == limit; len(chunks) == 0 {
			return nil
		}
		if err := x.f(merged, chunks); err != nil {
			return err
		}
	}
	return nil
}
