package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// Events implements alert.HistoryStore.
func (a *Alerts) Events(ctx context.Context, key alert.Key, limit int) (list []alert.Event, err error) {
	err = a.read(ctx, func(tx *sql.Tx) error {
		list, err = docs[alert.Event](ctx, tx, "an event of alert", "SELECT key, doc FROM alert_events WHERE key = ? ORDER BY time_ms DESC, seq DESC LIMIT ?", string(key), max(0, limit))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the events of alert %s: %w", key, err)
	}
	return list, nil
}

// Episodes implements alert.HistoryStore.
func (a *Alerts) Episodes(ctx context.Context, page alert.EpisodePage) (list []alert.Episode, err error) {
	q := alertrow.Episodes("?", page)
	err = a.read(ctx, func(tx *sql.Tx) error {
		list, err = docs[alert.Episode](ctx, tx, "an episode of alert", q.SQL, q.Args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read episodes: %w", err)
	}
	return list, nil
}

// PurgeHistory implements alert.HistoryStore.
func (a *Alerts) PurgeHistory(ctx context.Context, before int64, limit int) (more bool, err error) {
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		for _, statement := range []string{
			"DELETE FROM alert_events WHERE seq IN (SELECT seq FROM alert_events WHERE time_ms < ?1 ORDER BY time_ms LIMIT ?2)",
			`DELETE FROM alert_episodes WHERE (key, fired_ms) IN
				(SELECT key, fired_ms FROM alert_episodes WHERE resolved_ms > 0 AND resolved_ms < ?1 ORDER BY resolved_ms LIMIT ?2)`,
			`DELETE FROM alert_notifications WHERE seq IN
				(SELECT seq FROM alert_notifications WHERE finished_ms > 0 AND finished_ms < ?1 ORDER BY finished_ms LIMIT ?2)`,
		} {
			n, err := changed(tx.ExecContext(ctx, statement, before, max(0, limit)))
			if err != nil {
				return err
			}
			more = more || n > 0 && n >= int64(limit)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("delete old alerts: %w", err)
	}
	return more, nil
}
