package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// raiseVersion makes the version grow by n at least.
func raiseVersion(ctx context.Context, tx *sql.Tx, n int) (version int64, err error) {
	err = tx.QueryRowContext(ctx, "UPDATE alert_operator SET version = max(version + ?, "+clockUS+") RETURNING version", n).Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("raise the version: %w", err)
	}
	return version, nil
}

// operate changes what people set, and with it the version.
func (a *Alerts) operate(ctx context.Context, what string, change func(*sql.Tx) error) error {
	err := a.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := raiseVersion(ctx, tx, 1); err != nil {
			return err
		}
		return change(tx)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Version implements alert.OperatorStore.
func (a *Alerts) Version(ctx context.Context) (v int64, err error) {
	if err := a.db.reader.QueryRowContext(ctx, "SELECT version FROM alert_operator").Scan(&v); err != nil {
		return 0, fmt.Errorf("read the version: %w", err)
	}
	return v, nil
}

// Operator implements alert.OperatorStore.
func (a *Alerts) Operator(ctx context.Context) (op alert.Operator, version int64, err error) {
	err = a.read(ctx, func(tx *sql.Tx) error {
		op, version, err = readOperator(ctx, tx)
		return err
	})
	if err != nil {
		return alert.Operator{}, 0, fmt.Errorf("read what people set: %w", err)
	}
	return op, version, nil
}

func readOperator(ctx context.Context, tx *sql.Tx) (op alert.Operator, version int64, err error) {
	if err = tx.QueryRowContext(ctx, "SELECT version FROM alert_operator").Scan(&version); err != nil {
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
		return fmt.Errorf("store silence: %w", err)
	}
	return a.operate(ctx, "store silence", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO alert_silences (id, end_ms, doc) VALUES (?,?,?) ON CONFLICT DO UPDATE SET end_ms = excluded.end_ms, doc = excluded.doc",
			rows[0].Key, s.End, rows[0].Doc)
		return err
	})
}

// Silence implements alert.OperatorStore.
func (a *Alerts) Silence(ctx context.Context, id string) (alert.Silence, error) {
	return doc[alert.Silence]("silence", a.db.reader.QueryRowContext(ctx, "SELECT id, doc FROM alert_silences WHERE id = ?", id))
}

// PurgeSilences implements alert.OperatorStore.
func (a *Alerts) PurgeSilences(ctx context.Context, before int64) error {
	return a.purge(ctx, "delete ended silences", "DELETE FROM alert_silences WHERE end_ms < ?", before)
}

// purge changes the version only if there was something to delete.
func (a *Alerts) purge(ctx context.Context, what, statement string, before int64) error {
	err := a.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, statement, before))
		if err == nil && n > 0 {
			_, err = raiseVersion(ctx, tx, 1)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// PutAcks implements alert.OperatorStore.
func (a *Alerts) PutAcks(ctx context.Context, acks []alert.Ack, events []alert.Event) error {
	rows, err := alertrow.EncodeDocs("acknowledgement of", acks, func(a *alert.Ack) string { return string(a.Key) })
	if err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	eventRows, err := alertrow.EncodeEvents(events)
	if err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return a.operate(ctx, "acknowledge", func(tx *sql.Tx) error {
		if err := storeDocs(ctx, tx, "INSERT INTO alert_acks (key, doc) VALUES (?,?) ON CONFLICT DO UPDATE SET doc = excluded.doc", rows); err != nil {
			return err
		}
		return storeEvents(ctx, tx, eventRows)
	})
}

// DeleteAcks implements alert.OperatorStore.
func (a *Alerts) DeleteAcks(ctx context.Context, keys []alert.Key, events []alert.Event) error {
	list, err := alertrow.Texts(keys)
	if err != nil {
		return fmt.Errorf("delete acknowledgements: %w", err)
	}
	eventRows, err := alertrow.EncodeEvents(events)
	if err != nil {
		return fmt.Errorf("delete acknowledgements: %w", err)
	}
	return a.operate(ctx, "delete acknowledgements", func(tx *sql.Tx) error {
		if err := execKeys(ctx, tx, "DELETE FROM alert_acks WHERE key = ?", list); err != nil {
			return err
		}
		return storeEvents(ctx, tx, eventRows)
	})
}

// PutOverride implements alert.OperatorStore.
func (a *Alerts) PutOverride(ctx context.Context, o alert.Override) error {
	rows, err := alertrow.EncodeDocs("override", []alert.Override{o}, func(o *alert.Override) string { return o.ID })
	if err == nil {
		err = alertrow.Check("calendar", o.Calendar)
	}
	if err != nil {
		return fmt.Errorf("store override: %w", err)
	}
	return a.operate(ctx, "store override", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO alert_overrides (calendar, id, end_ms, doc) VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET end_ms = excluded.end_ms, doc = excluded.doc",
			o.Calendar, o.ID, o.End, rows[0].Doc)
		return err
	})
}

