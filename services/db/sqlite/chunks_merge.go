//go:build server

package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// merge rewrites one block. From its beginning on, cuts go to a small table of
// the next number, so that what is merged does not change any more; the merged
// chunks go to a new table that nobody knows before the commit.
type merge struct {
	db     *DB
	read   *snapshot
	from   *storedBlock // as it was at the beginning
	target int64        // number of the new merged table

	small   []smallRef // all small chunks, by pair and cut
	nextOld int64      // first pair of the old merged table not yet read
	written struct {
		chunks, bytes int64
		pair, nth     int64
	}
}

// smallRef is where a small chunk is.
type smallRef struct {
	pair int64
	cut  *storedCut
}

// BeginMerge implements tsdb.Store.
func (c *Chunks) BeginMerge(ctx context.Context, partition int, block int64) (tsdb.Merge, error) {
	m := &merge{db: c.db}
	err := c.db.Write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "UPDATE tsdb_blocks SET small = small + 1 WHERE partition = ? AND block = ? RETURNING merged + 1", partition, block).Scan(&m.target)
		if err != nil {
			return fmt.Errorf("begin the merge of block %d: %w", block, err)
		}
		table := mergedTable(partition, block, m.target)
		// A merge that was interrupted may have left the table behind.
		if _, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS "+table); err != nil {
			return fmt.Errorf("begin the merge of block %d: %w", block, err)
		}
		_, err = tx.ExecContext(ctx, "CREATE TABLE "+table+` (id INTEGER PRIMARY KEY, cut INTEGER NOT NULL, min_time INTEGER NOT NULL, max_time INTEGER NOT NULL, data BLOB NOT NULL) STRICT`)
		return err
	})
	if err != nil {
		return nil, chunksError(err, "begin the merge of block %d", block)
	}
	snap, err := c.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	m.read = snap.(*snapshot) //nolint:errcheck // made by this package
	if err := m.list(ctx, partition, block); err != nil {
		_ = m.read.Close() // the first error counts
		return nil, err
	}
	return m, nil
}

// list finds out what is to be merged.
func (m *merge) list(ctx context.Context, partition int, block int64) error {
	at := slices.IndexFunc(m.read.blocks, func(b storedBlock) bool { return b.partition == partition && b.block == block })
	if at < 0 {
		return fmt.Errorf("merge block %d of partition %d: it is gone", block, partition)
	}
	m.from = &m.read.blocks[at]
	// A cut that came between the two transactions of the beginning is not part.
	m.from.cuts = slices.DeleteFunc(m.from.cuts, func(k storedCut) bool { return k.small >= m.from.small })
	for i := range m.from.cuts {
		k := &m.from.cuts[i]
		query := "SELECT id FROM " + smallTable(partition, block, k.small) + " WHERE id BETWEEN ? AND ?"
		err := each(ctx, m.read.tx, query, func(rows *sql.Rows) error {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			m.small = append(m.small, smallRef{pair: id & (1<<pairBits - 1), cut: k})
			return nil
		}, k.cut<<pairBits, k.cut<<pairBits|(1<<pairBits-1))
		if err != nil {
			return err
		}
	}
	slices.SortFunc(m.small, func(a, b smallRef) int {
		if a.pair != b.pair {
			return int(a.pair - b.pair)
		}
		return int(a.cut.cut - b.cut.cut)
	})
	return nil
}

// pairsAtOnce is how many pairs Next returns.
const pairsAtOnce = 64

// Next implements tsdb.Merge.
func (m *merge) Next(ctx context.Context) ([]tsdb.Chunk, error) {
	last, err := m.window(ctx)
	if err != nil {
		return nil, err
	}
	var chunks []tsdb.Chunk
	keep := func(k tsdb.Chunk) error { chunks = append(chunks, k); return nil }
	if m.from.merged > 0 {
		if err := m.oldMerged(ctx, last, keep); err != nil {
			return nil, err
		}
	}
	byTable := map[int64][]int64{}
	n := 0
	for n < len(m.small) && m.small[n].pair <= last {
		ref := m.small[n]
		byTable[ref.cut.small] = append(byTable[ref.cut.small], ref.cut.cut<<pairBits|ref.pair)
		n++
	}
	m.small = m.small[n:]
	for table, ids := range byTable {
		for some := range slices.Chunk(ids, idsAtOnce) {
			if err := m.read.byID(ctx, m.from, table, some, keep); err != nil {
				return nil, chunksError(err, "merge block %d", m.from.block)
			}
		}
	}
	m.nextOld = last + 1
	if len(chunks) == 0 {
		return nil, io.EOF
	}
	slices.SortStableFunc(chunks, func(a, b tsdb.Chunk) int {
		if a.Pair != b.Pair {
			return int(a.Pair - b.Pair)
		}
		return int(a.Cut - b.Cut)
	})
	return chunks, nil
}

