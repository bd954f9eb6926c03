package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/alertrow"
)

// Unpublished implements alert.OutboxStore. Here and in Begin the index is named: without
// statistics, SQLite would go through all that waits.
func (a *Alerts) Unpublished(ctx context.Context, limit int) ([]alert.Notification, error) {
	return notifications(a.db.reader.QueryContext(ctx, "SELECT "+alertrow.NotificationColumns+
		" FROM alert_notifications n INDEXED BY alert_notifications_unpublished WHERE n.state = 'waiting' AND n.published = 0 ORDER BY n.seq LIMIT ?", max(0, limit)))
}

func notifications(rows *sql.Rows, err error) ([]alert.Notification, error) {
	list, err := collect(rows, err, func(row scanner) (alert.Notification, error) { return alertrow.ScanNotification(row) })
	if err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	return list, nil
}

// Published implements alert.OutboxStore.
func (a *Alerts) Published(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		if err := execKeys(ctx, tx, "UPDATE alert_notifications SET published = 1 WHERE id = ?", ids); err != nil {
			return fmt.Errorf("note what the queue has: %w", err)
		}
		return nil
	})
}

// Begin implements alert.OutboxStore.
func (a *Alerts) Begin(ctx context.Context, id string, c alert.Claim) (n alert.Notification, err error) {
	if err := alertrow.Check("holder", c.Holder); err != nil {
		return n, fmt.Errorf("begin notification %s: %w", id, err)
	}
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		n, err = alertrow.ScanNotification(tx.QueryRowContext(ctx, `UPDATE alert_notifications AS n SET claimed_by = ?2, claimed_until_ms = ?4
			WHERE id = ?1 AND state = 'waiting' AND next_ms <= ?3 AND (claimed_until_ms <= ?3 OR claimed_by = ?2)
				AND NOT EXISTS (SELECT 1 FROM alert_notifications e INDEXED BY alert_notifications_waiting
					WHERE e.receiver = n.receiver AND e.thread = n.thread AND e.state = 'waiting' AND e.seq < n.seq)
			RETURNING `+returned, id, c.Holder, c.Now, c.Until))
		if errors.Is(err, sql.ErrNoRows) {
			return whyNot(ctx, tx, id)
		}
		return err
	})
	if err != nil {
		return alert.Notification{}, fmt.Errorf("begin notification %s: %w", id, err)
	}
	return n, nil
}

// returned are alertrow.NotificationColumns of a row that was changed.
const returned = "seq, id, receiver, thread, state, created_ms, next_ms, finished_ms, tries, doc, attempts, payload"

// whyNot says why a notification cannot begin.
func whyNot(ctx context.Context, tx *sql.Tx, id string) error {
	var state alert.NotificationState
	err := tx.QueryRowContext(ctx, "SELECT state FROM alert_notifications WHERE id = ?", id).Scan(&state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return alert.ErrNotFound
	case err != nil:
		return err
	case state != alert.Waiting:
		return alert.ErrFinished
	}
	return alert.ErrWait
}

// Finish implements alert.OutboxStore.
func (a *Alerts) Finish(ctx context.Context, id string, attempt alert.Attempt, state alert.NotificationState, next int64) error {
	err := a.db.Write(ctx, func(tx *sql.Tx) error {
		var before alert.NotificationState
		var attempts string
		var tries, now int64
		err := tx.QueryRowContext(ctx, "SELECT state, attempts, tries, "+clockMS+" FROM alert_notifications WHERE id = ?", id).Scan(&before, &attempts, &tries, &now)
		if errors.Is(err, sql.ErrNoRows) {
			return alert.ErrNotFound
		}
		if err != nil {
			return err
		}
		f, err := alertrow.NewFinish(attempts, tries, attempt, state, next, now)
		if err != nil || before != alert.Waiting {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE alert_notifications SET state = ?, next_ms = ?, finished_ms = ?, attempts = ?, tries = ?, claimed_by = '', claimed_until_ms = 0
			WHERE id = ?`, f.State, f.Next, f.Finished, f.Attempts, f.Tries, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("finish notification %s: %w", id, err)
	}
	return nil
}

// Notification implements alert.OutboxStore.
func (a *Alerts) Notification(ctx context.Context, id string) (alert.Notification, error) {
	n, err := alertrow.ScanNotification(a.db.reader.QueryRowContext(ctx, "SELECT "+alertrow.NotificationColumns+" FROM alert_notifications n WHERE n.id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		err = alert.ErrNotFound
	}
	if err != nil {
		return alert.Notification{}, fmt.Errorf("read notification %s: %w", id, err)
	}
	return n, nil
}

// Notifications implements alert.OutboxStore.
func (a *Alerts) Notifications(ctx context.Context, page alert.NotificationPage) ([]alert.Notification, error) {
	q := alertrow.Notifications("?", page)
	return notifications(a.db.reader.QueryContext(ctx, q.SQL, q.Args...))
}

// Retry implements alert.OutboxStore.
func (a *Alerts) Retry(ctx context.Context, id string, now int64) (n alert.Notification, err error) {
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		n, err = alertrow.ScanNotification(tx.QueryRowContext(ctx, `UPDATE alert_notifications
			SET state = 'waiting', published = 0, next_ms = ?, finished_ms = 0
			WHERE id = ? AND state = 'dead' RETURNING `+returned, now, id))
		if errors.Is(err, sql.ErrNoRows) {
			return alert.ErrNotFound
		}
		return err
	})
	if err != nil {
		return alert.Notification{}, fmt.Errorf("retry notification %s: %w", id, err)
	}
	return n, nil
}

// Counts implements alert.OutboxStore.
func (a *Alerts) Counts(ctx context.Context) ([]alert.ReceiverCount, error) {
	rows, err := a.db.reader.QueryContext(ctx, alertrow.Counts)
	list, err := collect(rows, err, func(row scanner) (alert.ReceiverCount, error) { return alertrow.ScanCount(row) })
	if err != nil {
		return nil, fmt.Errorf("count notifications: %w", err)
	}
	return list, nil
}
