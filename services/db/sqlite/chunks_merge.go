package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/esolutions/esmon/services/tsdb"
)

// merge rewrites one block. From its beginning on, cuts go to a small table of
// the next number, so that what is merged does not change any more and needs no
// transaction that is held open; the merged chunks go to a new table that nobody
// knows before the commit. That has the same number, which no other merge of the
// block ever gets: it is the fence.
type merge struct {
	chunks  *Chunks
	from    storedBlock // as it was at the beginning
	next    int64       // first pair not yet read
	written written
}

// written is how far the new table is.
type written struct {
	chunks, bytes int64
	pair, part    int64 // of the last chunk
}

// BeginMerge implements tsdb.Store.
func (c *Chunks) BeginMerge(ctx context.Context, partition int, block int64) (tsdb.Merge, error) {
	m := &merge{chunks: c}
	err := c.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, "UPDATE tsdb_blocks SET small = small + 1 WHERE partition = ? AND block = ?", partition, block))
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("there is no such block")
		}
		blocks, err := readBlocks(ctx, tx, "WHERE partition = ? AND block = ?", partition, block)
		if err != nil {
			return err
		}
		m.from = blocks[0]
		if err := m.dropLeftovers(ctx, tx); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "CREATE TABLE "+quoted(m.target())+" (id INTEGER PRIMARY KEY, cut INTEGER NOT NULL, min_time INTEGER NOT NULL, max_time INTEGER NOT NULL, data BLOB NOT NULL) STRICT")
		return err
	})
	if err != nil {
		return nil, m.error(err, "begin the merge of", partition, block)
	}
	return m, nil
}

func (m *merge) error(err error, what string, partition int, block int64) error {
	return chunksError(err, "%s block %d of partition %d", what, block, partition)
}

// target is the name of the new table.
func (m *merge) target() string {
	return mergedTable(m.from.partition, m.from.block, m.from.small)
}

// dropLeftovers drops the new tables of merges that were interrupted.
func (m *merge) dropLeftovers(ctx context.Context, tx *sql.Tx) error {
	b := &m.from
	names, err := names(ctx, tx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB ? AND name <> ? AND name NOT IN (SELECT name FROM tsdb_retired)",
		fmt.Sprintf("chunks_merged_%d_%d_*", b.partition, b.block), b.mergedTable())
	if err != nil {
		return fmt.Errorf("find what is left of an interrupted merge: %w", err)
	}
	return dropTables(ctx, tx, names)
}

// pairsAtOnce is how many pairs Next looks at together.
const pairsAtOnce = 64

// Next implements tsdb.Merge.
func (m *merge) Next(ctx context.Context) ([]tsdb.Chunk, error) {
	var chunks []tsdb.Chunk
	if m.next > maxPair { // the end was reached
		return nil, io.EOF
	}
	err := m.chunks.read(ctx, func(tx *sql.Tx) (err error) {
		if chunks, err = m.window(ctx, tx); err != nil || len(chunks) > 0 || m.next > maxPair {
			return err
		}
		// No pair has so an id; the next that is there may be far away.
		if m.next, err = m.seek(ctx, tx); err != nil || m.next > maxPair {
			return err
		}
		chunks, err = m.window(ctx, tx)
		return err
	})
	if err != nil {
		return nil, m.error(err, "read for the merge of", m.from.partition, m.from.block)
	}
	if len(chunks) == 0 {
		return nil, io.EOF
	}
	slices.SortStableFunc(chunks, func(a, b tsdb.Chunk) int {
		return cmp.Or(cmp.Compare(a.Pair, b.Pair), cmp.Compare(a.Cut, b.Cut))
	})
	return chunks, nil
}

