package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// Commit implements alert.StateStore. All statements are sent at once: a round in which
// little happened costs three answers of the server.
//
// The first one finds out whether the caller leads, and keeps any other from taking the
// lead until the transaction ends. So commits come one after the other, and the numbers
// that the database gives to events and notifications are seen in their order: without
// the lock, one transaction could be given a number before another and be seen after it.
func (a *Alerts) Commit(ctx context.Context, epoch int64, c *alert.Commit) error {
	rows, err := alertrow.Encode(c)
	if err != nil {
		return failed(err, "commit alerts")
	}
	batch := &pgx.Batch{}
	batch.Queue("SELECT epoch FROM alert_leader WHERE epoch = $1 AND server = "+serverRun+" FOR UPDATE", epoch).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&epoch)
		if errors.Is(err, pgx.ErrNoRows) {
			return alert.ErrFenced
		}
		return err
	})
	for _, store := range []func(*pgx.Batch, *alertrow.Rows){storeProgress, storeAlerts, storeEpisodes, storeGroups, storeNotifications} {
		store(batch, rows)
	}
	return failed(within(ctx, a.db.pool, durable, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() }), "commit alerts")
}

func storeProgress(batch *pgx.Batch, r *alertrow.Rows) {
	queueKeys(batch, "DELETE FROM alert_progress WHERE rule_group = ANY($1)", r.Gone)
	queueRows(batch, `INSERT INTO alert_progress (rule_group, evaluated_ms) SELECT * FROM unnest($1::text[], $2::bigint[])
		ON CONFLICT (rule_group) DO UPDATE SET evaluated_ms = excluded.evaluated_ms`, r.Progress, nil,
		textColumn(func(p *alert.Progress) string { return p.Group }), numberColumn(func(p *alert.Progress) int64 { return p.Evaluated }))
	group, agent := textColumn(func(l *alert.Late) string { return l.Group }), textColumn(func(l *alert.Late) string { return l.Agent })
	queueRows(batch, `DELETE FROM alert_late USING unnest($1::text[], $2::text[]) AS caught (rule_group, agent)
		WHERE alert_late.rule_group = caught.rule_group AND alert_late.agent = caught.agent`, r.Caught, nil, group, agent)
	queueRows(batch, `INSERT INTO alert_late (rule_group, agent, evaluated_ms) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
		ON CONFLICT (rule_group, agent) DO UPDATE SET evaluated_ms = excluded.evaluated_ms`, r.Late, nil,
		group, agent, numberColumn(func(l *alert.Late) int64 { return l.Evaluated }))
	storeLateData(batch, r)
}

func storeLateData(batch *pgx.Batch, r *alertrow.Rows) {
	if r.WorkedIn > 0 {
		batch.Queue("DELETE FROM alert_late_data WHERE seq <= $1", r.WorkedIn)
	}
	number := func(f func(*alert.LateData) int64) func([]alert.LateData) any { return numberColumn(f) }
	queueRows(batch, `INSERT INTO alert_late_data (seq, rule_group, agent, from_ms, to_ms)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
		ON CONFLICT (seq) DO UPDATE SET rule_group = excluded.rule_group, agent = excluded.agent, from_ms = excluded.from_ms, to_ms = excluded.to_ms`,
		r.LateData, nil, number(func(d *alert.LateData) int64 { return d.Seq }),
		textColumn(func(d *alert.LateData) string { return d.Group }), textColumn(func(d *alert.LateData) string { return d.Agent }),
		number(func(d *alert.LateData) int64 { return d.From }), number(func(d *alert.LateData) int64 { return d.To }))
}

func storeAlerts(batch *pgx.Batch, r *alertrow.Rows) {
	queueKeys(batch, "DELETE FROM alerts WHERE key = ANY($1)", r.Forget)
	queueDocs(batch, "INSERT INTO alerts (key, doc) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (key) DO UPDATE SET doc = excluded.doc", r.Alerts)
	if len(r.EndedAcks) > 0 {
		batch.Queue(raiseVersion, 1) // first, as all do that change what people set
		queueKeys(batch, "DELETE FROM alert_acks WHERE key = ANY($1)", r.EndedAcks)
	}
}

