package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// Commit implements tsdb.Store.
func (c *Chunks) Commit(ctx context.Context, cut *tsdb.Cut) error {
	err := c.db.Write(ctx, func(tx *sql.Tx) error {
		for _, store := range []func(context.Context, *sql.Tx, *tsdb.Cut) error{movePosition, checkRequired, extendLineage, storeSchemas, storeEntities, storePairs, storeChunks, storeRejected} {
			if err := store(ctx, tx, cut); err != nil {
				return err
			}
		}
		return nil
	})
	return chunksError(err, "commit cut %d of partition %d", cut.To.Cut, cut.Partition)
}

// movePosition is the fence: it changes exactly one row or fails.
func movePosition(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	maxTime := int64(math.MinInt64)
	for _, b := range cut.Blocks {
		maxTime = max(maxTime, b.MaxT)
	}
	var n int64
	var err error
	if cut.From == (tsdb.Position{}) {
		n, err = changed(tx.ExecContext(ctx, "INSERT INTO tsdb_partitions (partition, log_id, next_offset, cut, max_time) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING",
			cut.Partition, cut.To.LogID, cut.To.Offset, cut.To.Cut, maxTime))
	} else {
		n, err = changed(tx.ExecContext(ctx, `UPDATE tsdb_partitions SET log_id = ?, next_offset = ?, cut = ?, max_time = max(max_time, ?)
			WHERE partition = ? AND log_id = ? AND next_offset = ? AND cut = ?
			AND coalesce((SELECT id FROM tsdb_lineage l WHERE l.partition = tsdb_partitions.partition AND l.cut = tsdb_partitions.cut), 0) = ?`,
			cut.To.LogID, cut.To.Offset, cut.To.Cut, maxTime, cut.Partition, cut.From.LogID, cut.From.Offset, cut.From.Cut, cut.From.ID))
	}
	if err != nil {
		return fmt.Errorf("move the position: %w", err)
	}
	if n == 0 {
		return tsdb.ErrConflict
	}
	return nil
}

// A definition never changes under its id, which is its hash.
const keepDefinition = " (id, definition, seen) VALUES (?,?,?) ON CONFLICT (id) DO UPDATE SET seen = max(seen, excluded.seen)"

func storeSchemas(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	err := execEach(ctx, tx, "INSERT INTO tsdb_schemas"+keepDefinition, len(cut.Schemas), func(i int) []any {
		d := &cut.Schemas[i]
		return []any{d.ID[:], metric.AppendSchema(nil, d.Schema), d.Seen}
	})
	if err != nil {
		return fmt.Errorf("store schemas: %w", err)
	}
	return nil
}

func storeEntities(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	err := execEach(ctx, tx, "INSERT INTO tsdb_entities"+keepDefinition, len(cut.Entities), func(i int) []any {
		d := &cut.Entities[i]
		return []any{d.ID[:], metric.AppendEntity(nil, d.Entity), d.Seen}
	})
	if err != nil {
		return fmt.Errorf("store entities: %w", err)
	}
	return nil
}

func storePairs(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	for i := range cut.Pairs {
		if err := checkPair(cut.Pairs[i].ID); err != nil {
			return err
		}
	}
	const upsert = `INSERT INTO tsdb_pairs (partition, id, entity, schema, first_time, last_time, present) VALUES (?,?,?,?,?,?,?)
		ON CONFLICT (partition, id) DO UPDATE SET first_time = excluded.first_time, last_time = excluded.last_time, present = excluded.present`
	err := execEach(ctx, tx, upsert, len(cut.Pairs), func(i int) []any {
		p := &cut.Pairs[i]
		return []any{cut.Partition, p.ID, p.Entity[:], p.Schema[:], p.First, p.Last, encodeWords(p.Present)}
	})
	if err != nil {
		return fmt.Errorf("store pairs: %w", err)
	}
	return nil
}

