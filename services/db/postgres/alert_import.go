package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/db/alertrow"
)

// Rows returns up to limit rows of a table of alerting that follow a row by their key,
// as they are; nil for the first ones.
func (a *Alerts) Rows(ctx context.Context, table *alertrow.Table, after alertrow.Row, limit int) ([]alertrow.Row, error) {
	q := table.Select("$", after, limit)
	list, err := queryAll(ctx, a.db.pool, q.SQL, func(row pgx.Row) (alertrow.Row, error) { return table.Scan(row) }, q.Args...)
	return list, failed(err, "read %s", table.Name)
}

// Import stores rows as another database held them. What is there already stays as it
// is. Numbers that the database gives later follow those that were imported.
func (a *Alerts) Import(ctx context.Context, table *alertrow.Table, rows []alertrow.Row) error {
	if len(rows) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	for _, row := range rows {
		batch.Queue(table.Insert("$"), row...)
	}
	if table.Seq {
		batch.Queue("SELECT setval(pg_get_serial_sequence($1, 'seq'), (SELECT max(seq) FROM "+table.Name+"))", table.Name)
	}
	return failed(within(ctx, a.db.pool, durable, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() }), "import into %s", table.Name)
}
