package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/db/queuetable"
)

// Queue returns the queue of that name.
func (db *DB) Queue(name string, cfg queuetable.Config) *queuetable.Queue {
	return queuetable.New(cfg, &queue{db, name})
}

// queue is one queue in the table of messages. A place counts among those that are
// ready: one that becomes ready gets the last.
type queue struct {
	db   *DB
	name string
}

const lastPlace = "(SELECT coalesce(max(place), 0) + 1 FROM queue_messages WHERE queue = ?1 AND due_ms = 0)"

// Put implements queuetable.Table.
func (q *queue) Put(ctx context.Context, id string, body []byte) error {
	return q.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO queue_messages (queue, id, place, due_ms, claim, again, tries, body) VALUES (?1, ?2, "+lastPlace+`, 0, 0, 0, 0, ?3)
			ON CONFLICT (queue, id) DO UPDATE SET again = 1, body = excluded.body WHERE claim <> 0`, q.name, id, body)
		return err
	})
}

// Take implements queuetable.Table. If there is nothing, it keeps nobody from writing.
func (q *queue) Take(ctx context.Context, claim int64, hold time.Duration) (row queuetable.Row, found bool, err error) {
	err = q.db.reader.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM queue_messages WHERE queue = ?1 AND due_ms = 0)"+
		" OR EXISTS (SELECT 1 FROM queue_messages WHERE queue = ?1 AND due_ms > 0 AND due_ms <= "+clockMS+")", q.name).Scan(&found)
	if err != nil || !found {
		return row, false, err
	}
	err = q.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE queue_messages SET due_ms = 0, place = "+lastPlace+`, tries = tries + (claim <> 0), claim = 0, again = 0
			WHERE queue = ?1 AND due_ms > 0 AND due_ms <= `+clockMS, q.name)
		if err != nil {
			return fmt.Errorf("make messages ready: %w", err)
		}
		return tx.QueryRowContext(ctx, "UPDATE queue_messages SET claim = ?2, due_ms = "+clockMS+` + ?3, again = 0
			WHERE rowid = (SELECT rowid FROM queue_messages WHERE queue = ?1 AND due_ms = 0 ORDER BY place LIMIT 1)
			RETURNING id, body, tries`, q.name, claim, hold.Milliseconds()).Scan(&row.ID, &row.Body, &row.Tries)
	})
	if errors.Is(err, sql.ErrNoRows) { // another was faster
		return queuetable.Row{}, false, nil
	}
	return row, err == nil, err
}

// ofClaim finds the message that a claim has.
const ofClaim = " queue = ?1 AND id = ?2 AND claim = ?3"

// onceMore has a message come again, as if it were new, that was put again since it was
// taken.
const onceMore = "UPDATE queue_messages SET due_ms = 1, claim = 0, tries = 0, again = 0 WHERE" + ofClaim

// Done implements queuetable.Table.
func (q *queue) Done(ctx context.Context, id string, claim int64) (held bool, err error) {
	err = q.db.Write(ctx, func(tx *sql.Tx) error {
		for _, statement := range []string{"DELETE FROM queue_messages WHERE again = 0 AND" + ofClaim, onceMore} {
			n, err := changed(tx.ExecContext(ctx, statement, q.name, id, claim))
			if held = n > 0; err != nil || held {
				return err
			}
		}
		// One that is not there was deleted before.
		return tx.QueryRowContext(ctx, "SELECT NOT EXISTS (SELECT 1 FROM queue_messages WHERE queue = ? AND id = ?)", q.name, id).Scan(&held)
	})
	return held, err
}

// Retry implements queuetable.Table.
func (q *queue) Retry(ctx context.Context, id string, claim int64, after time.Duration) (held bool, err error) {
	err = q.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, "UPDATE queue_messages SET due_ms = "+clockMS+" + ?4, claim = 0, tries = tries + 1, again = 0 WHERE"+ofClaim,
			q.name, id, claim, after.Milliseconds()))
		held = n > 0
		return err
	})
	return held, err
}

// Bury implements queuetable.Table.
func (q *queue) Bury(ctx context.Context, id string, claim int64, reason string, keep int) (held bool, err error) {
	err = q.db.Write(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, "INSERT INTO queue_dead (queue, id, body, reason) SELECT queue, id, body, ?4 FROM queue_messages WHERE"+ofClaim,
			q.name, id, claim, reason))
		if held = n > 0; err != nil || !held {
			return err
		}
		for _, statement := range []string{onceMore + " AND again = 1", "DELETE FROM queue_messages WHERE" + ofClaim} {
			if _, err := tx.ExecContext(ctx, statement, q.name, id, claim); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM queue_dead WHERE queue = ?1 AND seq <= (SELECT seq FROM queue_dead WHERE queue = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)", q.name, keep)
		return err
	})
	return held, err
}

// Release implements queuetable.Table.
func (q *queue) Release(ctx context.Context, claims []int64) error {
	return q.db.Write(ctx, func(tx *sql.Tx) error {
		const release = "UPDATE queue_messages SET due_ms = 1 WHERE queue = ? AND claim <> 0"
		if claims == nil {
			_, err := tx.ExecContext(ctx, release, q.name)
			return err
		}
		return execEach(ctx, tx, release+" AND claim = ?", len(claims), func(i int) []any { return []any{q.name, claims[i]} })
	})
}

// Dead implements queuetable.Table.
func (q *queue) Dead(ctx context.Context, limit int) ([]bus.DeadMessage, error) {
	rows, err := q.db.reader.QueryContext(ctx, "SELECT id, body, reason FROM queue_dead WHERE queue = ? ORDER BY seq LIMIT ?", q.name, limit)
	return collect(rows, err, func(row scanner) (m bus.DeadMessage, err error) { return m, row.Scan(&m.ID, &m.Body, &m.Reason) })
}
