package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// Alerts keeps what alerting knows: it implements alert.Store.
//
// A standby that is promoted may lack the last commits, and whoever evaluates knows of
// things then that the database does not. So it leads on one run of the server: on any
// other its commits are fenced, and it leads anew from what the database has. What was
// lost with those commits is evaluated again from the data; a notification that was
// lost is made again under its ID, and may be sent twice under that.
//
// No number that somebody remembers may come again after such a failover and mean
// something else: epochs, versions and tokens of alerts from outside. They count
// microseconds of the server's clock, and more if that stands or goes back. A number
// that was lost can then only be given again if the clock of the new server is behind
// by as long as the failover took, to the microsecond.
type Alerts struct{ db *DB }

var _ alert.Store = (*Alerts)(nil)

// Alerts returns the store of alerting.
func (db *DB) Alerts() *Alerts { return &Alerts{db: db} }

// clockUS is the server's clock in microseconds; as clockMS, it goes on within a
// transaction.
const clockUS = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

// serverRun is the run of the server, as nowQuery has it: it is another one after a
// failover, and after a crash.
const serverRun = `(SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::text || '-'
	|| extract(epoch FROM pg_postmaster_start_time())::text || '-' || coalesce(extract(epoch FROM stats_reset)::text, '') FROM pg_stat_wal)`

// Lead implements alert.StateStore. It waits for a commit of who led before, as that
// holds the row. The state is read after the change is committed: nobody else can
// change it any more then.
func (a *Alerts) Lead(ctx context.Context, holder string) (epoch int64, s alert.Snapshot, err error) {
	if err := alertrow.Check("holder", holder); err != nil {
		return 0, s, failed(err, "lead the evaluation")
	}
	err = within(ctx, a.db.pool, durable, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "UPDATE alert_leader SET epoch = greatest(epoch + 1, "+clockUS+"), holder = $1, server = "+serverRun+" RETURNING epoch", holder).Scan(&epoch)
	})
	if err != nil {
		return 0, s, failed(err, "lead the evaluation")
	}
	s, err = a.State(ctx)
	return epoch, s, err
}

// State implements alert.StateStore.
func (a *Alerts) State(ctx context.Context) (s alert.Snapshot, err error) {
	err = within(ctx, a.db.pool, reading, func(tx pgx.Tx) error {
		for _, read := range []func(context.Context, pgx.Tx, *alert.Snapshot) error{readProgress, readAlerts, readGroups} {
			if err := read(ctx, tx, &s); err != nil {
				return err
			}
		}
		s.Operator, s.Version, err = readOperator(ctx, tx)
		return err
	})
	if err != nil {
		return alert.Snapshot{}, failed(err, "read the state of alerts")
	}
	return s, nil
}

func readProgress(ctx context.Context, tx pgx.Tx, s *alert.Snapshot) (err error) {
	s.Progress, err = queryAll(ctx, tx, "SELECT rule_group, evaluated_ms FROM alert_progress ORDER BY rule_group", func(row pgx.Row) (p alert.Progress, err error) {
		return p, row.Scan(&p.Group, &p.Evaluated)
	})
	if err != nil {
		return err
	}
	s.Late, err = queryAll(ctx, tx, "SELECT rule_group, agent, evaluated_ms FROM alert_late ORDER BY rule_group, agent", func(row pgx.Row) (l alert.Late, err error) {
		return l, row.Scan(&l.Group, &l.Agent, &l.Evaluated)
	})
	if err != nil {
		return err
	}
	s.LateData, err = queryAll(ctx, tx, "SELECT seq, rule_group, agent, from_ms, to_ms FROM alert_late_data ORDER BY seq", func(row pgx.Row) (d alert.LateData, err error) {
		return d, row.Scan(&d.Seq, &d.Group, &d.Agent, &d.From, &d.To)
	})
	return err
}

func readAlerts(ctx context.Context, tx pgx.Tx, s *alert.Snapshot) (err error) {
	s.Alerts, err = docs[alert.Alert](ctx, tx, "alert", "SELECT key, doc FROM alerts ORDER BY key")
	return err
}

func readGroups(ctx context.Context, tx pgx.Tx, s *alert.Snapshot) (err error) {
	s.Groups, err = queryAll(ctx, tx, "SELECT key, doc FROM alert_groups ORDER BY key", func(row pgx.Row) (g alert.Group, err error) {
		return g, row.Scan(&g.Key, &g.Doc)
	})
	return err
}

// queryAll reads all rows of a query.
func queryAll[T any](ctx context.Context, q querier, query string, scan func(pgx.Row) (T, error), args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (T, error) { return scan(row) })
}

// docs reads the key and the document of each row.
func docs[T any](ctx context.Context, q querier, what, query string, args ...any) ([]T, error) {
	return queryAll(ctx, q, query, func(row pgx.Row) (T, error) { return scanDoc[T](what, row) }, args...)
}

func scanDoc[T any](what string, row pgx.Row) (v T, err error) {
	var key, text string
	if err := row.Scan(&key, &text); err != nil {
		return v, err
	}
	return alertrow.Decode[T](what, key, text)
}

// found makes alert.ErrNotFound of no row.
func found(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return alert.ErrNotFound
	}
	return err
}

// known tells whether any row could have these texts. The database refuses to look for
// what it could not store.
func known(texts ...string) bool {
	for _, text := range texts {
		if alertrow.Check("text", text) != nil {
			return false
		}
	}
	return true
}
