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
	state := &tsdb.State{}
	err := c.read(ctx, func(tx *sql.Tx) error {
		for _, load := range []func(context.Context, *sql.Tx, *tsdb.State) error{loadPartitions, loadSchemas, loadEntities, loadPairs} {
			if err := load(ctx, tx, state); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, chunksError(err, "load definitions and positions")
	}
	return state, nil
}

func loadPartitions(ctx context.Context, tx *sql.Tx, state *tsdb.State) (err error) {
	state.Partitions, err = readPartitions(ctx, tx, "")
	return err
}

// readPartitions returns the positions, by partition. where narrows them down.
func readPartitions(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]tsdb.PartitionState, error) {
	var list []tsdb.PartitionState
	err := each(ctx, tx, `SELECT p.partition, log_id, next_offset, p.cut, coalesce(id, 0), max_time
		FROM tsdb_partitions p LEFT JOIN tsdb_lineage l ON l.partition = p.partition AND l.cut = p.cut `+where+" ORDER BY p.partition", func(rows *sql.Rows) error {
		var p tsdb.PartitionState
		if err := rows.Scan(&p.Partition, &p.Position.LogID, &p.Position.Offset, &p.Position.Cut, &p.Position.ID, &p.MaxTime); err != nil {
			return fmt.Errorf("read a position: %w", err)
		}
		list = append(list, p)
		return nil
	}, args...)
	return list, err
}

func loadSchemas(ctx context.Context, tx *sql.Tx, state *tsdb.State) error {
	return each(ctx, tx, "SELECT id, definition, seen FROM tsdb_schemas", func(rows *sql.Rows) error {
		var id, definition sql.RawBytes
		var d tsdb.SchemaDef
		if err := rows.Scan(&id, &definition, &d.Seen); err != nil {
			return fmt.Errorf("read a schema: %w", err)
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
			return fmt.Errorf("read an entity: %w", err)
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

func loadPairs(ctx context.Context, tx *sql.Tx, state *tsdb.State) (err error) {
	state.Pairs, err = readPairs(ctx, tx, "")
	return err
}

// readPairs returns the pairs, by partition and id. where narrows them down by
// these two.
func readPairs(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]tsdb.PairDef, error) {
	var list []tsdb.PairDef
	err := each(ctx, tx, "SELECT partition, id, entity, schema, first_time, last_time, present FROM tsdb_pairs "+where+" ORDER BY partition, id", func(rows *sql.Rows) error {
		var p tsdb.PairDef
		var entity, schema, present sql.RawBytes
		if err := rows.Scan(&p.Partition, &p.ID, &entity, &schema, &p.First, &p.Last, &present); err != nil {
			return fmt.Errorf("read a pair: %w", err)
		}
		copy(p.Entity[:], entity)
		copy(p.Schema[:], schema)
		p.Present = decodeWords(present)
		list = append(list, p)
		return nil
	}, args...)
	return list, err
}

// Progress implements tsdb.Store.
func (c *Chunks) Progress(ctx context.Context, partition int, held []tsdb.Position, above int64) (*tsdb.Progress, error) {
	var progress tsdb.Progress
	err := c.read(ctx, func(tx *sql.Tx) error {
		var err error
		if progress.Held, err = holds(ctx, tx, partition, held...); err != nil {
			return err
		}
		found, err := readPartitions(ctx, tx, "WHERE p.partition = ?", partition)
		if err != nil || len(found) == 0 {
			return err
		}
		progress.PartitionState = found[0]
		progress.Pairs, err = readPairs(ctx, tx, "WHERE partition = ? AND id > ?", partition, above)
		return err
	})
	if err != nil {
		return nil, chunksError(err, "read how far partition %d is stored", partition)
	}
	return &progress, nil
}
