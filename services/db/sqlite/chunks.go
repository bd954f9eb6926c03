//go:build server

package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	driver "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// Chunks keeps the time series: it implements tsdb.Store.
//
// The chunks of a block are in tables of their own. Those of cuts are in
// chunks_small_<partition>_<block>_<number>, in the order of cut and pair, so that
// a cut only appends pages; merged ones in chunks_merged_<…>, in the order of
// pair and time. Both are keyed by a rowid made of these two, because rows of a
// rowid table may fill a page, where those of an index spill from a quarter of
// it on.
type Chunks struct{ db *DB }

var _ tsdb.Store = (*Chunks)(nil)

// Chunks returns the store of the time series.
func (db *DB) Chunks() *Chunks { return &Chunks{db: db} }

const (
	// pairBits is how many low bits of a small chunk's rowid are the pair; the
	// rest is the cut: one every two minutes for thirty years.
	pairBits = 40
	// nthBits is how many low bits of a merged chunk's rowid count the chunks of
	// a pair in a block.
	nthBits = 16
	// maxRejected is how many rejected rows are kept.
	maxRejected = 10_000
)

func smallTable(partition int, block, number int64) string {
	return fmt.Sprintf(`"chunks_small_%d_%d_%d"`, partition, block, number)
}

func mergedTable(partition int, block, number int64) string {
	return fmt.Sprintf(`"chunks_merged_%d_%d_%d"`, partition, block, number)
}

// Commit implements tsdb.Store.
func (c *Chunks) Commit(ctx context.Context, cut *tsdb.Cut) error {
	err := c.db.Write(ctx, func(tx *sql.Tx) error {
		if err := movePosition(ctx, tx, cut); err != nil {
			return err
		}
		if err := storeDefinitions(ctx, tx, cut); err != nil {
			return err
		}
		if err := storePairs(ctx, tx, cut); err != nil {
			return err
		}
		if err := storeChunks(ctx, tx, cut); err != nil {
			return err
		}
		return storeRejected(ctx, tx, cut.Rejected)
	})
	return chunksError(err, "commit cut %d of partition %d", cut.To.Cut, cut.Partition)
}

// movePosition is the fence: it changes exactly one row or fails.
func movePosition(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	maxTime := int64(0)
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
			WHERE partition = ? AND log_id = ? AND next_offset = ? AND cut = ?`,
			cut.To.LogID, cut.To.Offset, cut.To.Cut, maxTime, cut.Partition, cut.From.LogID, cut.From.Offset, cut.From.Cut))
	}
	if err != nil {
		return fmt.Errorf("move the position: %w", err)
	}
	if n == 0 {
		return tsdb.ErrConflict
	}
	return nil
}

func storeDefinitions(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	const upsert = " (id, definition, seen) VALUES (?,?,?) ON CONFLICT (id) DO UPDATE SET seen = max(seen, excluded.seen)"
	if len(cut.Schemas) > 0 {
		insert, err := tx.PrepareContext(ctx, "INSERT INTO tsdb_schemas"+upsert)
		if err != nil {
			return fmt.Errorf("store schemas: %w", err)
		}
		defer insert.Close() //nolint:errcheck // goes with the transaction
		for _, d := range cut.Schemas {
			if _, err := insert.ExecContext(ctx, d.ID[:], metric.AppendSchema(nil, d.Schema), d.Seen); err != nil {
				return fmt.Errorf("store schema %s: %w", d.ID, err)
			}
		}
	}
	if len(cut.Entities) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO tsdb_entities"+upsert)
	if err != nil {
		return fmt.Errorf("store entities: %w", err)
	}
	defer insert.Close() //nolint:errcheck // goes with the transaction
	for _, d := range cut.Entities {
		if _, err := insert.ExecContext(ctx, d.ID[:], metric.AppendEntity(nil, d.Entity), d.Seen); err != nil {
			return fmt.Errorf("store entity %s: %w", d.ID, err)
		}
	}
	return nil
}

func storePairs(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	if len(cut.Pairs) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO tsdb_pairs (partition, id, entity, schema, first_time, last_time, present) VALUES (?,?,?,?,?,?,?)
		ON CONFLICT (partition, id) DO UPDATE SET first_time = excluded.first_time, last_time = excluded.last_time, present = excluded.present`)
	if err != nil {
		return fmt.Errorf("store pairs: %w", err)
	}
	defer insert.Close() //nolint:errcheck // goes with the transaction
	for i := range cut.Pairs {
		p := &cut.Pairs[i]
		if _, err := insert.ExecContext(ctx, cut.Partition, p.ID, p.Entity[:], p.Schema[:], p.First, p.Last, encodeWords(p.Present)); err != nil {
			return fmt.Errorf("store pair %d: %w", p.ID, err)
		}
	}
	return nil
}

// storeChunks appends the chunks to the small tables of their blocks.
func storeChunks(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	chunks := cut.Chunks
	for _, b := range cut.Blocks {
		number, err := openBlock(ctx, tx, cut.Partition, b.Block)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO tsdb_cuts (partition, block, cut, small, chunks, bytes, min_time, max_time) VALUES (?,?,?,?,?,?,?,?)",
			cut.Partition, b.Block, cut.To.Cut, number, b.Chunks, b.Bytes, b.MinT, b.MaxT); err != nil {
			return fmt.Errorf("store cut %d of block %d: %w", cut.To.Cut, b.Block, err)
		}
		n := 0
		for n < len(chunks) && chunks[n].Block == b.Block {
			n++
		}
		rows := make([]row, n)
		for i := range rows {
			rows[i] = row{id: cut.To.Cut<<pairBits | chunks[i].Pair, data: chunks[i].Data}
		}
		if err := insertRows(ctx, tx, smallTable(cut.Partition, b.Block, number), rows); err != nil {
			return err
		}
		chunks = chunks[n:]
	}
	return nil
}

