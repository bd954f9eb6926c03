//go:build server

package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// Blocks implements tsdb.Store.
func (c *Chunks) Blocks(ctx context.Context) ([]tsdb.BlockInfo, error) {
	tx, err := c.db.reader.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("list blocks: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only reads
	return blocksIn(ctx, tx)
}

func blocksIn(ctx context.Context, tx *sql.Tx) ([]tsdb.BlockInfo, error) {
	blocks, err := readBlocks(ctx, tx)
	if err != nil {
		return nil, err
	}
	infos := make([]tsdb.BlockInfo, len(blocks))
	for i := range blocks {
		b := &blocks[i]
		infos[i] = tsdb.BlockInfo{
			Partition: b.partition, Start: b.block, Cuts: len(b.cuts), Merged: b.merged > 0,
			Chunks: b.mergedChunks + b.cutChunks, Bytes: b.mergedBytes,
		}
		for _, k := range b.cuts {
			infos[i].Bytes += k.bytes
		}
	}
	return infos, nil
}

// Drop implements tsdb.Store. Readers keep what they see: SQLite's snapshots
// outlive the tables.
func (c *Chunks) Drop(ctx context.Context, before int64) (dropped []tsdb.BlockInfo, err error) {
	err = c.db.Write(ctx, func(tx *sql.Tx) error {
		all, err := blocksIn(ctx, tx)
		if err != nil {
			return err
		}
		dropped = nil
		for _, b := range all {
			if b.Start >= before {
				continue
			}
			if err := dropTables(ctx, tx, fmt.Sprintf("chunks_%%_%d_%d_%%", b.Partition, b.Start)); err != nil {
				return err
			}
			dropped = append(dropped, b)
		}
		for _, table := range []string{"tsdb_blocks", "tsdb_cuts"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE block < ?", before); err != nil {
				return err
			}
		}
		return nil
	})
	return dropped, chunksError(err, "drop blocks before %s", time.UnixMilli(before).UTC().Format(time.RFC3339))
}

// dropTables drops the tables whose names are like the pattern, in which an
// underscore stands for itself.
func dropTables(ctx context.Context, tx *sql.Tx, pattern string) error {
	var names []string
	err := each(ctx, tx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB replace(?, '%', '*')", func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, pattern)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := tx.ExecContext(ctx, `DROP TABLE "`+name+`"`); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM tsdb_retired WHERE name = ?", `"`+name+`"`); err != nil {
			return err
		}
	}
	return nil
}

// Sweep implements tsdb.Store.
func (c *Chunks) Sweep(ctx context.Context, before time.Time) error {
	err := c.db.Write(ctx, func(tx *sql.Tx) error {
		var names []string
		err := each(ctx, tx, "SELECT name FROM tsdb_retired WHERE since < ?", func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			names = append(names, name)
			return err
		}, before.UnixMilli())
		if err != nil {
			return err
		}
		for _, name := range names {
			if _, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS "+name); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM tsdb_retired WHERE since < ?", before.UnixMilli())
		return err
	})
	return chunksError(err, "drop what merges replaced")
}

// Forget implements tsdb.Store.
func (c *Chunks) Forget(ctx context.Context, f *tsdb.Forget) error {
	err := c.db.Write(ctx, func(tx *sql.Tx) error {
		for i := range f.Pairs {
			if _, err := tx.ExecContext(ctx, "DELETE FROM tsdb_pairs WHERE partition = ? AND id = ?", f.Pairs[i].Partition, f.Pairs[i].ID); err != nil {
				return err
			}
		}
		for i := range f.Entities {
			if _, err := tx.ExecContext(ctx, "DELETE FROM tsdb_entities WHERE id = ? AND seen < ?", f.Entities[i][:], f.Before); err != nil {
				return err
			}
		}
		for i := range f.Schemas {
			if _, err := tx.ExecContext(ctx, "DELETE FROM tsdb_schemas WHERE id = ? AND seen < ?", f.Schemas[i][:], f.Before); err != nil {
				return err
			}
		}
		return nil
	})
	return chunksError(err, "forget definitions")
}

// reclaimPages is how many pages are given back in one step, between which cuts
// get their turn.
const reclaimPages = 1000

// Reclaim implements tsdb.Store.
func (c *Chunks) Reclaim(ctx context.Context) error {
	for ctx.Err() == nil {
		var free int64
		if err := c.db.reader.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil {
			return fmt.Errorf("count free pages: %w", err)
		}
		// Some free pages are kept: the next cut needs them at once.
		if free <= reclaimPages {
			return nil
		}
		if err := c.db.Vacuum(ctx, reclaimPages); err != nil {
			return err
		}
	}
	return nil
}
