package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/tsdb"
)

// maxRejected is how many rejected rows are kept.
const maxRejected = 10_000

// storeRejected stores why rows were refused; bytes in a message that are no text
// are replaced, so that the message of a refusal is not refused itself.
func storeRejected(ctx context.Context, tx pgx.Tx, cut *tsdb.Cut) error {
	if len(cut.Rejected) == 0 {
		return nil
	}
	columns := []string{"partition", "log_offset", "frame", "reason", "message", "entity", "schema", "time", "at"}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"tsdb_rejected"}, columns, pgx.CopyFromSlice(len(cut.Rejected), func(i int) ([]any, error) {
		r := &cut.Rejected[i]
		return []any{r.Partition, r.Offset, r.Frame, storable(r.Reason), storable(r.Message), r.Entity[:], r.Schema[:], r.Time, r.At.UnixMilli()}, nil
	}))
	if err != nil {
		return fmt.Errorf("store rejected rows: %w", err)
	}
	// What another cut is deleting is left to it.
	_, err = tx.Exec(ctx, `DELETE FROM tsdb_rejected WHERE id IN (SELECT id FROM tsdb_rejected
		WHERE id <= (SELECT max(id) FROM tsdb_rejected) - $1 ORDER BY id FOR UPDATE SKIP LOCKED)`, maxRejected)
	if err != nil {
		return fmt.Errorf("delete old rejected rows: %w", err)
	}
	return nil
}

// Rejected implements tsdb.Store.
func (c *Chunks) Rejected(ctx context.Context, limit int) ([]tsdb.Rejected, error) {
	var out []tsdb.Rejected
	err := each(ctx, c.db.pool, "SELECT partition, log_offset, frame, reason, message, entity, schema, time, at FROM tsdb_rejected ORDER BY id DESC LIMIT $1", func(rows pgx.Rows) error {
		var r tsdb.Rejected
		var entity, schema []byte
		var at int64
		if err := rows.Scan(&r.Partition, &r.Offset, &r.Frame, &r.Reason, &r.Message, &entity, &schema, &r.Time, &at); err != nil {
			return err
		}
		copy(r.Entity[:], entity)
		copy(r.Schema[:], schema)
		r.At = time.UnixMilli(at).UTC()
		out = append(out, r)
		return nil
	}, max(limit, 0))
	return out, chunksError(err, "read rejected rows")
}