// openBlock makes the block and its small table if they are not there, and
// returns the table's number.
func openBlock(ctx context.Context, tx *sql.Tx, partition int, block int64) (number int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO tsdb_blocks (partition, block, small, merged, merged_chunks, merged_bytes) VALUES (?,?,1,0,0,0)
		ON CONFLICT (partition, block) DO UPDATE SET small = small RETURNING small`, partition, block).Scan(&number)
	if err != nil {
		return 0, fmt.Errorf("open block %d: %w", block, err)
	}
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+smallTable(partition, block, number)+" (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT"); err != nil {
		return 0, fmt.Errorf("make the table of block %d: %w", block, err)
	}
	return number, nil
}

// row is a row of a small table.
type row struct {
	id   int64
	data []byte
}

// rowsAtOnce is how many rows one statement inserts: more cost less each.
const rowsAtOnce = 64

func insertRows(ctx context.Context, tx *sql.Tx, table string, rows []row) error {
	args := make([]any, 0, 2*rowsAtOnce)
	return inBatches(ctx, tx, "INSERT INTO "+table+" (id, data) VALUES ", "(?,?)", len(rows), func(i int) []any {
		if i%rowsAtOnce == 0 {
			args = args[:0]
		}
		args = append(args, rows[i].id, rows[i].data)
		return args
	})
}

// inBatches executes insert for n rows, rowsAtOnce in one statement. add appends
// the arguments of row i to those of its batch and returns them.
func inBatches(ctx context.Context, tx *sql.Tx, insert, tuple string, n int, add func(i int) []any) error {
	var full *sql.Stmt
	for i := range n {
		args := add(i)
		size := i%rowsAtOnce + 1
		if size < rowsAtOnce && i < n-1 {
			continue
		}
		var err error
		if size == rowsAtOnce {
			if full == nil {
				if full, err = tx.PrepareContext(ctx, insert+tuples(tuple, size)); err != nil {
					return fmt.Errorf("store chunks: %w", err)
				}
				defer full.Close() //nolint:errcheck // goes with the transaction
			}
			_, err = full.ExecContext(ctx, args...)
		} else {
			_, err = tx.ExecContext(ctx, insert+tuples(tuple, size), args...)
		}
		if err != nil {
			return fmt.Errorf("store chunks: %w", err)
		}
	}
	return nil
}

func tuples(tuple string, n int) string {
	b := make([]byte, 0, (len(tuple)+1)*n)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, tuple...)
	}
	return string(b)
}

func storeRejected(ctx context.Context, tx *sql.Tx, rejected []tsdb.Rejected) error {
	for i := range rejected {
		r := &rejected[i]
		if _, err := tx.ExecContext(ctx, "INSERT INTO tsdb_rejected (partition, log_offset, frame, reason, message, entity, schema, time, at) VALUES (?,?,?,?,?,?,?,?,?)",
			r.Partition, r.Offset, r.Frame, r.Reason, r.Message, r.Entity[:], r.Schema[:], r.Time, r.At.UnixMilli()); err != nil {
			return fmt.Errorf("store rejected rows: %w", err)
		}
	}
	if len(rejected) == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM tsdb_rejected WHERE id <= (SELECT max(id) FROM tsdb_rejected) - ?", maxRejected); err != nil {
		return fmt.Errorf("drop old rejected rows: %w", err)
	}
	return nil
}

// Rejected implements tsdb.Store.
func (c *Chunks) Rejected(ctx context.Context, limit int) ([]tsdb.Rejected, error) {
	rows, err := c.db.reader.QueryContext(ctx, "SELECT partition, log_offset, frame, reason, message, entity, schema, time, at FROM tsdb_rejected ORDER BY id DESC LIMIT ?", limit)
	if err != nil {
		return nil, fmt.Errorf("read rejected rows: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err is checked
	var out []tsdb.Rejected
	for rows.Next() {
		var r tsdb.Rejected
		var entity, schema []byte
		var at int64
		if err := rows.Scan(&r.Partition, &r.Offset, &r.Frame, &r.Reason, &r.Message, &entity, &schema, &r.Time, &at); err != nil {
			return nil, fmt.Errorf("read rejected rows: %w", err)
		}
		copy(r.Entity[:], entity)
		copy(r.Schema[:], schema)
		r.At = time.UnixMilli(at).UTC()
		out = append(out, r)
	}
	return out, rows.Err()
}

func encodeWords(words []uint64) []byte {
	b := make([]byte, 0, 8*len(words))
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

func decodeWords(b []byte) []uint64 {
	var words []uint64
	for ; len(b) >= 8; b = b[8:] {
		words = append(words, binary.LittleEndian.Uint64(b))
	}
	return words
}

// chunksError says what was attempted and names a full disk as such.
func chunksError(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	var e *driver.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlitelib.SQLITE_FULL {
		return fmt.Errorf("%s: %w: %w", what, tsdb.ErrFull, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
