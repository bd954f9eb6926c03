package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/esolutions/esmon/services/tsdb"
)

// A cut without a row in tsdb_lineage has the ID 0: it is older than the table, or
// was made without one.

// held tells whether a cut that a caller knows is stored, given how far its
// partition is.
const held = "? <= p.cut AND coalesce((SELECT l.id FROM tsdb_lineage l WHERE l.partition = p.partition AND l.cut = ?), 0) = ?"

// extendLineage makes the new cut the last of its partition's lineage.
func extendLineage(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM tsdb_lineage WHERE partition = ? AND (cut <= ? OR cut >= ?)",
		cut.Partition, cut.To.Cut-tsdb.LineageLength, cut.To.Cut)
	if err == nil && cut.To.ID != 0 {
		_, err = tx.ExecContext(ctx, "INSERT INTO tsdb_lineage (partition, cut, id) VALUES (?,?,?)", cut.Partition, cut.To.Cut, cut.To.ID)
	}
	if err != nil {
		return fmt.Errorf("note the cut's ID: %w", err)
	}
	return nil
}

// checkRequired refuses a cut that refers to what was lost with others.
func checkRequired(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	for _, partition := range slices.Sorted(maps.Keys(cut.Requires)) {
		required := cut.Requires[partition]
		there, err := holds(ctx, tx, partition, required)
		if err != nil {
			return err
		}
		if !there {
			return fmt.Errorf("cut %d of partition %d is not stored any more, nor may be definitions that came with it and are needed here: %w", required.Cut, partition, tsdb.ErrConflict)
		}
	}
	return nil
}

// holds tells whether the cuts of the partition are stored.
func holds(ctx context.Context, tx *sql.Tx, partition int, cuts ...tsdb.Position) (bool, error) {
	for _, at := range cuts {
		if at == (tsdb.Position{}) {
			continue
		}
		var there bool
		err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM tsdb_partitions p WHERE p.partition = ? AND "+held+")",
			partition, at.Cut, at.Cut, at.ID).Scan(&there)
		if err != nil {
			return false, fmt.Errorf("look for cut %d of partition %d: %w", at.Cut, partition, err)
		}
		if !there {
			return false, nil
		}
	}
	return true, nil
}
