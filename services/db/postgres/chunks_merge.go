package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/esolutions/esmon/services/tsdb"
)

// merge rewrites one block. From its beginning on, cuts go to a new small table,
// so that what is merged does not change any more and needs no transaction that
// is held open; the merged chunks go to a new table that nobody else reads. Two
// things keep others off: a lock that its connection holds on the block, and, as
// a connection may be lost unnoticed, the number of the new table in the block,
// without which there is no commit.
type merge struct {
	chunks *Chunks
	from   storedBlock // as it was at the beginning
	target table
	unbind func() bool // from the context of the beginning

	mu      sync.Mutex    // guards what follows
	conn    *pgxpool.Conn // nil once the merge ended
	next    int64         // first pair not yet read
	written written
}

// written is how far the new table is.
type written struct {
	chunks, bytes int64
	pair, part    int64 // of the last chunk
}

// mergeLock is the key of the advisory lock of a merge of the block $2 of the
// partition $1. Others share these keys: tests in one database, other programs.
const mergeLock = `hashtextextended(format('esmon merge %s %s %s', current_schema(), $1::integer, $2::bigint), 0)`

// The commit of a merge waits until what was written before is on the disk, too:
// until then nothing need wait. The tables have no statistics, so that the server
// would take a search for more than it is.
const (
	mergeSettings = "SET synchronous_commit = off; SET enable_seqscan = off; SET jit = off; SET max_parallel_workers_per_gather = 0"
	mergeReset    = "RESET synchronous_commit; RESET enable_seqscan; RESET jit; RESET max_parallel_workers_per_gather; SELECT pg_advisory_unlock_all()"
)

var errMerging = errors.New("another merge of it is under way")

// BeginMerge implements tsdb.Store. The merge takes a connection to itself; when
// ctx ends, it loses that.
func (c *Chunks) BeginMerge(ctx context.Context, partition int, block int64) (tsdb.Merge, error) {
	conn, err := c.db.pool.Acquire(ctx)
	if err != nil {
		return nil, mergeError(err, "begin the merge of", partition, block)
	}
	m := &merge{chunks: c, conn: conn, target: table{partition: partition, block: block, merged: true}}
	if err := m.begin(ctx); err != nil {
		m.end()
		return nil, mergeError(err, "begin the merge of", partition, block)
	}
	m.unbind = context.AfterFunc(ctx, m.end)
	return m, nil
}

func (m *merge) begin(ctx context.Context) error {
	if _, err := m.conn.Exec(ctx, mergeSettings); err != nil {
		return err
	}
	var alone bool
	t := &m.target
	if err := m.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock("+mergeLock+")", t.partition, t.block).Scan(&alone); err != nil {
		return err
	}
	if !alone {
		return errMerging
	}
	return within(ctx, m.conn, durable, func(tx pgx.Tx) error {
		// The block first, as everyone does.
		n, err := changed(ctx, tx, "UPDATE tsdb_blocks SET small = 0 WHERE partition = $1 AND block = $2", t.partition, t.block)
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("there is no such block")
		}
		blocks, err := readBlocks(ctx, tx, t.partition, t.block, t.block)
		if err != nil {
			return err
		}
		m.from = blocks[0]
		err = tx.QueryRow(ctx, "INSERT INTO tsdb_tables (partition, block, merged, unused) VALUES ($1, $2, true, true) RETURNING number", t.partition, t.block).Scan(&t.number)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE tsdb_blocks SET merging = $3 WHERE partition = $1 AND block = $2", t.partition, t.block, t.number); err != nil {
			return err
		}
		return t.create(ctx, tx)
	})
}

func mergeError(err error, what string, partition int, block int64) error {
	return chunksError(err, "%s block %d of partition %d", what, block, partition)
}

func (m *merge) error(err error, what string) error {
	return mergeError(err, what, m.target.partition, m.target.block)
}

// end gives the connection back, without the lock. One that does not answer is
// closed.
func (m *merge) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn == nil {
		return
	}
	if _, err := m.conn.Exec(context.Background(), mergeReset); err != nil {
		_ = m.conn.Conn().Close(context.Background()) // it is lost one way or the other
	}
	m.conn.Release()
	m.conn = nil
}

// use calls f with the merge's connection.
func (m *merge) use(f func(conn *pgxpool.Conn) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn == nil {
		return errors.New("it has ended")
	}
	return f(m.conn)
}

// Write implements tsdb.Merge.
func (m *merge) Write(ctx context.Context, chunks []tsdb.Chunk) error {
	err := m.use(func(conn *pgxpool.Conn) error {
		after := m.written
		ids := make([]int64, len(chunks))
		for i := range chunks {
			var err error
			if ids[i], err = after.add(&chunks[i]); err != nil {
				return err
			}
		}
		columns := []string{"id", "cut", "min_time", "max_time", "data"}
		err := within(ctx, conn, short, func(tx pgx.Tx) error {
			return copyChunks(ctx, tx, m.target.name(), columns, chunks, func(row []any, i int) []any {
				k := &chunks[i]
				return append(row, ids[i], k.Cut, k.MinT, k.MaxT, k.Data)
			})
		})
		if err == nil {
			m.written = after
		}
		return err
	})
	return m.error(err, "write merged chunks of")
}

// add counts a chunk and returns its id.
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
	t := &m.target
	err := m.use(func(conn *pgxpool.Conn) error {
		return within(ctx, conn, durable, func(tx pgx.Tx) error {
			n, err := changed(ctx, tx, `UPDATE tsdb_blocks SET merged = $3, merging = 0, merged_chunks = $4, merged_bytes = $5
				WHERE partition = $1 AND block = $2 AND merging = $3 AND merged = $6`, t.partition, t.block, t.number, m.written.chunks, m.written.bytes, m.from.merged)
			if err == nil && n > 0 {
				n, err = changed(ctx, tx, "UPDATE tsdb_tables SET unused = false WHERE number = $1 AND unused AND retired IS NULL", t.number)
			}
			if err != nil {
				return err
			}
			if n == 0 {
				return errors.New("it was dropped, or another merge of it has begun")
			}
			smalls := m.from.smalls()
			if _, err := tx.Exec(ctx, "DELETE FROM tsdb_cuts WHERE partition = $1 AND block = $2 AND small = ANY($3)", t.partition, t.block, smalls); err != nil {
				return err
			}
			// What nothing refers to any more, to be dropped when the queries that may
			// read it are over.
			_, err = tx.Exec(ctx, "UPDATE tsdb_tables SET retired = clock_timestamp() WHERE number = ANY($1)", append(smalls, m.from.merged))
			return err
		})
	})
	if err == nil {
		m.unbind()
		m.end()
	}
	return m.error(err, "commit the merge of")
}

// Abort implements tsdb.Merge. After a commit it changes nothing, whether or not
// that was reported to have succeeded. It does not need the merge's connection:
// losing that may be why it is called.
func (m *merge) Abort(ctx context.Context) error {
	m.unbind()
	m.end()
	t := &m.target
	err := within(ctx, m.chunks.db.pool, short, func(tx pgx.Tx) error { return retireUnused(ctx, tx, t.number) })
	if err == nil {
		unused, listed := readTables(ctx, m.chunks.db.pool, "number = $1 AND retired = '-infinity'", t.number)
		if err = listed; err == nil && len(unused) > 0 {
			err = m.chunks.drop(ctx, t)
		}
	}
	return m.error(err, "abort the merge of")
}
