package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/tsdb"
)

// storedBlock is a block with its cuts that are not merged.
type storedBlock struct {
	partition    int
	block        int64
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
	return tableName(true, b.partition, b.block, b.merged)
}

func (b *storedBlock) smallTable(number int64) string {
	return tableName(false, b.partition, b.block, number)
}

// smalls returns the numbers of the tables that the cuts are in.
func (b *storedBlock) smalls() []int64 {
	numbers := make([]int64, 0, 2)
	for i := range b.cuts {
		if !slices.Contains(numbers, b.cuts[i].small) {
			numbers = append(numbers, b.cuts[i].small)
		}
	}
	return numbers
}

// cutsIn calls f with the cuts of each small table for which keep holds.
func (b *storedBlock) cutsIn(keep func(*storedCut) bool, f func(table string, cuts []*storedCut) error) error {
	for _, number := range b.smalls() {
		var cuts []*storedCut
		for i := range b.cuts {
			if k := &b.cuts[i]; k.small == number && keep(k) {
				cuts = append(cuts, k)
			}
		}
		if len(cuts) == 0 {
			continue
		}
		if err := f(b.smallTable(number), cuts); err != nil {
			return err
		}
	}
	return nil
}

// readBlocks returns the partition's blocks from one to another, in their order.
func readBlocks(ctx context.Context, q querier, partition int, first, last int64) ([]storedBlock, error) {
	var blocks []storedBlock
	err := each(ctx, q, `SELECT b.block, b.merged, b.merged_chunks, b.merged_bytes,
			coalesce(k.cut, 0), coalesce(k.nth, 0), coalesce(k.small, 0), coalesce(k.chunks, 0), coalesce(k.bytes, 0), coalesce(k.min_time, 0), coalesce(k.max_time, 0)
		FROM tsdb_blocks b LEFT JOIN tsdb_cuts k ON k.partition = b.partition AND k.block = b.block
		WHERE b.partition = $1 AND b.block BETWEEN $2 AND $3 ORDER BY b.block, k.cut`, func(rows pgx.Rows) error {
		b := storedBlock{partition: partition}
		var k storedCut
		if err := rows.Scan(&b.block, &b.merged, &b.mergedChunks, &b.mergedBytes, &k.cut, &k.nth, &k.small, &k.chunks, &k.bytes, &k.minT, &k.maxT); err != nil {
			return err
		}
		if n := len(blocks); n == 0 || blocks[n-1].block != b.block {
			blocks = append(blocks, b)
		}
		if k.small > 0 {
			last := &blocks[len(blocks)-1]
			last.cuts = append(last.cuts, k)
		}
		return nil
	}, partition, first, last)
	return blocks, err
}

// blockInfos is the beginning of a query for what blocks hold.
const blockInfos = `SELECT b.partition, b.block, count(k.cut), b.merged_chunks + coalesce(sum(k.chunks), 0)::bigint, b.merged_bytes + coalesce(sum(k.bytes), 0)::bigint, b.merged > 0
	FROM tsdb_blocks b LEFT JOIN tsdb_cuts k ON k.partition = b.partition AND k.block = b.block `

// readInfos returns what the blocks hold, ordered by partition and start. where
// narrows them down.
func readInfos(ctx context.Context, q querier, where string, args ...any) ([]tsdb.BlockInfo, error) {
	var infos []tsdb.BlockInfo
	err := each(ctx, q, blockInfos+where+" GROUP BY b.partition, b.block ORDER BY b.partition, b.block", func(rows pgx.Rows) error {
		var i tsdb.BlockInfo
		err := rows.Scan(&i.Partition, &i.Start, &i.Cuts, &i.Chunks, &i.Bytes, &i.Merged)
		infos = append(infos, i)
		return err
	}, args...)
	return infos, err
}

// Blocks implements tsdb.Store.
func (c *Chunks) Blocks(ctx context.Context) ([]tsdb.BlockInfo, error) {
	infos, err := readInfos(ctx, c.db.pool, "")
	return infos, chunksError(err, "read what is stored")
}
