package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// Alerts keeps what alerting knows: it implements alert.Store.
type Alerts struct{ db *DB }

var _ alert.Store = (*Alerts)(nil)

// Alerts returns the store of alerting.
func (db *DB) Alerts() *Alerts { return &Alerts{db: db} }

// clockUS is the clock in microseconds; it stands still within a statement.
const clockUS = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"

// Lead implements alert.StateStore. The state is read after the change is committed:
// who led before cannot change it any more.
func (a *Alerts) Lead(ctx context.Context, holder string) (epoch int64, s alert.Snapshot, err error) {
	if err := alertrow.Check("holder", holder); err != nil {
		return 0, s, fmt.Errorf("lead the evaluation: %w", err)
	}
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "UPDATE alert_leader SET epoch = max(epoch + 1, "+clockUS+"), holder = ? RETURNING epoch", holder).Scan(&epoch)
	})
	if err != nil {
		return 0, s, fmt.Errorf("lead the evaluation: %w", err)
	}
	s, err = a.State(ctx)
	return epoch, s, err
}

// State implements alert.StateStore.
func (a *Alerts) State(ctx context.Context) (s alert.Snapshot, err error) {
	err = a.read(ctx, func(tx *sql.Tx) error {
		for _, read := range []func(context.Context, *sql.Tx, *alert.Snapshot) error{readProgress, readAlerts, readGroups} {
			if err := read(ctx, tx, &s); err != nil {
				return err
			}
		}
		s.Operator, s.Version, err = readOperator(ctx, tx)
		return err
	})
	if err != nil {
		return alert.Snapshot{}, fmt.Errorf("read the state of alerts: %w", err)
	}
	return s, nil
}

// read runs fn in a transaction that sees one state of the file.
func (a *Alerts) read(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := a.db.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it only read
	return fn(tx)
}

func readProgress(ctx context.Context, tx *sql.Tx, s *alert.Snapshot) (err error) {
	rows, err := tx.QueryContext(ctx, "SELECT rule_group, evaluated_ms FROM alert_progress ORDER BY rule_group")
	s.Progress, err = collect(rows, err, func(row scanner) (p alert.Progress, err error) {
		return p, row.Scan(&p.Group, &p.Evaluated)
	})
	if err != nil {
		return err
	}
	rows, err = tx.QueryContext(ctx, "SELECT rule_group, agent, evaluated_ms FROM alert_late ORDER BY rule_group, agent")
	s.Late, err = collect(rows, err, func(row scanner) (l alert.Late, err error) {
		return l, row.Scan(&l.Group, &l.Agent, &l.Evaluated)
	})
	if err != nil {
		return err
	}
	rows, err = tx.QueryContext(ctx, "SELECT seq, rule_group, agent, from_ms, to_ms FROM alert_late_data ORDER BY seq")
	s.LateData, err = collect(rows, err, func(row scanner) (d alert.LateData, err error) {
		return d, row.Scan(&d.Seq, &d.Group, &d.Agent, &d.From, &d.To)
	})
	return err
}

func readAlerts(ctx context.Context, tx *sql.Tx, s *alert.Snapshot) (err error) {
	s.Alerts, err = docs[alert.Alert](ctx, tx, "alert", "SELECT key, doc FROM alerts ORDER BY key")
	return err
}

func readGroups(ctx context.Context, tx *sql.Tx, s *alert.Snapshot) error {
	rows, err := tx.QueryContext(ctx, "SELECT key, doc FROM alert_groups ORDER BY key")
	s.Groups, err = collect(rows, err, func(row scanner) (g alert.Group, err error) {
		err = row.Scan(&g.Key, &g.Doc)
		if g.Doc == nil {
			g.Doc = []byte{} // it is there, and empty
		}
		return g, err
	})
	return err
}

// docs reads the key and the document of each row.
func docs[T any](ctx context.Context, tx *sql.Tx, what, query string, args ...any) ([]T, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	return collect(rows, err, func(row scanner) (v T, err error) {
		var key, doc string
		if err := row.Scan(&key, &doc); err != nil {
			return v, err
		}
		return alertrow.Decode[T](what, key, doc)
	})
}

// doc reads the key and the document of one row; alert.ErrNotFound if there is none.
func doc[T any](what string, row *sql.Row) (v T, err error) {
	var key, text string
	err = row.Scan(&key, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return v, alert.ErrNotFound
	}
	if err != nil {
		return v, fmt.Errorf("read %s: %w", what, err)
	}
	return alertrow.Decode[T](what, key, text)
}
