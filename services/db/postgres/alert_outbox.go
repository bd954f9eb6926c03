package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// scanNotification reads a row of alertrow.NotificationColumns.
func scanNotification(row pgx.Row) (alert.Notification, error) { return alertrow.ScanNotification(row) }

// Unpublished implements alert.OutboxStore.
func (a *Alerts) Unpublished(ctx context.Context, limit int) ([]alert.Notification, error) {
	list, err := queryAll(ctx, a.db.pool, "SELECT "+alertrow.NotificationColumns+
		" FROM alert_notifications n WHERE n.state = 'waiting' AND NOT n.published ORDER BY n.seq LIMIT $1", scanNotification, max(0, limit))
	return list, failed(err, "read notifications")
}

// Published implements alert.OutboxStore. The rows are locked in one order, so that two
// at a time wait for each other and do not end in a deadlock.
func (a *Alerts) Published(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := a.db.pool.Exec(ctx, `WITH locked AS (SELECT seq FROM alert_notifications WHERE id = ANY($1) ORDER BY seq FOR NO KEY UPDATE)
		UPDATE alert_notifications n SET published = true FROM locked WHERE n.seq = locked.seq`, ids)
	return failed(err, "note what the queue has")
}

// Begin implements alert.OutboxStore. Of two at once, one waits for the row and then
// finds it claimed. Earlier notifications are seen whatever the other transactions do:
// see Commit.
func (a *Alerts) Begin(ctx context.Context, id string, c alert.Claim) (n alert.Notification, err error) {
	if err := alertrow.Check("holder", c.Holder); err != nil {
		return n, failed(err, "begin notification %s", id)
	}
	if !known(id) {
		return n, alert.ErrNotFound
	}
	n, err = scanNotification(a.db.pool.QueryRow(ctx, `UPDATE alert_notifications n SET claimed_by = $2, claimed_until_ms = $4
		WHERE n.id = $1 AND n.state = 'waiting' AND n.next_ms <= $3 AND (n.claimed_until_ms <= $3 OR n.claimed_by = $2)
			AND NOT EXISTS (SELECT FROM alert_notifications e WHERE e.receiver = n.receiver AND e.thread = n.thread AND e.state = 'waiting' AND e.seq < n.seq)
		RETURNING `+alertrow.NotificationColumns, id, c.Holder, c.Now, c.Until))
	if errors.Is(err, pgx.ErrNoRows) {
		err = a.whyNot(ctx, id)
	}
	if err != nil {
		return alert.Notification{}, failed(err, "begin notification %s", id)
	}
	return n, nil
}

// whyNot says why a notification cannot begin.
func (a *Alerts) whyNot(ctx context.Context, id string) error {
	var state string
	err := a.db.pool.QueryRow(ctx, "SELECT state FROM alert_notifications WHERE id = $1", id).Scan(&state)
	switch {
	case err != nil:
		return found(err)
	case state != string(alert.Waiting):
		return alert.ErrFinished
	}
	return alert.ErrWait
}

// Finish implements alert.OutboxStore.
func (a *Alerts) Finish(ctx context.Context, id string, attempt alert.Attempt, state alert.NotificationState, next int64) error {
	if !known(id) {
		return alert.ErrNotFound
	}
	return failed(within(ctx, a.db.pool, durable, func(tx pgx.Tx) error {
		var before, attempts string
		var tries, now int64
		err := tx.QueryRow(ctx, "SELECT state, attempts, tries, "+clockMS+" FROM alert_notifications WHERE id = $1 FOR NO KEY UPDATE", id).Scan(&before, &attempts, &tries, &now)
		if err != nil {
			return found(err)
		}
		f, err := alertrow.NewFinish(attempts, tries, attempt, state, next, now)
		if err != nil || before != string(alert.Waiting) {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE alert_notifications SET state = $2, next_ms = $3, finished_ms = $4, attempts = $5, tries = $6, claimed_by = '', claimed_until_ms = 0
			WHERE id = $1`, id, f.State, f.Next, f.Finished, f.Attempts, f.Tries)
		return err
	}), "finish notification %s", id)
}

// Notification implements alert.OutboxStore.
func (a *Alerts) Notification(ctx context.Context, id string) (alert.Notification, error) {
	if !known(id) {
		return alert.Notification{}, alert.ErrNotFound
	}
	n, err := scanNotification(a.db.pool.QueryRow(ctx, "SELECT "+alertrow.NotificationColumns+" FROM alert_notifications n WHERE n.id = $1", id))
	if err != nil {
		return alert.Notification{}, failed(found(err), "read notification %s", id)
	}
	return n, nil
}

// Notifications implements alert.OutboxStore.
func (a *Alerts) Notifications(ctx context.Context, page alert.NotificationPage) ([]alert.Notification, error) {
	if !known(page.Receiver, string(page.State), string(page.Key)) {
		return nil, nil
	}
	q := alertrow.Notifications("$", page)
	list, err := queryAll(ctx, a.db.pool, q.SQL, scanNotification, q.Args...)
	return list, failed(err, "read notifications")
}

// Retry implements alert.OutboxStore.
func (a *Alerts) Retry(ctx context.Context, id string, now int64) (n alert.Notification, err error) {
	if !known(id) {
		return n, alert.ErrNotFound
	}
	err = within(ctx, a.db.pool, durable, func(tx pgx.Tx) error {
		n, err = scanNotification(tx.QueryRow(ctx, `UPDATE alert_notifications n
			SET state = 'waiting', published = false, next_ms = $2, finished_ms = 0
			WHERE n.id = $1 AND n.state = 'dead' RETURNING `+alertrow.NotificationColumns, id, now))
		return found(err)
	})
	if err != nil {
		return alert.Notification{}, failed(err, "retry notification %s", id)
	}
	return n, nil
}

// Counts implements alert.OutboxStore.
func (a *Alerts) Counts(ctx context.Context) ([]alert.ReceiverCount, error) {
	list, err := queryAll(ctx, a.db.pool, alertrow.Counts, func(row pgx.Row) (alert.ReceiverCount, error) { return alertrow.ScanCount(row) })
	return list, failed(err, "count notifications")
}