// DeleteOverride implements alert.OperatorStore.
func (a *Alerts) DeleteOverride(ctx context.Context, calendar, id string) error {
	return a.operate(ctx, "delete override", func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, "DELETE FROM alert_overrides WHERE calendar = ? AND id = ?", calendar, id))
		if err == nil && n == 0 {
			return alert.ErrNotFound
		}
		return err
	})
}

// PurgeOverrides implements alert.OperatorStore.
func (a *Alerts) PurgeOverrides(ctx context.Context, before int64) error {
	return a.purge(ctx, "delete ended overrides", "DELETE FROM alert_overrides WHERE end_ms < ?", before)
}

// PutExternal implements alert.OperatorStore. The tokens are the numbers up to the new
// version, and so of no other alert.
func (a *Alerts) PutExternal(ctx context.Context, alerts []alert.Alert) error {
	if len(alerts) == 0 {
		return nil
	}
	rows, err := alertrow.EncodeDocs("alert", alerts, func(a *alert.Alert) string { return string(a.Key) })
	if err != nil {
		return fmt.Errorf("store alerts from outside: %w", err)
	}
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		version, err := raiseVersion(ctx, tx, len(rows))
		if err != nil {
			return err
		}
		first := version - int64(len(rows)) + 1
		return execEach(ctx, tx, "INSERT INTO alert_external (key, token, doc) VALUES (?,?,?) ON CONFLICT (key) DO UPDATE SET token = excluded.token, doc = excluded.doc",
			len(rows), func(i int) []any { return []any{rows[i].Key, first + int64(i), rows[i].Doc} })
	})
	if err != nil {
		return fmt.Errorf("store alerts from outside: %w", err)
	}
	return nil
}

// External implements alert.OperatorStore.
func (a *Alerts) External(ctx context.Context, limit int) ([]alert.ExternalAlert, error) {
	rows, err := a.db.reader.QueryContext(ctx, "SELECT token, key, doc FROM alert_external ORDER BY token LIMIT ?", max(0, limit))
	list, err := collect(rows, err, func(row scanner) (e alert.ExternalAlert, err error) {
		var key, text string
		if err := row.Scan(&e.Token, &key, &text); err != nil {
			return e, err
		}
		e.Alert, err = alertrow.Decode[alert.Alert]("alert", key, text)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read alerts from outside: %w", err)
	}
	return list, nil
}

// DoneExternal implements alert.OperatorStore.
func (a *Alerts) DoneExternal(ctx context.Context, tokens []int64) error {
	if len(tokens) == 0 {
		return nil
	}
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		err := execEach(ctx, tx, "DELETE FROM alert_external WHERE token = ?", len(tokens), func(i int) []any { return []any{tokens[i]} })
		if err != nil {
			return fmt.Errorf("delete alerts from outside: %w", err)
		}
		return nil
	})
}