// storeChunks appends the chunks to the small tables of their blocks.
func storeChunks(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	chunks := cut.Chunks
	for i := range cut.Blocks {
		b := &cut.Blocks[i]
		n := 0
		for n < len(chunks) && chunks[n].Block == b.Block {
			n++
		}
		if n != b.Chunks {
			return fmt.Errorf("store block %d: its statistics count %d chunks, there are %d", b.Block, b.Chunks, n)
		}
		if err := storeBlock(ctx, tx, cut, b, chunks[:n]); err != nil {
			return fmt.Errorf("store block %d: %w", b.Block, err)
		}
		chunks = chunks[n:]
	}
	if len(chunks) > 0 {
		return fmt.Errorf("store block %d: it has chunks but no statistics", chunks[0].Block)
	}
	return nil
}

func storeBlock(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut, b *tsdb.BlockStats, chunks []tsdb.Chunk) error {
	number, nth, err := openBlock(ctx, tx, cut.Partition, b.Block)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO tsdb_cuts (partition, block, cut, nth, small, chunks, bytes, min_time, max_time) VALUES (?,?,?,?,?,?,?,?,?)",
		cut.Partition, b.Block, cut.To.Cut, nth, number, b.Chunks, b.Bytes, b.MinT, b.MaxT); err != nil {
		return fmt.Errorf("note the cut: %w", err)
	}
	for i := range chunks {
		if err := checkPair(chunks[i].Pair); err != nil {
			return err
		}
	}
	insert := "INSERT INTO " + quoted(smallTable(cut.Partition, b.Block, number)) + " (id, data) VALUES "
	return insertMany(ctx, tx, insert, "(?,?)", len(chunks), func(args []any, i int) []any {
		return append(args, smallID(nth, chunks[i].Pair), chunks[i].Data)
	})
}

// openBlock makes the block and its small table if they are not there. It
// returns the table's number and which of the block's cuts the next one is.
func openBlock(ctx context.Context, tx *sql.Tx, partition int, block int64) (number, nth int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO tsdb_blocks (partition, block, cuts, small, merged, merged_chunks, merged_bytes) VALUES (?,?,1,1,0,0,0)
		ON CONFLICT (partition, block) DO UPDATE SET cuts = cuts + 1 RETURNING small, cuts`, partition, block).Scan(&number, &nth)
	if err != nil {
		return 0, 0, fmt.Errorf("open it: %w", err)
	}
	if nth > maxNth {
		return 0, 0, fmt.Errorf("it had %d cuts, which is the most a block can take", int64(maxNth))
	}
	table := quoted(smallTable(partition, block, number))
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+table+" (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT"); err != nil {
		return 0, 0, fmt.Errorf("make its table: %w", err)
	}
	return number, nth, nil
}

// execEach executes a statement n times; args returns its arguments.
func execEach(ctx context.Context, tx *sql.Tx, statement string, n int, args func(i int) []any) error {
	if n == 0 {
		return nil
	}
	stmt, err := tx.PrepareContext(ctx, statement)
	if err != nil {
		return err
	}
	defer stmt.Close() //nolint:errcheck // goes with the transaction
	for i := range n {
		if _, err := stmt.ExecContext(ctx, args(i)...); err != nil {
			return err
		}
	}
	return nil
}

// rowsAtOnce is how many rows one statement inserts: more cost less each.
const rowsAtOnce = 64

// insertMany inserts n rows, rowsAtOnce in one statement. add appends the
// arguments of row i to args.
func insertMany(ctx context.Context, tx *sql.Tx, insert, tuple string, n int, add func(args []any, i int) []any) error {
	many := func(rows int) string { return insert + strings.Repeat(tuple+",", rows-1) + tuple }
	args := make([]any, 0, rowsAtOnce*strings.Count(tuple, "?"))
	full := n / rowsAtOnce
	err := execEach(ctx, tx, many(rowsAtOnce), full, func(batch int) []any {
		args = args[:0]
		for i := range rowsAtOnce {
			args = add(args, batch*rowsAtOnce+i)
		}
		return args
	})
	if err != nil || n == full*rowsAtOnce {
		return err
	}
	args = args[:0]
	for i := full * rowsAtOnce; i < n; i++ {
		args = add(args, i)
	}
	_, err = tx.ExecContext(ctx, many(n-full*rowsAtOnce), args...)
	return err
}
