package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// Commit implements alert.StateStore.
func (a *Alerts) Commit(ctx context.Context, epoch int64, c *alert.Commit) error {
	rows, err := alertrow.Encode(c)
	if err != nil {
		return fmt.Errorf("commit alerts: %w", err)
	}
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		var now int64
		if err := tx.QueryRowContext(ctx, "SELECT epoch FROM alert_leader").Scan(&now); err != nil {
			return err
		}
		if now != epoch {
			return alert.ErrFenced
		}
		for _, store := range []func(context.Context, *sql.Tx, *alertrow.Rows) error{storeProgress, storeAlerts, storeEpisodes, storeGroups, storeNotifications} {
			if err := store(ctx, tx, rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("commit alerts: %w", err)
	}
	return nil
}

func storeProgress(ctx context.Context, tx *sql.Tx, r *alertrow.Rows) error {
	if err := execKeys(ctx, tx, "DELETE FROM alert_progress WHERE rule_group = ?", r.Gone); err != nil {
		return fmt.Errorf("delete the progress: %w", err)
	}
	err := execEach(ctx, tx, "INSERT INTO alert_progress (rule_group, evaluated_ms) VALUES (?,?) ON CONFLICT DO UPDATE SET evaluated_ms = excluded.evaluated_ms",
		len(r.Progress), func(i int) []any { return []any{r.Progress[i].Group, r.Progress[i].Evaluated} })
	if err != nil {
		return fmt.Errorf("store the progress: %w", err)
	}
	err = execEach(ctx, tx, "DELETE FROM alert_late WHERE rule_group = ? AND agent = ?",
		len(r.Caught), func(i int) []any { return []any{r.Caught[i].Group, r.Caught[i].Agent} })
	if err != nil {
		return fmt.Errorf("delete agents that caught up: %w", err)
	}
	err = execEach(ctx, tx, "INSERT INTO alert_late (rule_group, agent, evaluated_ms) VALUES (?,?,?) ON CONFLICT DO UPDATE SET evaluated_ms = excluded.evaluated_ms",
		len(r.Late), func(i int) []any { return []any{r.Late[i].Group, r.Late[i].Agent, r.Late[i].Evaluated} })
	if err != nil {
		return fmt.Errorf("store late agents: %w", err)
	}
	return storeLateData(ctx, tx, r)
}

func storeLateData(ctx context.Context, tx *sql.Tx, r *alertrow.Rows) error {
	if r.WorkedIn > 0 {
		if _, err := tx.ExecContext(ctx, "DELETE FROM alert_late_data WHERE seq <= ?", r.WorkedIn); err != nil {
			return fmt.Errorf("delete late data that was worked in: %w", err)
		}
	}
	err := execEach(ctx, tx, `INSERT INTO alert_late_data (seq, rule_group, agent, from_ms, to_ms) VALUES (?,?,?,?,?)
		ON CONFLICT DO UPDATE SET rule_group = excluded.rule_group, agent = excluded.agent, from_ms = excluded.from_ms, to_ms = excluded.to_ms`,
		len(r.LateData), func(i int) []any {
			d := &r.LateData[i]
			return []any{d.Seq, d.Group, d.Agent, d.From, d.To}
		})
	if err != nil {
		return fmt.Errorf("store late data: %w", err)
	}
	return nil
}

func storeAlerts(ctx context.Context, tx *sql.Tx, r *alertrow.Rows) error {
	if err := execKeys(ctx, tx, "DELETE FROM alerts WHERE key = ?", r.Forget); err != nil {
		return fmt.Errorf("delete alerts: %w", err)
	}
	if err := storeDocs(ctx, tx, "INSERT INTO alerts (key, doc) VALUES (?,?) ON CONFLICT DO UPDATE SET doc = excluded.doc", r.Alerts); err != nil {
		return fmt.Errorf("store alerts: %w", err)
	}
	if len(r.EndedAcks) == 0 {
		return nil
	}
	if _, err := raiseVersion(ctx, tx, 1); err != nil {
		return err
	}
	if err := execKeys(ctx, tx, "DELETE FROM alert_acks WHERE key = ?", r.EndedAcks); err != nil {
		return fmt.Errorf("delete ended acknowledgements: %w", err)
	}
	return nil
}

func storeEpisodes(ctx context.Context, tx *sql.Tx, r *alertrow.Rows) error {
	err := execEach(ctx, tx, "DELETE FROM alert_episodes WHERE key = ? AND fired_ms = ?",
		len(r.Unmade), func(i int) []any { return []any{string(r.Unmade[i].Key), r.Unmade[i].Fired} })
	if err != nil {
		return fmt.Errorf("delete episodes: %w", err)
	}
	err = execEach(ctx, tx, `INSERT INTO alert_episodes (key, fired_ms, resolved_ms, rule_id, doc) VALUES (?,?,?,?,?)
		ON CONFLICT DO UPDATE SET resolved_ms = excluded.resolved_ms, rule_id = excluded.rule_id, doc = excluded.doc`,
		len(r.Episodes), func(i int) []any {
			e := &r.Episodes[i]
			return []any{e.Key, e.Fired, e.Resolved, e.RuleID, e.Doc}
		})
	if err != nil {
		return fmt.Errorf("store episodes: %w", err)
	}
	return storeEvents(ctx, tx, r.Events)
}

func storeEvents(ctx context.Context, tx *sql.Tx, events []alertrow.Event) error {
	err := execEach(ctx, tx, "INSERT INTO alert_events (key, time_ms, kind, doc) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
		len(events), func(i int) []any {
			e := &events[i]
			return []any{e.Key, e.Time, e.Kind, e.Doc}
		})
	if err != nil {
		return fmt.Errorf("store events: %w", err)
	}
	return nil
}

func storeGroups(ctx context.Context, tx *sql.Tx, r *alertrow.Rows) error {
	if err := execKeys(ctx, tx, "DELETE FROM alert_groups WHERE key = ?", r.DropGroups); err != nil {
		return fmt.Errorf("delete notification groups: %w", err)
	}
	err := execEach(ctx, tx, "INSERT INTO alert_groups (key, doc) VALUES (?,?) ON CONFLICT DO UPDATE SET doc = excluded.doc",
		len(r.Groups), func(i int) []any { return []any{r.Groups[i].Key, r.Groups[i].Doc} })
	if err != nil {
		return fmt.Errorf("store notification groups: %w", err)
	}
	return nil
}

func storeNotifications(ctx context.Context, tx *sql.Tx, r *alertrow.Rows) error {
	var keys [][2]string // alert, notification
	err := execEach(ctx, tx, `INSERT INTO alert_notifications (id, receiver, thread, state, published, claimed_by, claimed_until_ms,
			created_ms, next_ms, finished_ms, tries, doc, attempts, payload) VALUES (?,?,?,'waiting',0,'',0,?,?,0,0,?,?,?) ON CONFLICT (id) DO NOTHING`,
		len(r.Notify), func(i int) []any {
			n := &r.Notify[i]
			for _, key := range n.Keys {
				keys = append(keys, [2]string{key, n.ID})
			}
			return []any{n.ID, n.Receiver, n.Order, n.Created, n.Next, n.Doc, alertrow.NoAttempts, n.Payload}
		})
	if err == nil {
		err = execEach(ctx, tx, "INSERT INTO alert_notification_keys (key, seq) SELECT ?, seq FROM alert_notifications WHERE id = ? ON CONFLICT DO NOTHING",
			len(keys), func(i int) []any { return []any{keys[i][0], keys[i][1]} })
	}
	if err != nil {
		return fmt.Errorf("store notifications: %w", err)
	}
	return nil
}

func storeDocs(ctx context.Context, tx *sql.Tx, statement string, list []alertrow.Doc) error {
	return execEach(ctx, tx, statement, len(list), func(i int) []any { return []any{list[i].Key, list[i].Doc} })
}

func execKeys(ctx context.Context, tx *sql.Tx, statement string, keys []string) error {
	return execEach(ctx, tx, statement, len(keys), func(i int) []any { return []any{keys[i]} })
}
