package sqlite

import (
	"context"
	"database/sql"

	"github.com/esolutions/esmon/services/tsdb"
)

// exportBytes is about how many bytes Export hands over at a time.
const exportBytes = 4 << 20

// exporter gathers chunks to be handed over together.
type exporter struct {
	f      func(merged bool, chunks []tsdb.Chunk) error
	merged bool
	chunks []tsdb.Chunk
	bytes  int
}

// Export implements tsdb.Store.
func (c *Chunks) Export(ctx context.Context, partition int, block int64, f func(merged bool, chunks []tsdb.Chunk) error) error {
	err := c.read(ctx, func(tx *sql.Tx) error {
		blocks, err := readBlocks(ctx, tx, "WHERE partition = ? AND block = ?", partition, block)
		if err != nil || len(blocks) == 0 {
			return err
		}
		x := &exporter{f: f, merged: true}
		if err := x.fromMerged(ctx, tx, &blocks[0]); err != nil {
			return err
		}
		x.merged = false
		return x.fromCuts(ctx, tx, &blocks[0])
	})
	return chunksError(err, "export block %d of partition %d", block, partition)
}

func (x *exporter) fromMerged(ctx context.Context, tx *sql.Tx, b *storedBlock) error {
	if b.merged == 0 {
		return nil
	}
	err := each(ctx, tx, mergedColumns+quoted(b.mergedTable())+" ORDER BY id", func(rows *sql.Rows) error {
		k, err := scanMerged(rows, b.block)
		if err != nil {
			return err
		}
		return x.add(k)
	})
	if err != nil {
		return err
	}
	return x.flush()
}

func (x *exporter) fromCuts(ctx context.Context, tx *sql.Tx, b *storedBlock) error {
	for i := range b.cuts {
		k := &b.cuts[i]
		query := "SELECT id, data FROM " + quoted(b.smallTable(k.small)) + " WHERE id BETWEEN ? AND ? ORDER BY id"
		err := each(ctx, tx, query, func(rows *sql.Rows) error {
			var id int64
			var data []byte
			if err := rows.Scan(&id, &data); err != nil {
				return err
			}
			return x.add(k.chunk(b.block, id&maxPair, data))
		}, smallID(k.nth, 0), smallID(k.nth, maxPair))
		if err != nil {
			return err
		}
	}
	return x.flush()
}

func (x *exporter) add(k tsdb.Chunk) error {
	x.chunks = append(x.chunks, k)
	if x.bytes += len(k.Data); x.bytes < exportBytes {
		return nil
	}
	return x.flush()
}

func (x *exporter) flush() error {
	if len(x.chunks) == 0 {
		return nil
	}
	err := x.f(x.merged, x.chunks)
	x.chunks, x.bytes = x.chunks[:0], 0
	return err
}