// window returns all chunks of the next pairsAtOnce ids, and goes past them.
func (m *merge) window(ctx context.Context, tx *sql.Tx) ([]tsdb.Chunk, error) {
	last := min(m.next+pairsAtOnce-1, maxPair)
	var chunks []tsdb.Chunk
	if m.from.merged > 0 {
		err := each(ctx, tx, mergedColumns+quoted(m.from.mergedTable())+" WHERE "+pairSpan(m.next, last), func(rows *sql.Rows) error {
			k, err := scanMerged(rows, m.from.block)
			chunks = append(chunks, k)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	err := m.eachCut(ctx, tx, "SELECT id, data FROM %s WHERE id BETWEEN ? AND ?", last, func(k *storedCut, rows *sql.Rows) error {
		var id int64
		var data []byte
		err := rows.Scan(&id, &data)
		chunks = append(chunks, k.chunk(m.from.block, id&maxPair, data))
		return err
	})
	if err == nil { // else it can be tried again
		m.next = last + 1
	}
	return chunks, err
}

// seek returns the first pair not yet read that has chunks. If there is none, it
// is one that cannot be.
func (m *merge) seek(ctx context.Context, tx *sql.Tx) (int64, error) {
	first := int64(maxPair + 1)
	if m.from.merged > 0 {
		var id sql.NullInt64
		query := "SELECT min(id) FROM " + quoted(m.from.mergedTable()) + " WHERE id >= ?"
		if err := tx.QueryRowContext(ctx, query, m.next<<partBits).Scan(&id); err != nil {
			return 0, err
		}
		if id.Valid {
			first = id.Int64 >> partBits
		}
	}
	err := m.eachCut(ctx, tx, "SELECT min(id) FROM %s WHERE id BETWEEN ? AND ?", maxPair, func(_ *storedCut, rows *sql.Rows) error {
		var id sql.NullInt64
		err := rows.Scan(&id)
		if id.Valid {
			first = min(first, id.Int64&maxPair)
		}
		return err
	})
	return first, err
}

// eachCut runs the query in the table of every cut, for the rowids from the next
// pair to the last.
func (m *merge) eachCut(ctx context.Context, tx *sql.Tx, query string, last int64, f func(*storedCut, *sql.Rows) error) error {
	var stmt *sql.Stmt
	table := int64(0)
	for i := range m.from.cuts {
		k := &m.from.cuts[i]
		if k.small != table {
			var err error
			stmt, err = tx.PrepareContext(ctx, fmt.Sprintf(query, quoted(m.from.smallTable(k.small))))
			if err != nil {
				return err
			}
			defer stmt.Close() //nolint:errcheck // goes with the transaction
			table = k.small
		}
		rows, err := stmt.QueryContext(ctx, smallID(k.nth, m.next), smallID(k.nth, last))
		if err := eachRow(rows, err, func(rows *sql.Rows) error { return f(k, rows) }); err != nil {
			return err
		}
	}
	return nil
}

// Write implements tsdb.Merge.
func (m *merge) Write(ctx context.Context, chunks []tsdb.Chunk) error {
	after := m.written
	ids := make([]int64, len(chunks))
	for i := range chunks {
		var err error
		if ids[i], err = after.add(&chunks[i]); err != nil {
			return m.error(err, "write merged chunks of", m.from.partition, m.from.block)
		}
	}
	err := m.chunks.db.Write(ctx, func(tx *sql.Tx) error {
		insert := "INSERT INTO " + quoted(m.target()) + " (id, cut, min_time, max_time, data) VALUES "
		return insertMany(ctx, tx, insert, "(?,?,?,?,?)", len(chunks), func(args []any, i int) []any {
			k := &chunks[i]
			return append(args, ids[i], k.Cut, k.MinT, k.MaxT, k.Data)
		})
	})
	if err != nil {
		return m.error(err, "write merged chunks of", m.from.partition, m.from.block)
	}
	m.written = after
	return nil
}

// add counts a chunk and returns its rowid.
func (w *written) add(k *tsdb.Chunk) (int64, error) {
	if err := checkPair(k.Pair); err != nil {
		return 0, err
	}
	switch {
	case k.Pair < w.pair:
		return 0, fmt.Errorf("pair %d comes behind pair %d", k.Pair, w.pair)
	case k.Pair > w.pair:
		w.pair, w.part = k.Pair, 0
	case w.part == maxPart:
		return 0, fmt.Errorf("pair %d has more than %d merged chunks", k.Pair, maxPart+1)
	default:
		w.part++
	}
	w.chunks++
	w.bytes += int64(len(k.Data))
	return w.pair<<partBits | w.part, nil
}

// Commit implements tsdb.Merge.
func (m *merge) Commit(ctx context.Context) error {
	b := &m.from
	err := m.chunks.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, "UPDATE tsdb_blocks SET merged = ?, merged_chunks = ?, merged_bytes = ? WHERE partition = ? AND block = ? AND merged = ? AND small = ?",
			b.small, m.written.chunks, m.written.bytes, b.partition, b.block, b.merged, b.small))
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("it was dropped, or another merge of it has begun")
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM tsdb_cuts WHERE partition = ? AND block = ? AND small < ?", b.partition, b.block, b.small); err != nil {
			return err
		}
		return m.retire(ctx, tx)
	})
	return m.error(err, "commit the merge of", b.partition, b.block)
}

// retire notes the tables that nothing refers to any more, to be dropped when the
// queries that may read them are over.
func (m *merge) retire(ctx context.Context, tx *sql.Tx) error {
	since := m.chunks.Now().UnixMilli()
	names := m.from.sources()
	err := execEach(ctx, tx, "INSERT INTO tsdb_retired (name, since) VALUES (?,?)", len(names), func(i int) []any {
		return []any{names[i], since}
	})
	if err != nil {
		return fmt.Errorf("note what may be removed: %w", err)
	}
	return nil
}

// Abort implements tsdb.Merge. After a commit it changes nothing, whether or not
// that was reported to have succeeded.
func (m *merge) Abort(ctx context.Context) error {
	b := &m.from
	err := m.chunks.db.Write(ctx, func(tx *sql.Tx) error {
		names, err := names(ctx, tx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?
			AND NOT EXISTS (SELECT 1 FROM tsdb_blocks WHERE partition = ? AND block = ? AND merged = ?)`,
			m.target(), b.partition, b.block, b.small)
		if err != nil {
			return err
		}
		return dropTables(ctx, tx, names)
	})
	return m.error(err, "abort the merge of", b.partition, b.block)
}
