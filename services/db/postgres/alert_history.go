package postgres

import (
	"context"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// Events implements alert.HistoryStore.
func (a *Alerts) Events(ctx context.Context, key alert.Key, limit int) ([]alert.Event, error) {
	if !known(string(key)) {
		return nil, nil
	}
	list, err := docs[alert.Event](ctx, a.db.pool, "an event of alert",
		"SELECT key, doc FROM alert_events WHERE key = $1 ORDER BY time_ms DESC, seq DESC LIMIT $2", string(key), max(0, limit))
	return list, failed(err, "read the events of alert %s", key)
}

// Episodes implements alert.HistoryStore.
func (a *Alerts) Episodes(ctx context.Context, page alert.EpisodePage) ([]alert.Episode, error) {
	if !known(string(page.Key), page.RuleID, string(page.BeforeKey)) {
		return nil, nil
	}
	q := alertrow.Episodes("$", page)
	list, err := docs[alert.Episode](ctx, a.db.pool, "an episode of alert", q.SQL, q.Args...)
	return list, failed(err, "read episodes")
}

// PurgeHistory implements alert.HistoryStore. It leaves out what another transaction
// is changing just now: waiting for it, in another order, could end in a deadlock.
func (a *Alerts) PurgeHistory(ctx context.Context, before int64, limit int) (more bool, err error) {
	for _, statement := range []string{
		"DELETE FROM alert_events WHERE seq IN (SELECT seq FROM alert_events WHERE time_ms < $1 ORDER BY time_ms LIMIT $2 FOR UPDATE SKIP LOCKED)",
		`DELETE FROM alert_episodes WHERE (key, fired_ms) IN
			(SELECT key, fired_ms FROM alert_episodes WHERE resolved_ms > 0 AND resolved_ms < $1 ORDER BY resolved_ms LIMIT $2 FOR UPDATE SKIP LOCKED)`,
		`DELETE FROM alert_notifications WHERE seq IN
			(SELECT seq FROM alert_notifications WHERE finished_ms > 0 AND finished_ms < $1 ORDER BY finished_ms LIMIT $2 FOR UPDATE SKIP LOCKED)`,
	} {
		tag, err := a.db.pool.Exec(ctx, statement, before, max(0, limit))
		if err != nil {
			return false, failed(err, "delete old alerts")
		}
		more = more || tag.RowsAffected() > 0 && tag.RowsAffected() >= int64(limit)
	}
	return more, nil
}
