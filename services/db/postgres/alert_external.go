package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// PutExternal implements alert.OperatorStore. The tokens are the numbers up to the new
// version, and so of no other alert.
func (a *Alerts) PutExternal(ctx context.Context, alerts []alert.Alert) error {
	if len(alerts) == 0 {
		return nil
	}
	rows, err := alertrow.EncodeDocs("alert", alerts, func(a *alert.Alert) string { return string(a.Key) })
	if err != nil {
		return failed(err, "store alerts from outside")
	}
	return failed(within(ctx, a.db.pool, durable, func(tx pgx.Tx) error {
		var version int64
		if err := tx.QueryRow(ctx, raiseVersion, len(rows)).Scan(&version); err != nil {
			return err
		}
		tokens := make(map[string]int64, len(rows))
		for i := range rows {
			tokens[rows[i].Key] = version - int64(len(rows)-1-i)
		}
		batch := &pgx.Batch{}
		queueRows(batch, `INSERT INTO alert_external (key, token, doc) SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])
			ON CONFLICT (key) DO UPDATE SET token = excluded.token, doc = excluded.doc`, rows, func(d *alertrow.Doc) int { return len(d.Doc) },
			textColumn(func(d *alertrow.Doc) string { return d.Key }), numberColumn(func(d *alertrow.Doc) int64 { return tokens[d.Key] }),
			textColumn(func(d *alertrow.Doc) string { return d.Doc }))
		return tx.SendBatch(ctx, batch).Close()
	}), "store alerts from outside")
}

// External implements alert.OperatorStore.
func (a *Alerts) External(ctx context.Context, limit int) ([]alert.ExternalAlert, error) {
	list, err := queryAll(ctx, a.db.pool, "SELECT token, key, doc FROM alert_external ORDER BY token LIMIT $1", func(row pgx.Row) (e alert.ExternalAlert, err error) {
		var key, doc string
		if err := row.Scan(&e.Token, &key, &doc); err != nil {
			return e, err
		}
		e.Alert, err = alertrow.Decode[alert.Alert]("alert", key, doc)
		return e, err
	}, max(0, limit))
	return list, failed(err, "read alerts from outside")
}

// DoneExternal implements alert.OperatorStore. It locks the version, as PutExternal
// does, so that neither waits for the other in a circle.
func (a *Alerts) DoneExternal(ctx context.Context, tokens []int64) error {
	if len(tokens) == 0 {
		return nil
	}
	return failed(within(ctx, a.db.pool, short, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT FROM alert_operator FOR UPDATE"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM alert_external WHERE token = ANY($1)", tokens)
		return err
	}), "delete alerts from outside")
}
