package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/esolutions/esmon/services/tsdb"
)

// storedBlock is a block with its cuts that are not merged.
type storedBlock struct {
	partition    int
	block        int64
	small        int64 // number of the table that cuts go to
	merged       int64 // number of the merged table, 0 if there is none
	mergedChunks int64
	mergedBytes  int64
	cuts         []storedCut // ascending, in number and nth
}

// storedCut is what a cut has in a block.
type storedCut struct {
	cut, nth, small, chunks, bytes int64
	minT, maxT                     int64
}

func (b *storedBlock) mergedTable() string {
	return mergedTable(b.partition, b.block, b.merged)
}

func (b *storedBlock) smallTable(number int64) string {
	return smallTable(b.partition, b.block, number)
}

// sources returns the names of the tables that hold the block's chunks.
func (b *storedBlock) sources() []string {
	var names []string
	if b.merged > 0 {
		names = append(names, b.mergedTable())
	}
	for _, k := range b.cuts {
		names = append(names, b.smallTable(k.small))
	}
	return slices.Compact(names) // the numbers of the small ones ascend
}

// readBlocks returns the blocks, ordered by partition and start. where narrows
// them down by these two.
func readBlocks(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]storedBlock, error) {
	var blocks []storedBlock
	err := each(ctx, tx, "SELECT partition, block, small, merged, merged_chunks, merged_bytes FROM tsdb_blocks "+where+" ORDER BY partition, block", func(rows *sql.Rows) error {
		var b storedBlock
		if err := rows.Scan(&b.partition, &b.block, &b.small, &b.merged, &b.mergedChunks, &b.mergedBytes); err != nil {
			return err
		}
		blocks = append(blocks, b)
		return nil
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("list the blocks: %w", err)
	}
	at := 0
	err = each(ctx, tx, "SELECT partition, block, cut, nth, small, chunks, bytes, min_time, max_time FROM tsdb_cuts "+where+" ORDER BY partition, block, cut", func(rows *sql.Rows) error {
		var partition int
		var block int64
		var k storedCut
		if err := rows.Scan(&partition, &block, &k.cut, &k.nth, &k.small, &k.chunks, &k.bytes, &k.minT, &k.maxT); err != nil {
			return err
		}
		for at < len(blocks) && (blocks[at].partition != partition || blocks[at].block != block) {
			at++
		}
		if at == len(blocks) {
			return fmt.Errorf("cut %d of partition %d is in block %d, which is not there: the database is damaged; restore a backup", k.cut, partition, block)
		}
		blocks[at].cuts = append(blocks[at].cuts, k)
		return nil
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("list the cuts: %w", err)
	}
	return blocks, nil
}

func (b *storedBlock) info() tsdb.BlockInfo {
	info := tsdb.BlockInfo{
		Partition: b.partition, Start: b.block, Cuts: len(b.cuts), Merged: b.merged > 0,
		Chunks: b.mergedChunks, Bytes: b.mergedBytes,
	}
	for i := range b.cuts {
		info.Chunks += b.cuts[i].chunks
		info.Bytes += b.cuts[i].bytes
	}
	return info
}

// Blocks implements tsdb.Store.
func (c *Chunks) Blocks(ctx context.Context) ([]tsdb.BlockInfo, error) {
	var infos []tsdb.BlockInfo
	err := c.read(ctx, func(tx *sql.Tx) error {
		blocks, err := readBlocks(ctx, tx, "")
		for i := range blocks {
			infos = append(infos, blocks[i].info())
		}
		return err
	})
	return infos, chunksError(err, "read what is stored")
}
