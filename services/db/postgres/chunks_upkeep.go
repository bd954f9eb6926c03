package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// Drop implements tsdb.Store. It takes the blocks out of use, each in a
// transaction of its own; their tables go with a later Sweep, when the queries are
// over that read them. Until then their space is not free.
func (c *Chunks) Drop(ctx context.Context, before int64) ([]tsdb.BlockInfo, error) {
	var dropped []tsdb.BlockInfo
	blocks, err := readInfos(ctx, c.db.pool, "WHERE b.block < $1", before)
	for _, b := range blocks {
		if err == nil {
			err = c.dropBlock(ctx, &b)
		}
		if err == nil {
			dropped = append(dropped, b)
		}
	}
	if err == nil {
		// What was made for a cut that never came. No block is about to use it, or
		// that would be seen here.
		_, err = c.db.pool.Exec(ctx, "UPDATE tsdb_tables SET retired = '-infinity' WHERE block < $1 AND unused AND NOT merged AND retired IS NULL", before)
	}
	return dropped, chunksError(err, "drop the blocks before %s", time.UnixMilli(before).UTC().Format(time.RFC3339))
}

// dropBlock takes a block out of use with everything that cuts and merges left of
// it. What is stored of it meanwhile goes with it, and b tells.
func (c *Chunks) dropBlock(ctx context.Context, b *tsdb.BlockInfo) error {
	return within(ctx, c.db.pool, durable, func(tx pgx.Tx) error {
		// From here on cuts and merges of the block wait.
		if _, err := tx.Exec(ctx, "SELECT 1 FROM tsdb_blocks WHERE partition = $1 AND block = $2 FOR UPDATE", b.Partition, b.Start); err != nil {
			return err
		}
		now, err := readInfos(ctx, tx, "WHERE b.partition = $1 AND b.block = $2", b.Partition, b.Start)
		if err != nil {
			return err
		}
		if len(now) > 0 {
			*b = now[0]
		}
		for _, statement := range []string{
			"DELETE FROM tsdb_cuts WHERE partition = $1 AND block = $2",
			"DELETE FROM tsdb_blocks WHERE partition = $1 AND block = $2",
			"UPDATE tsdb_tables SET retired = clock_timestamp() WHERE partition = $1 AND block = $2 AND retired IS NULL",
		} {
			if _, err := tx.Exec(ctx, statement, b.Partition, b.Start); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sweep implements tsdb.Store. Since when a table is out of use is told by the
// database's clock, so that it does not matter whose clock says how long ago that
// must be. What is still read, by a backup perhaps, is left for another time.
func (c *Chunks) Sweep(ctx context.Context, before time.Time) error {
	err := c.retireOrphans(ctx)
	if err != nil {
		return chunksError(err, "find what merges left behind")
	}
	age := c.Now().Sub(before)
	retired, err := readTables(ctx, c.db.pool, "retired < clock_timestamp() - $1 * interval '1 microsecond'", age.Microseconds())
	for i := range retired {
		if err == nil {
			err = c.drop(ctx, &retired[i])
		}
	}
	return chunksError(err, "drop what is out of use")
}

// retireOrphans takes tables out of use that merges began to write and will not
// end, as the lock that a merge holds on its block tells.
func (c *Chunks) retireOrphans(ctx context.Context) error {
	orphans, err := readTables(ctx, c.db.pool, "merged AND unused AND retired IS NULL")
	for i := range orphans {
		if err != nil {
			return err
		}
		t := &orphans[i]
		err = within(ctx, c.db.pool, short, func(tx pgx.Tx) error {
			var alone bool
			if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock("+mergeLock+")", t.partition, t.block).Scan(&alone); err != nil || !alone {
				return err
			}
			return retireUnused(ctx, tx, t.number)
		})
	}
	return err
}

// retireUnused takes a table out of use that nobody ever read. If it is in use by
// now, it stays so.
func retireUnused(ctx context.Context, tx pgx.Tx, number int64) error {
	_, err := tx.Exec(ctx, "UPDATE tsdb_tables SET retired = '-infinity' WHERE number = $1 AND unused AND retired IS NULL", number)
	return err
}

// Forget implements tsdb.Store.
func (c *Chunks) Forget(ctx context.Context, f *tsdb.Forget) error {
	err := within(ctx, c.db.pool, durable, func(tx pgx.Tx) error {
		partitions, ids, last := make([]int, len(f.Pairs)), make([]int64, len(f.Pairs)), make([]int64, len(f.Pairs))
		for i := range f.Pairs {
			partitions[i], ids[i], last[i] = f.Pairs[i].Partition, f.Pairs[i].ID, f.Pairs[i].Last
		}
		_, err := tx.Exec(ctx, `DELETE FROM tsdb_pairs p USING unnest($1::integer[], $2::bigint[], $3::bigint[]) AS gone (partition, id, last)
			WHERE p.partition = gone.partition AND p.id = gone.id AND p.last_time <= gone.last`, partitions, ids, last)
		if err != nil {
			return fmt.Errorf("delete pairs: %w", err)
		}
		if err := forgetUnseen(ctx, tx, "tsdb_schemas", f.Schemas, f.Before); err != nil {
			return err
		}
		return forgetUnseen(ctx, tx, "tsdb_entities", f.Entities, f.Before)
	})
	return chunksError(err, "forget definitions")
}

// forgetUnseen locks the rows in the order in which commits do: see Chunks.commit.
func forgetUnseen(ctx context.Context, tx pgx.Tx, table string, ids []metric.ID, before int64) error {
	list := make([][]byte, len(ids))
	for i := range ids {
		list[i] = ids[i][:]
	}
	_, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE id IN (SELECT id FROM "+table+" WHERE id = ANY($1::bytea[]) AND seen <= $2 ORDER BY id FOR UPDATE)", list, before)
	if err != nil {
		return fmt.Errorf("delete from %s: %w", table, err)
	}
	return nil
}

// Reclaim implements tsdb.Store. There is nothing to do: the files of tables that
// are dropped go with them, and the server vacuums the others.
func (c *Chunks) Reclaim(context.Context) error { return nil }
