package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// attempts is how often a commit is begun. The first finds that a block has no
// table for it, the next that others used up or dropped what was made: no cut gets
// that far.
const attempts = 5

// needsTables is why a commit was begun in vain: these blocks have no table that
// the cut could go to.
type needsTables []int64

func (n needsTables) Error() string {
	return fmt.Sprintf("blocks %v have no table for cuts", []int64(n))
}

// Commit implements tsdb.Store.
func (c *Chunks) Commit(ctx context.Context, cut *tsdb.Cut) error {
	err := c.commit(ctx, cut)
	for range attempts - 1 {
		blocks, ok := errors.AsType[needsTables](err)
		if !ok {
			break
		}
		if err = c.makeSmall(ctx, cut.Partition, blocks); err == nil {
			err = c.commit(ctx, cut)
		}
	}
	return chunksError(err, "commit cut %d of partition %d", cut.To.Cut, cut.Partition)
}

// commit stores everything in one transaction. Rows that cuts of other partitions
// may store, too, come last, ordered, and in one order everywhere: so commits never
// wait for each other in a circle, and not for long.
func (c *Chunks) commit(ctx context.Context, cut *tsdb.Cut) error {
	return within(ctx, c.db.pool, durable, func(tx pgx.Tx) error {
		for _, store := range []func(context.Context, pgx.Tx, *tsdb.Cut) error{movePosition, checkRequired, extendLineage, storeChunks, storePairs, storeRejected, storeSchemas, storeEntities} {
			if err := store(ctx, tx, cut); err != nil {
				return err
			}
		}
		return nil
	})
}

// movePosition is the fence: it changes exactly one row or fails.
func movePosition(ctx context.Context, tx pgx.Tx, cut *tsdb.Cut) error {
	maxTime := int64(math.MinInt64)
	for _, b := range cut.Blocks {
		maxTime = max(maxTime, b.MaxT)
	}
	var n int64
	var err error
	if cut.From == (tsdb.Position{}) {
		n, err = changed(ctx, tx, "INSERT INTO tsdb_partitions (partition, log_id, next_offset, cut, max_time) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
			cut.Partition, cut.To.LogID, cut.To.Offset, cut.To.Cut, maxTime)
	} else {
		n, err = changed(ctx, tx, `UPDATE tsdb_partitions SET log_id = $2, next_offset = $3, cut = $4, max_time = greatest(max_time, $5)
			WHERE partition = $1 AND log_id = $6 AND next_offset = $7 AND cut = $8
			AND coalesce((SELECT l.id FROM tsdb_lineage l WHERE l.partition = $1 AND l.cut = $8), 0) = $9`,
			cut.Partition, cut.To.LogID, cut.To.Offset, cut.To.Cut, maxTime, cut.From.LogID, cut.From.Offset, cut.From.Cut, cut.From.ID)
	}
	if err != nil {
		return fmt.Errorf("move the position: %w", err)
	}
	if n == 0 {
		return tsdb.ErrConflict
	}
	return nil
}

// rowsAtOnce is how many definitions or pairs one statement stores.
const rowsAtOnce = 5000

func storePairs(ctx context.Context, tx pgx.Tx, cut *tsdb.Cut) error {
	pairs, err := pairRows(cut.Pairs)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(pairs, rowsAtOnce) {
		n := len(some)
		ids, first, last := make([]int64, n), make([]int64, n), make([]int64, n)
		entities, schemas, present := make([][]byte, n), make([][]byte, n), make([][]byte, n)
		for i, p := range some {
			ids[i], first[i], last[i] = p.ID, p.First, p.Last
			entities[i], schemas[i], present[i] = p.Entity[:], p.Schema[:], encodeWords(p.Present)
		}
		_, err := tx.Exec(ctx, `INSERT INTO tsdb_pairs (partition, id, entity, schema, first_time, last_time, present)
			SELECT $1, * FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bytea[])
			ON CONFLICT (partition, id) DO UPDATE SET first_time = excluded.first_time, last_time = excluded.last_time, present = excluded.present`,
			cut.Partition, ids, entities, schemas, first, last, present)
		if err != nil {
			return fmt.Errorf("store pairs: %w", err)
		}
	}
	return nil
}

// pairRows returns the pairs by id, each once: of two that are the same, the last.
func pairRows(pairs []tsdb.PairDef) ([]*tsdb.PairDef, error) {
	rows := make([]*tsdb.PairDef, 0, len(pairs))
	for i := range pairs {
		if err := checkPair(pairs[i].ID); err != nil {
			return nil, err
		}
		rows = append(rows, &pairs[len(pairs)-1-i])
	}
	slices.SortStableFunc(rows, func(a, b *tsdb.PairDef) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(rows, func(a, b *tsdb.PairDef) bool { return a.ID == b.ID }), nil
}

func storeSchemas(ctx context.Context, tx pgx.Tx, cut *tsdb.Cut) error {
	return storeDefinitions(ctx, tx, "tsdb_schemas", cut.Schemas, func(d *tsdb.SchemaDef) definition {
		return definition{d.ID, metric.AppendSchema(nil, d.Schema), d.Seen}
	})
}

func storeEntities(ctx context.Context, tx pgx.Tx, cut *tsdb.Cut) error {
	return storeDefinitions(ctx, tx, "tsdb_entities", cut.Entities, func(d *tsdb.EntityDef) definition {
		return definition{d.ID, metric.AppendEntity(nil, d.Entity), d.Seen}
	})
}

// definition is a schema or an entity as a row. It never changes under its id,
// which is its hash.
type definition struct {
	id   metric.ID
	data []byte
	seen int64
}

func storeDefinitions[D any](ctx context.Context, tx pgx.Tx, table string, list []D, row func(*D) definition) error {
	rows := make([]definition, 0, len(list))
	for i := range list {
		rows = append(rows, row(&list[i]))
	}
	slices.SortFunc(rows, func(a, b definition) int {
		return cmp.Or(bytes.Compare(a.id[:], b.id[:]), cmp.Compare(b.seen, a.seen))
	})
	rows = slices.CompactFunc(rows, func(a, b definition) bool { return a.id == b.id })
	for some := range slices.Chunk(rows, rowsAtOnce) {
		ids, data, seen := make([][]byte, len(some)), make([][]byte, len(some)), make([]int64, len(some))
		for i := range some {
			ids[i], data[i], seen[i] = some[i].id[:], some[i].data, some[i].seen
		}
		_, err := tx.Exec(ctx, "INSERT INTO "+table+` AS d (id, definition, seen) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[])
			ON CONFLICT (id) DO UPDATE SET seen = excluded.seen WHERE d.seen < excluded.seen`, ids, data, seen)
		if err != nil {
			return fmt.Errorf("store in %s: %w", table, err)
		}
	}
	return nil
}
