package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A table of chunks goes through these states, each change of which locks its row
// in tsdb_tables: made and unused; used, from the commit that fills it or puts it
// in the place of others; retired; gone. One that was never used may be retired at
// once. Whoever comes second finds the row changed and does nothing.

func tableName(merged bool, partition int, block, number int64) string {
	kind := "small"
	if merged {
		kind = "merged"
	}
	return fmt.Sprintf("chunks_%s_%d_%d_%d", kind, partition, block, number)
}

// table is a row of tsdb_tables.
type table struct {
	number    int64
	partition int
	block     int64
	merged    bool
}

func (t *table) name() string { return tableName(t.merged, t.partition, t.block, t.number) }

// quoted makes a table's name part of a statement: a block before 1970 brings a
// minus sign in.
func quoted(table string) string { return pgx.Identifier{table}.Sanitize() }

const (
	smallColumns = `
	id   bigint NOT NULL,
	data bytea  NOT NULL`
	mergedColumns = `
	id       bigint NOT NULL,
	cut      bigint NOT NULL,
	min_time bigint NOT NULL,
	max_time bigint NOT NULL,
	data     bytea  NOT NULL`
)

// create makes the table. Chunks are compressed already, so that the server need
// not try. The tables only ever grow until they are dropped: there is nothing to
// vacuum, except that the server does it all the same, once, when one gets very
// old. Keys come in their order and fill their pages.
func (t *table) create(ctx context.Context, tx pgx.Tx) error {
	columns := smallColumns
	if t.merged {
		columns = mergedColumns
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE %[1]s (%[2]s, PRIMARY KEY (id) WITH (fillfactor = 100))
			WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
		ALTER TABLE %[1]s ALTER COLUMN data SET STORAGE EXTERNAL`, quoted(t.name()), columns))
	return err
}

// makeSmall makes tables for the next cuts of the blocks, where none waits for
// them already.
func (c *Chunks) makeSmall(ctx context.Context, partition int, blocks []int64) error {
	for _, block := range blocks {
		err := within(ctx, c.db.pool, durable, func(tx pgx.Tx) error {
			t := table{partition: partition, block: block}
			err := tx.QueryRow(ctx, `INSERT INTO tsdb_tables (partition, block, merged, unused) VALUES ($1, $2, false, true)
				ON CONFLICT (partition, block) WHERE unused AND NOT merged AND retired IS NULL DO NOTHING RETURNING number`, partition, block).Scan(&t.number)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil // another made it
			}
			if err != nil {
				return err
			}
			return t.create(ctx, tx)
		})
		if err != nil {
			return fmt.Errorf("make a table for block %d: %w", block, err)
		}
	}
	return nil
}

// useSmall takes the table that waits for the next cut of a block. It returns 0 if
// there is none.
func useSmall(ctx context.Context, tx pgx.Tx, partition int, block int64) (number int64, err error) {
	err = tx.QueryRow(ctx, "UPDATE tsdb_tables SET unused = false WHERE partition = $1 AND block = $2 AND unused AND NOT merged AND retired IS NULL RETURNING number",
		partition, block).Scan(&number)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return number, err
}

// readTables returns those that the condition holds for, by number.
func readTables(ctx context.Context, q querier, where string, args ...any) ([]table, error) {
	var list []table
	err := each(ctx, q, "SELECT number, partition, block, merged FROM tsdb_tables WHERE "+where+" ORDER BY number", func(rows pgx.Rows) error {
		var t table
		err := rows.Scan(&t.number, &t.partition, &t.block, &t.merged)
		list = append(list, t)
		return err
	}, args...)
	return list, err
}

// dropWait is how long dropping a table waits for those who read it, and those
// who want to read it wait behind: not for long. There will be another time.
const dropWait = 10 * time.Millisecond

// drop removes a retired table, unless it is read or somebody else does. That a
// crash may undo it costs only that it is done again.
func (c *Chunks) drop(ctx context.Context, t *table) error {
	err := within(ctx, c.db.pool, short, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", dropWait.Milliseconds())); err != nil {
			return err
		}
		n, err := changed(ctx, tx, "DELETE FROM tsdb_tables WHERE number = $1 AND retired IS NOT NULL", t.number)
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.Exec(ctx, "DROP TABLE IF EXISTS "+quoted(t.name()))
		return err
	})
	if hasCode(err, "55P03") { // lock_not_available
		return nil
	}
	if err != nil {
		return fmt.Errorf("drop table %s: %w", t.name(), err)
	}
	return nil
}
