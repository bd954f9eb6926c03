package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/tsdb"
)

// storeChunks appends the chunks to the small tables of their blocks.
func storeChunks(ctx context.Context, tx pgx.Tx, cut *tsdb.Cut) error {
	parts, err := divide(cut)
	if err != nil || len(parts) == 0 {
		return err
	}
	opened, err := openBlocks(ctx, tx, cut)
	if err != nil {
		return err
	}
	if err := noteCut(ctx, tx, cut, opened); err != nil {
		return err
	}
	for i, chunks := range parts {
		b := &opened[i]
		err := copyChunks(ctx, tx, tableName(false, cut.Partition, b.block, b.small), []string{"id", "data"}, chunks, func(row []any, i int) []any {
			return append(row, smallID(b.nth, chunks[i].Pair), chunks[i].Data)
		})
		if err != nil {
			return fmt.Errorf("store block %d: %w", b.block, err)
		}
	}
	return nil
}

// divide returns the chunks of each of the cut's blocks.
func divide(cut *tsdb.Cut) ([][]tsdb.Chunk, error) {
	var parts [][]tsdb.Chunk
	chunks := cut.Chunks
	for i := range cut.Blocks {
		b := &cut.Blocks[i]
		n := 0
		for n < len(chunks) && chunks[n].Block == b.Block {
			if err := checkPair(chunks[n].Pair); err != nil {
				return nil, fmt.Errorf("store block %d: %w", b.Block, err)
			}
			n++
		}
		if n != b.Chunks {
			return nil, fmt.Errorf("store block %d: its statistics count %d chunks, there are %d", b.Block, b.Chunks, n)
		}
		parts = append(parts, chunks[:n])
		chunks = chunks[n:]
	}
	if len(chunks) > 0 {
		return nil, fmt.Errorf("store block %d: it has chunks but no statistics", chunks[0].Block)
	}
	return parts, nil
}

// openBlock is a block that a cut goes to.
type openBlock struct {
	block, small, nth int64
}

// openBlocks makes the blocks that are not there, and gives each a small table if
// it has none. The error is needsTables if there are too few.
func openBlocks(ctx context.Context, tx pgx.Tx, cut *tsdb.Cut) ([]openBlock, error) {
	starts := make([]int64, len(cut.Blocks))
	for i := range cut.Blocks {
		starts[i] = cut.Blocks[i].Block
	}
	var opened []openBlock
	err := each(ctx, tx, `INSERT INTO tsdb_blocks AS b (partition, block, cuts, small, merging, merged, merged_chunks, merged_bytes)
		SELECT $1, start, 1, 0, 0, 0, 0, 0 FROM unnest($2::bigint[]) AS start
		ON CONFLICT (partition, block) DO UPDATE SET cuts = b.cuts + 1 RETURNING block, small, cuts`, func(rows pgx.Rows) error {
		var b openBlock
		err := rows.Scan(&b.block, &b.small, &b.nth)
		opened = append(opened, b)
		return err
	}, cut.Partition, starts)
	if err != nil {
		return nil, fmt.Errorf("open the blocks: %w", err)
	}
	slices.SortFunc(opened, func(a, b openBlock) int { return cmp.Compare(a.block, b.block) }) // as those of the cut
	var missing needsTables
	for i := range opened {
		b := &opened[i]
		if b.nth > maxNth {
			return nil, fmt.Errorf("block %d had %d cuts, which is the most a block can take", b.block, int64(maxNth))
		}
		if b.small == 0 {
			if err := b.takeTable(ctx, tx, cut.Partition); err != nil {
				return nil, fmt.Errorf("give block %d a table: %w", b.block, err)
			}
		}
		if b.small == 0 {
			missing = append(missing, b.block)
		}
	}
	if len(missing) > 0 {
		return nil, missing
	}
	return opened, nil
}

// takeTable gives the block the table that waits for it, if there is one.
func (b *openBlock) takeTable(ctx context.Context, tx pgx.Tx, partition int) (err error) {
	if b.small, err = useSmall(ctx, tx, partition, b.block); err != nil || b.small == 0 {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE tsdb_blocks SET small = $3 WHERE partition = $1 AND block = $2", partition, b.block, b.small)
	return err
}

// noteCut tells what the cut has in each block.
func noteCut(ctx context.Context, tx pgx.Tx, cut *tsdb.Cut, opened []openBlock) error {
	columns := []string{"partition", "block", "cut", "nth", "small", "chunks", "bytes", "min_time", "max_time"}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"tsdb_cuts"}, columns, pgx.CopyFromSlice(len(opened), func(i int) ([]any, error) {
		b, k := &cut.Blocks[i], &opened[i]
		return []any{cut.Partition, b.Block, cut.To.Cut, k.nth, k.small, b.Chunks, b.Bytes, b.MinT, b.MaxT}, nil
	}))
	if err != nil {
		return fmt.Errorf("note the cut: %w", err)
	}
	return nil
}

// copyBytes is how much one statement copies. Each has its time limit, whatever
// the size of a cut.
const copyBytes = 4 << 20

// copyChunks appends chunks to a table. row appends the values of one.
func copyChunks(ctx context.Context, tx pgx.Tx, table string, columns []string, chunks []tsdb.Chunk, row func(values []any, i int) []any) error {
	values := make([]any, 0, len(columns))
	for first := 0; first < len(chunks); {
		n := 0
		for bytes := 0; first+n < len(chunks) && bytes < copyBytes; n++ {
			bytes += len(chunks[first+n].Data)
		}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromSlice(n, func(i int) ([]any, error) {
			return row(values, first+i), nil
		}))
		if err != nil {
			return err
		}
		first += n
	}
	return nil
}
