package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// Drop implements tsdb.Store. Every block goes in a transaction of its own, so
// that cuts get their turn and little space is needed at a time; after an error
// those returned are gone. Readers keep what they see: SQLite's snapshots outlive
// the tables.
func (c *Chunks) Drop(ctx context.Context, before int64) ([]tsdb.BlockInfo, error) {
	var blocks, dropped []tsdb.BlockInfo
	err := c.read(ctx, func(tx *sql.Tx) error {
		list, err := readBlocks(ctx, tx, "WHERE block < ?", before)
		for i := range list {
			blocks = append(blocks, list[i].info())
		}
		return err
	})
	for _, b := range blocks {
		if err == nil {
			err = c.db.withBallast(func() error { return c.dropBlock(ctx, &b) })
		}
		if err == nil {
			dropped = append(dropped, b)
		}
	}
	return dropped, chunksError(err, "drop the blocks before %s", time.UnixMilli(before).UTC().Format(time.RFC3339))
}

// dropBlock drops the block with everything that cuts and merges left of it.
// What is stored of it meanwhile goes with it, and b tells.
func (c *Chunks) dropBlock(ctx context.Context, b *tsdb.BlockInfo) error {
	return c.db.Write(ctx, func(tx *sql.Tx) error {
		now, err := readBlocks(ctx, tx, "WHERE partition = ? AND block = ?", b.Partition, b.Start)
		if err != nil {
			return err
		}
		for i := range now {
			*b = now[i].info()
		}
		names, err := names(ctx, tx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND (name GLOB ? OR name GLOB ?)",
			fmt.Sprintf("chunks_small_%d_%d_*", b.Partition, b.Start), fmt.Sprintf("chunks_merged_%d_%d_*", b.Partition, b.Start))
		if err != nil {
			return err
		}
		if err := dropTables(ctx, tx, names); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM tsdb_cuts WHERE partition = ? AND block = ?", b.Partition, b.Start)
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM tsdb_blocks WHERE partition = ? AND block = ?", b.Partition, b.Start)
		}
		return err
	})
}

// names returns the names that a query finds.
func names(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]string, error) {
	var list []string
	err := each(ctx, tx, query, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		list = append(list, name)
		return err
	}, args...)
	return list, err
}

// dropTables drops tables of chunks, which may be retired.
func dropTables(ctx context.Context, tx *sql.Tx, names []string) error {
	for _, name := range names {
		if _, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS "+quoted(name)); err != nil {
			return fmt.Errorf("drop table %s: %w", name, err)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM tsdb_retired WHERE name = ?", name); err != nil {
			return fmt.Errorf("drop table %s: %w", name, err)
		}
	}
	return nil
}

// Sweep implements tsdb.Store.
func (c *Chunks) Sweep(ctx context.Context, before time.Time) error {
	var retired []string
	err := c.read(ctx, func(tx *sql.Tx) (err error) {
		retired, err = names(ctx, tx, "SELECT name FROM tsdb_retired WHERE since < ?", before.UnixMilli())
		return err
	})
	for i := range retired {
		if err == nil {
			err = c.db.withBallast(func() error {
				return c.db.Write(ctx, func(tx *sql.Tx) error {
					still, err := names(ctx, tx, "SELECT name FROM tsdb_retired WHERE name = ?", retired[i])
					if err != nil {
						return err
					}
					return dropTables(ctx, tx, still)
				})
			})
		}
	}
	return chunksError(err, "drop what merges replaced")
}

// Forget implements tsdb.Store.
func (c *Chunks) Forget(ctx context.Context, f *tsdb.Forget) error {
	err := c.db.Write(ctx, func(tx *sql.Tx) error {
		err := execEach(ctx, tx, "DELETE FROM tsdb_pairs WHERE partition = ? AND id = ? AND last_time <= ?", len(f.Pairs), func(i int) []any {
			return []any{f.Pairs[i].Partition, f.Pairs[i].ID, f.Pairs[i].Last}
		})
		if err != nil {
			return fmt.Errorf("delete pairs: %w", err)
		}
		if err := forgetUnseen(ctx, tx, "tsdb_entities", f.Entities, f.Before); err != nil {
			return err
		}
		return forgetUnseen(ctx, tx, "tsdb_schemas", f.Schemas, f.Before)
	})
	return chunksError(err, "forget definitions")
}

func forgetUnseen(ctx context.Context, tx *sql.Tx, table string, ids []metric.ID, before int64) error {
	err := execEach(ctx, tx, "DELETE FROM "+table+" WHERE id = ? AND seen <= ?", len(ids), func(i int) []any {
		return []any{ids[i][:], before}
	})
	if err != nil {
		return fmt.Errorf("delete from %s: %w", table, err)
	}
	return nil
}

// reclaimPages is how many pages are given back in one step, between which cuts
// get their turn, and how many are kept: the next cut needs some at once.
const reclaimPages = 1000

// Reclaim implements tsdb.Store. When nothing is left to give back, the ballast
// is made again if it was needed.
func (c *Chunks) Reclaim(ctx context.Context) error {
	for last := int64(math.MaxInt64); ctx.Err() == nil; {
		free, err := c.reclaimStep(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // it ended as it should
			}
			return chunksError(err, "give free space back")
		}
		if free <= reclaimPages || free >= last {
			c.db.ballast.make(ctx)
			return nil
		}
		last = free
	}
	return nil
}

// reclaimStep gives some pages back and returns how many were free before.
func (c *Chunks) reclaimStep(ctx context.Context) (free int64, err error) {
	if err := c.db.reader.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil {
		return 0, fmt.Errorf("count free pages: %w", err)
	}
	if free <= reclaimPages {
		return free, nil
	}
	return free, c.db.withBallast(func() error { return c.db.Vacuum(ctx, reclaimPages) })
}
