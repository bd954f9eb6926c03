package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/tsdb"
)

// A cut without a row in tsdb_lineage has the ID 0: it is older than the table, or
// was made without one.

// extendLineage makes the new cut the last of its partition's lineage.
func extendLineage(ctx context.Context, tx pgx.Tx, cut *tsdb.Cut) error {
	_, err := tx.Exec(ctx, "DELETE FROM tsdb_lineage WHERE partition = $1 AND (cut <= $2 OR cut >= $3)",
		cut.Partition, cut.To.Cut-tsdb.LineageLength, cut.To.Cut)
	if err == nil && cut.To.ID != 0 {
		_, err = tx.Exec(ctx, "INSERT INTO tsdb_lineage (partition, cut, id) VALUES ($1, $2, $3)", cut.Partition, cut.To.Cut, cut.To.ID)
	}
	if err != nil {
		return fmt.Errorf("note the cut's ID: %w", err)
	}
	return nil
}

// checkRequired refuses a cut that refers to what was lost with others. What it
// finds was committed before, so a standby that has this cut has that, too.
func checkRequired(ctx context.Context, tx pgx.Tx, cut *tsdb.Cut) error {
	n := len(cut.Requires)
	if n == 0 {
		return nil
	}
	partitions, cuts, ids := make([]int, 0, n), make([]int64, 0, n), make([]int64, 0, n)
	for partition, at := range cut.Requires {
		partitions, cuts, ids = append(partitions, partition), append(cuts, at.Cut), append(ids, at.ID)
	}
	var partition int
	var number int64
	err := tx.QueryRow(ctx, `SELECT r.partition, r.cut FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS r (partition, cut, id)
		LEFT JOIN tsdb_partitions p ON p.partition = r.partition
		LEFT JOIN tsdb_lineage l ON l.partition = r.partition AND l.cut = r.cut
		WHERE p.cut IS NULL OR p.cut < r.cut OR coalesce(l.id, 0) <> r.id ORDER BY r.partition LIMIT 1`, partitions, cuts, ids).Scan(&partition, &number)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the cuts that it needs: %w", err)
	}
	return fmt.Errorf("cut %d of partition %d is not stored any more, nor may be definitions that came with it and are needed here: %w", number, partition, tsdb.ErrConflict)
}
