package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// Load implements tsdb.Store.
func (c *Chunks) Load(ctx context.Context) (*tsdb.State, error) {
	state := &tsdb.State{}
	err := within(ctx, c.db.pool, reading, func(tx pgx.Tx) error {
		for _, load := range []func(context.Context, pgx.Tx, *tsdb.State) error{loadPartitions, loadSchemas, loadEntities, loadPairs} {
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

func loadPartitions(ctx context.Context, tx pgx.Tx, state *tsdb.State) error {
	err := each(ctx, tx, `SELECT p.partition, log_id, next_offset, p.cut, coalesce(l.id, 0), max_time
		FROM tsdb_partitions p LEFT JOIN tsdb_lineage l ON l.partition = p.partition AND l.cut = p.cut ORDER BY p.partition`, func(rows pgx.Rows) error {
		var p tsdb.PartitionState
		err := rows.Scan(&p.Partition, &p.Position.LogID, &p.Position.Offset, &p.Position.Cut, &p.Position.ID, &p.MaxTime)
		state.Partitions = append(state.Partitions, p)
		return err
	})
	if err != nil {
		return fmt.Errorf("read positions: %w", err)
	}
	return nil
}

// loadAtOnce is how many rows one statement reads. Each has its time limit, and
// all definitions of a large fleet may take longer than that.
const loadAtOnce = 20_000

// eachDefinition calls f with every definition in the table.
func eachDefinition(ctx context.Context, tx pgx.Tx, table string, f func(id metric.ID, definition []byte, seen int64) error) error {
	query := "SELECT id, definition, seen FROM " + table + " WHERE id > $1 ORDER BY id LIMIT $2"
	last := []byte{} // is before all others
	for n := loadAtOnce; n == loadAtOnce; {
		n = 0
		err := each(ctx, tx, query, func(rows pgx.Rows) error {
			var definition []byte
			var seen int64
			if err := rows.Scan(&last, &definition, &seen); err != nil {
				return err
			}
			n++
			var id metric.ID
			copy(id[:], last)
			return f(id, definition, seen)
		}, last, loadAtOnce)
		if err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
	}
	return nil
}

func loadSchemas(ctx context.Context, tx pgx.Tx, state *tsdb.State) error {
	return eachDefinition(ctx, tx, "tsdb_schemas", func(id metric.ID, definition []byte, seen int64) error {
		s, _, err := metric.DecodeSchema(definition)
		if err != nil {
			return fmt.Errorf("schema %s: %w", id, err)
		}
		state.Schemas = append(state.Schemas, tsdb.SchemaDef{ID: id, Schema: s, Seen: seen})
		return nil
	})
}

func loadEntities(ctx context.Context, tx pgx.Tx, state *tsdb.State) error {
	return eachDefinition(ctx, tx, "tsdb_entities", func(id metric.ID, definition []byte, seen int64) error {
		e, _, err := metric.DecodeEntity(definition)
		if err != nil {
			return fmt.Errorf("entity %s: %w", id, err)
		}
		state.Entities = append(state.Entities, tsdb.EntityDef{ID: id, Entity: e, Seen: seen})
		return nil
	})
}

func loadPairs(ctx context.Context, tx pgx.Tx, state *tsdb.State) error {
	last := tsdb.PairDef{Partition: -1}
	for n := loadAtOnce; n == loadAtOnce; {
		n = 0
		err := each(ctx, tx, `SELECT partition, id, entity, schema, first_time, last_time, present FROM tsdb_pairs
			WHERE (partition, id) > ($1, $2) ORDER BY partition, id LIMIT $3`, func(rows pgx.Rows) error {
			last = tsdb.PairDef{}
			err := scanPair(rows, &last)
			state.Pairs = append(state.Pairs, last)
			n++
			return err
		}, last.Partition, last.ID, loadAtOnce)
		if err != nil {
			return fmt.Errorf("read pairs: %w", err)
		}
	}
	return nil
}

// scanPair reads a pair from a row, in which other columns may come first.
func scanPair(rows pgx.Rows, p *tsdb.PairDef, before ...any) error {
	var entity, schema, present []byte
	err := rows.Scan(append(before, &p.Partition, &p.ID, &entity, &schema, &p.First, &p.Last, &present)...)
	copy(p.Entity[:], entity)
	copy(p.Schema[:], schema)
	p.Present = decodeWords(present)
	return err
}

// Progress implements tsdb.Store. It is one statement: that is one snapshot, and
// one round trip.
func (c *Chunks) Progress(ctx context.Context, partition int, held []tsdb.Position, above int64) (*tsdb.Progress, error) {
	progress := tsdb.Progress{Held: true} // if there is nothing, zero positions are right
	cuts, ids := make([]int64, 0, len(held)), make([]int64, 0, len(held))
	for _, at := range held {
		if at != (tsdb.Position{}) {
			cuts, ids, progress.Held = append(cuts, at.Cut), append(ids, at.ID), false
		}
	}
	err := each(ctx, c.db.pool, `SELECT p.log_id, p.next_offset, p.cut, coalesce(l.id, 0), p.max_time, NOT EXISTS (
			SELECT FROM unnest($3::bigint[], $4::bigint[]) AS h (cut, id)
			LEFT JOIN tsdb_lineage g ON g.partition = p.partition AND g.cut = h.cut
			WHERE h.cut > p.cut OR coalesce(g.id, 0) <> h.id),
			p.partition, coalesce(q.id, 0), q.entity, q.schema, coalesce(q.first_time, 0), coalesce(q.last_time, 0), q.present
		FROM tsdb_partitions p LEFT JOIN tsdb_lineage l ON l.partition = p.partition AND l.cut = p.cut
		LEFT JOIN tsdb_pairs q ON q.partition = p.partition AND q.id > $2
		WHERE p.partition = $1 ORDER BY q.id`, func(rows pgx.Rows) error {
		var q tsdb.PairDef
		at := &progress.Position
		err := scanPair(rows, &q, &at.LogID, &at.Offset, &at.Cut, &at.ID, &progress.MaxTime, &progress.Held)
		progress.Partition = q.Partition
		if q.ID > 0 { // else there is none
			progress.Pairs = append(progress.Pairs, q)
		}
		return err
	}, partition, above, cuts, ids)
	if err != nil {
		return nil, chunksError(err, "read how far partition %d is stored", partition)
	}
	return &progress, nil
}
