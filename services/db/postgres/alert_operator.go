package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// raiseVersion makes the version grow by $1 at least. Whoever changes what people set
// does this first: so changes come one after the other, in no circle, and who has read
// a version has seen all changes up to it.
const raiseVersion = "UPDATE alert_operator SET version = greatest(version + $1, " + clockUS + ") RETURNING version"

// operate changes what people set, and with it the version.
func (a *Alerts) operate(ctx context.Context, what string, change func(pgx.Tx) error) error {
	return failed(within(ctx, a.db.pool, durable, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, raiseVersion, 1); err != nil {
			return err
		}
		return change(tx)
	}), "%s", what)
}

// Version implements alert.OperatorStore.
func (a *Alerts) Version(ctx context.Context) (v int64, err error) {
	err = a.db.pool.QueryRow(ctx, "SELECT version FROM alert_operator").Scan(&v)
	return v, failed(err, "read the version of what people set")
}

// Operator implements alert.OperatorStore.
func (a *Alerts) Operator(ctx context.Context) (op alert.Operator, version int64, err error) {
	err = within(ctx, a.db.pool, reading, func(tx pgx.Tx) error {
		op, version, err = readOperator(ctx, tx)
		return err
	})
	if err != nil {
		return alert.Operator{}, 0, failed(err, "read what people set")
	}
	return op, version, nil
}

func readOperator(ctx context.Context, tx pgx.Tx) (op alert.Operator, version int64, err error) {
	if err = tx.QueryRow(ctx, "SELECT version FROM alert_operator").Scan(&version); err != nil {
		return op, 0, err
	}
	if op.Silences, err = docs[alert.Silence](ctx, tx, "silence", "SELECT id, doc FROM alert_silences ORDER BY id"); err != nil {
		return op, 0, err
	}
	if op.Acks, err = docs[alert.Ack](ctx, tx, "acknowledgement", "SELECT key, doc FROM alert_acks ORDER BY key"); err != nil {
		return op, 0, err
	}
	op.Overrides, err = docs[alert.Override](ctx, tx, "override", "SELECT id, doc FROM alert_overrides ORDER BY calendar, id")
	return op, version, err
}

// PutSilence implements alert.OperatorStore.
func (a *Alerts) PutSilence(ctx context.Context, s alert.Silence) error {
	rows, err := alertrow.EncodeDocs("silence", []alert.Silence{s}, func(s *alert.Silence) string { return s.ID })
	if err != nil {
		return failed(err, "store silence")
	}
	return a.operate(ctx, "store silence", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO alert_silences (id, end_ms, doc) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET end_ms = excluded.end_ms, doc = excluded.doc",
			rows[0].Key, s.End, rows[0].Doc)
		return err
	})
}

// Silence implements alert.OperatorStore.
func (a *Alerts) Silence(ctx context.Context, id string) (alert.Silence, error) {
	if !known(id) {
		return alert.Silence{}, alert.ErrNotFound
	}
	s, err := scanDoc[alert.Silence]("silence", a.db.pool.QueryRow(ctx, "SELECT id, doc FROM alert_silences WHERE id = $1", id))
	return s, failed(found(err), "read silence %s", id)
}

// PurgeSilences implements alert.OperatorStore.
func (a *Alerts) PurgeSilences(ctx context.Context, before int64) error {
	return a.purge(ctx, "delete ended silences", "DELETE FROM alert_silences WHERE end_ms < $1", before)
}

// purge changes the version only if there was something to delete.
func (a *Alerts) purge(ctx context.Context, what, statement string, before int64) error {
	return failed(within(ctx, a.db.pool, durable, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT FROM alert_operator FOR UPDATE"); err != nil { // first, as raiseVersion
			return err
		}
		n, err := changed(ctx, tx, statement, before)
		if err == nil && n > 0 {
			_, err = tx.Exec(ctx, raiseVersion, 1)
		}
		return err
	}), "%s", what)
}

// PutAcks implements alert.OperatorStore.
func (a *Alerts) PutAcks(ctx context.Context, acks []alert.Ack, events []alert.Event) error {
	rows, err := alertrow.EncodeDocs("acknowledgement of", acks, func(a *alert.Ack) string { return string(a.Key) })
	if err != nil {
		return failed(err, "acknowledge")
	}
	return a.changeAcks(ctx, "acknowledge", events, func(batch *pgx.Batch) {
		queueDocs(batch, "INSERT INTO alert_acks (key, doc) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (key) DO UPDATE SET doc = excluded.doc", rows)
	})
}

// DeleteAcks implements alert.OperatorStore.
func (a *Alerts) DeleteAcks(ctx context.Context, keys []alert.Key, events []alert.Event) error {
	list, err := alertrow.Texts(keys)
	if err != nil {
		return failed(err, "delete acknowledgements")
	}
	return a.changeAcks(ctx, "delete acknowledgements", events, func(batch *pgx.Batch) {
		queueKeys(batch, "DELETE FROM alert_acks WHERE key = ANY($1)", list)
	})
}

func (a *Alerts) changeAcks(ctx context.Context, what string, events []alert.Event, change func(*pgx.Batch)) error {
	rows, err := alertrow.EncodeEvents(events)
	if err != nil {
		return failed(err, "%s", what)
	}
	batch := &pgx.Batch{}
	change(batch)
	storeEvents(batch, rows)
	return a.operate(ctx, what, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() })
}

// PutOverride implements alert.OperatorStore.
func (a *Alerts) PutOverride(ctx context.Context, o alert.Override) error {
	rows, err := alertrow.EncodeDocs("override", []alert.Override{o}, func(o *alert.Override) string { return o.ID })
	if err == nil {
		err = alertrow.Check("calendar", o.Calendar)
	}
	if err != nil {
		return failed(err, "store override")
	}
	return a.operate(ctx, "store override", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO alert_overrides (calendar, id, end_ms, doc) VALUES ($1, $2, $3, $4)
			ON CONFLICT (calendar, id) DO UPDATE SET end_ms = excluded.end_ms, doc = excluded.doc`, o.Calendar, o.ID, o.End, rows[0].Doc)
		return err
	})
}

// DeleteOverride implements alert.OperatorStore.
func (a *Alerts) DeleteOverride(ctx context.Context, calendar, id string) error {
	if !known(calendar, id) {
		return alert.ErrNotFound
	}
	return a.operate(ctx, "delete override", func(tx pgx.Tx) error {
		n, err := changed(ctx, tx, "DELETE FROM alert_overrides WHERE calendar = $1 AND id = $2", calendar, id)
		if err == nil && n == 0 {
			return alert.ErrNotFound
		}
		return err
	})
}

// PurgeOverrides implements alert.OperatorStore.
func (a *Alerts) PurgeOverrides(ctx context.Context, before int64) error {
	return a.purge(ctx, "delete ended overrides", "DELETE FROM alert_overrides WHERE end_ms < $1", before)
}
