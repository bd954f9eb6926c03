package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// maxRejected is how many rejected rows are kept.
const maxRejected = 10_000

func storeRejected(ctx context.Context, tx *sql.Tx, cut *tsdb.Cut) error {
	if len(cut.Rejected) == 0 {
		return nil
	}
	const insert = "INSERT INTO tsdb_rejected (partition, log_offset, frame, reason, message, entity, schema, time, at) VALUES (?,?,?,?,?,?,?,?,?)"
	err := execEach(ctx, tx, insert, len(cut.Rejected), func(i int) []any {
		r := &cut.Rejected[i]
		return []any{r.Partition, r.Offset, r.Frame, r.Reason, r.Message, r.Entity[:], r.Schema[:], r.Time, r.At.UnixMilli()}
	})
	if err != nil {
		return fmt.Errorf("store rejected rows: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM tsdb_rejected WHERE id <= (SELECT max(id) FROM tsdb_rejected) - ?", maxRejected); err != nil {
		return fmt.Errorf("delete old rejected rows: %w", err)
	}
	return nil
}

// Rejected implements tsdb.Store.
func (c *Chunks) Rejected(ctx context.Context, limit int) ([]tsdb.Rejected, error) {
	const query = "SELECT partition, log_offset, frame, reason, message, entity, schema, time, at FROM tsdb_rejected ORDER BY id DESC LIMIT ?"
	var out []tsdb.Rejected
	rows, err := c.db.reader.QueryContext(ctx, query, max(limit, 0))
	err = eachRow(rows, err, func(rows *sql.Rows) error {
		var r tsdb.Rejected
		var entity, schema sql.RawBytes
		var at int64
		if err := rows.Scan(&r.Partition, &r.Offset, &r.Frame, &r.Reason, &r.Message, &entity, &schema, &r.Time, &at); err != nil {
			return err
		}
		copy(r.Entity[:], entity)
		copy(r.Schema[:], schema)
		r.At = time.UnixMilli(at).UTC()
		out = append(out, r)
		return nil
	})
	return out, chunksError(err, "read rejected rows")
}