// window returns the last pair of the next step. With nothing left, any pair
// will do.
func (m *merge) window(ctx context.Context) (int64, error) {
	last := m.nextOld + 1<<20 // at the end of the small chunks only merged ones are left
	pairs := 0
	for i, ref := range m.small {
		if i > 0 && ref.pair != m.small[i-1].pair {
			if pairs++; pairs == pairsAtOnce {
				return m.small[i-1].pair, nil
			}
		}
		last = ref.pair
	}
	if len(m.small) > 0 || m.from.merged == 0 {
		return last, nil
	}
	// Only old merged chunks are left: take the next of their pairs.
	query := "SELECT coalesce(max(id), ?) FROM (SELECT id FROM " + mergedTable(m.from.partition, m.from.block, m.from.merged) + " WHERE id >= ? ORDER BY id LIMIT ?)"
	var id int64
	if err := m.read.tx.QueryRowContext(ctx, query, m.nextOld<<nthBits, m.nextOld<<nthBits, pairsAtOnce).Scan(&id); err != nil {
		return 0, chunksError(err, "merge block %d", m.from.block)
	}
	return id >> nthBits, nil
}

func (m *merge) oldMerged(ctx context.Context, last int64, keep func(tsdb.Chunk) error) error {
	query := "SELECT id, cut, min_time, max_time, data FROM " + mergedTable(m.from.partition, m.from.block, m.from.merged) + " WHERE id BETWEEN ? AND ?"
	err := each(ctx, m.read.tx, query, func(rows *sql.Rows) error {
		var id int64
		k := tsdb.Chunk{Block: m.from.block}
		if err := rows.Scan(&id, &k.Cut, &k.MinT, &k.MaxT, &k.Data); err != nil {
			return err
		}
		k.Pair = id >> nthBits
		return keep(k)
	}, m.nextOld<<nthBits, last<<nthBits|(1<<nthBits-1))
	return chunksError(err, "merge block %d", m.from.block)
}

// Write implements tsdb.Merge.
func (m *merge) Write(ctx context.Context, chunks []tsdb.Chunk) error {
	err := m.db.Write(ctx, func(tx *sql.Tx) error {
		args := make([]any, 0, 5*rowsAtOnce)
		insert := "INSERT INTO " + mergedTable(m.from.partition, m.from.block, m.target) + " (id, cut, min_time, max_time, data) VALUES "
		return inBatches(ctx, tx, insert, "(?,?,?,?,?)", len(chunks), func(i int) []any {
			if i%rowsAtOnce == 0 {
				args = args[:0]
			}
			k := &chunks[i]
			if k.Pair != m.written.pair {
				m.written.pair, m.written.nth = k.Pair, 0
			}
			args = append(args, k.Pair<<nthBits|m.written.nth, k.Cut, k.MinT, k.MaxT, k.Data)
			m.written.nth++
			m.written.chunks++
			m.written.bytes += int64(len(k.Data))
			return args
		})
	})
	return chunksError(err, "write merged chunks of block %d", m.from.block)
}

// Commit implements tsdb.Merge.
func (m *merge) Commit(ctx context.Context) error {
	if err := m.read.Close(); err != nil {
		return fmt.Errorf("end the reading of block %d: %w", m.from.block, err)
	}
	b := m.from
	err := m.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, "UPDATE tsdb_blocks SET merged = ?, merged_chunks = ?, merged_bytes = ? WHERE partition = ? AND block = ? AND merged = ?",
			m.target, m.written.chunks, m.written.bytes, b.partition, b.block, b.merged))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("block %d was dropped or merged by somebody else", b.block)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM tsdb_cuts WHERE partition = ? AND block = ? AND small < ?", b.partition, b.block, b.small); err != nil {
			return err
		}
		return m.retire(ctx, tx)
	})
	return chunksError(err, "commit the merge of block %d", b.block)
}

// retire notes the tables that nothing refers to any more, to be dropped when the
// queries that may read them are over.
func (m *merge) retire(ctx context.Context, tx *sql.Tx) error {
	b := m.from
	var names []string
	if b.merged > 0 {
		names = append(names, mergedTable(b.partition, b.block, b.merged))
	}
	for _, k := range b.cuts {
		names = append(names, smallTable(b.partition, b.block, k.small))
	}
	for _, name := range names {
		if _, err := tx.ExecContext(ctx, "INSERT INTO tsdb_retired (name, since) VALUES (?,?) ON CONFLICT DO NOTHING", name, time.Now().UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}

// Abort implements tsdb.Merge.
func (m *merge) Abort(ctx context.Context) error {
	_ = m.read.Close() // it may be closed already
	err := m.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS "+mergedTable(m.from.partition, m.from.block, m.target))
		return err
	})
	return chunksError(err, "abort the merge of block %d", m.from.block)
}