func storeEpisodes(batch *pgx.Batch, r *alertrow.Rows) {
	queueRows(batch, `DELETE FROM alert_episodes USING unnest($1::text[], $2::bigint[]) AS unmade (key, fired_ms)
		WHERE alert_episodes.key = unmade.key AND alert_episodes.fired_ms = unmade.fired_ms`, r.Unmade, nil,
		textColumn(func(e *alert.EpisodeID) string { return string(e.Key) }), numberColumn(func(e *alert.EpisodeID) int64 { return e.Fired }))
	queueRows(batch, `INSERT INTO alert_episodes (key, fired_ms, resolved_ms, rule_id, doc)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
		ON CONFLICT (key, fired_ms) DO UPDATE SET resolved_ms = excluded.resolved_ms, rule_id = excluded.rule_id, doc = excluded.doc`,
		r.Episodes, func(e *alertrow.Episode) int { return len(e.Doc) },
		textColumn(func(e *alertrow.Episode) string { return e.Key }), numberColumn(func(e *alertrow.Episode) int64 { return e.Fired }),
		numberColumn(func(e *alertrow.Episode) int64 { return e.Resolved }),
		textColumn(func(e *alertrow.Episode) string { return e.RuleID }), textColumn(func(e *alertrow.Episode) string { return e.Doc }))
	storeEvents(batch, r.Events)
}

func storeEvents(batch *pgx.Batch, events []alertrow.Event) {
	queueRows(batch, `INSERT INTO alert_events (key, time_ms, kind, doc) SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[])
		ON CONFLICT (key, time_ms, kind) DO NOTHING`, events, func(e *alertrow.Event) int { return len(e.Doc) },
		textColumn(func(e *alertrow.Event) string { return e.Key }), numberColumn(func(e *alertrow.Event) int64 { return e.Time }),
		textColumn(func(e *alertrow.Event) string { return e.Kind }), textColumn(func(e *alertrow.Event) string { return e.Doc }))
}

func storeGroups(batch *pgx.Batch, r *alertrow.Rows) {
	queueKeys(batch, "DELETE FROM alert_groups WHERE key = ANY($1)", r.DropGroups)
	queueRows(batch, "INSERT INTO alert_groups (key, doc) SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT (key) DO UPDATE SET doc = excluded.doc",
		r.Groups, func(g *alert.Group) int { return len(g.Doc) },
		textColumn(func(g *alert.Group) string { return g.Key }), column(func(g *alert.Group) []byte { return g.Doc }))
}

func storeNotifications(batch *pgx.Batch, r *alertrow.Rows) {
	of := func(f func(*alertrow.Notification) string) func([]alertrow.Notification) any { return textColumn(f) }
	queueRows(batch, `INSERT INTO alert_notifications (id, receiver, thread, state, published, claimed_by, claimed_until_ms,
			created_ms, next_ms, finished_ms, tries, doc, attempts, payload)
		SELECT id, receiver, thread, 'waiting', false, '', 0, created_ms, next_ms, 0, 0, doc, '`+alertrow.NoAttempts+`', payload
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bytea[])
			AS n (id, receiver, thread, created_ms, next_ms, doc, payload)
		ON CONFLICT (id) DO NOTHING`, r.Notify, func(n *alertrow.Notification) int { return len(n.Doc) + len(n.Payload) },
		of(func(n *alertrow.Notification) string { return n.ID }), of(func(n *alertrow.Notification) string { return n.Receiver }),
		of(func(n *alertrow.Notification) string { return n.Order }),
		numberColumn(func(n *alertrow.Notification) int64 { return n.Created }), numberColumn(func(n *alertrow.Notification) int64 { return n.Next }),
		of(func(n *alertrow.Notification) string { return n.Doc }), column(func(n *alertrow.Notification) []byte { return n.Payload }))
	var keys [][2]string // alert, notification
	for i := range r.Notify {
		for _, key := range r.Notify[i].Keys {
			keys = append(keys, [2]string{key, r.Notify[i].ID})
		}
	}
	queueRows(batch, `INSERT INTO alert_notification_keys (key, seq)
		SELECT k.key, n.seq FROM unnest($1::text[], $2::text[]) AS k (key, id) JOIN alert_notifications n ON n.id = k.id ON CONFLICT DO NOTHING`,
		keys, nil, textColumn(func(k *[2]string) string { return k[0] }), textColumn(func(k *[2]string) string { return k[1] }))
}
