//go:build server

package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// Load implements tsdb.Store.
func (c *Chunks) Load(ctx context.Context) (*tsdb.State, error) {
	tx, err := c.db.reader.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("load definitions and positions: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only reads
	state := &tsdb.State{}
	for _, load := range []func(context.Context, *sql.Tx, *tsdb.State) error{loadPartitions, loadSchemas, loadEntities, loadPairs} {
		if err := load(ctx, tx, state); err != nil {
			return nil, err
		}
	}
	return state, nil
}

func loadPartitions(ctx context.Context, tx *sql.Tx, state *tsdb.State) error {
	return each(ctx, tx, "SELECT partition, log_id, next_offset, cut, max_time FROM tsdb_partitions ORDER BY partition", func(rows *sql.Rows) error {
		var p tsdb.PartitionState
		if err := rows.Scan(&p.Partition, &p.Position.LogID, &p.Position.Offset, &p.Position.Cut, &p.MaxTime); err != nil {
			return err
		}
		state.Partitions = append(state.Partitions, p)
		return nil
	})
}

func loadSchemas(ctx context.Context, tx *sql.Tx, state *tsdb.State) error {
	return each(ctx, tx, "SELECT id, definition, seen FROM tsdb_schemas", func(rows *sql.Rows) error {
		var id, definition sql.RawBytes
		var d tsdb.SchemaDef
		if err := rows.Scan(&id, &definition, &d.Seen); err != nil {
			return err
		}
		copy(d.ID[:], id)
		var err error
		if d.Schema, _, err = metric.DecodeSchema(definition); err != nil {
			return fmt.Errorf("schema %s: %w", d.ID, err)
		}
		state.Schemas = append(state.Schemas, d)
		return nil
	})
}

func loadEntities(ctx context.Context, tx *sql.Tx, state *tsdb.State) error {
	return each(ctx, tx, "SELECT id, definition, seen FROM tsdb_entities", func(rows *sql.Rows) error {
		var id, definition sql.RawBytes
		var d tsdb.EntityDef
		if err := rows.Scan(&id, &definition, &d.Seen); err != nil {
			return err
		}
		copy(d.ID[:], id)
		var err error
		if d.Entity, _, err = metric.DecodeEntity(definition); err != nil {
			return fmt.Errorf("entity %s: %w", d.ID, err)
		}
		state.Entities = append(state.Entities, d)
		return nil
	})
}

func loadPairs(ctx context.Context, tx *sql.Tx, state *tsdb.State) error {
	return each(ctx, tx, "SELECT partition, id, entity, schema, first_time, last_time, present FROM tsdb_pairs ORDER BY partition, id", func(rows *sql.Rows) error {
		var p tsdb.PairDef
		var entity, schema, present sql.RawBytes
		if err := rows.Scan(&p.Partition, &p.ID, &entity, &schema, &p.First, &p.Last, &present); err != nil {
			return err
		}
		copy(p.Entity[:], entity)
		copy(p.Schema[:], schema)
		p.Present = decodeWords(present)
		state.Pairs = append(state.Pairs, p)
		return nil
	})
}

// each calls f for every row of the query.
func each(ctx context.Context, tx *sql.Tx, query string, f func(*sql.Rows) error, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close() //nolint:errcheck // Err is checked
	for rows.Next() {
		if err := f(rows); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}
