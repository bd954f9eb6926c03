package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/db/queuetable"
)

// Queue returns the queue of that name. Times are of the server's clock. After a
// failover to a standby that lacks the last commits, a message that was answered may
// come again; one that was put before something else was committed is there if that is.
func (db *DB) Queue(name string, cfg queuetable.Config) *queuetable.Queue {
	return queuetable.New(cfg, &queue{db, name})
}

// queue is one queue in the table of messages. One that becomes ready gets a new place.
type queue struct {
	db   *DB
	name string
}

// Put implements queuetable.Table.
func (q *queue) Put(ctx context.Context, id string, body []byte) error {
	return failed(within(ctx, q.db.pool, durable, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO queue_messages AS m (queue, id, due_ms, claim, again, tries, body) VALUES ($1, $2, 0, 0, false, 0, $3)
			ON CONFLICT (queue, id) DO UPDATE SET again = true, body = excluded.body WHERE m.claim <> 0`, q.name, id, body)
		return err
	}), "store it")
}

const (
	// makeReady makes messages ready whose time has come, some at a time. The clock is
	// looked at once, so that an index serves.
	makeReady = `WITH due AS MATERIALIZED (SELECT queue, id FROM queue_messages
			WHERE queue = $1 AND due_ms > 0 AND due_ms <= (SELECT ` + clockMS + `) ORDER BY due_ms LIMIT 100 FOR UPDATE SKIP LOCKED)
		UPDATE queue_messages m SET due_ms = 0, place = nextval(pg_get_serial_sequence('queue_messages', 'place')),
			tries = m.tries + CASE WHEN m.claim <> 0 THEN 1 ELSE 0 END, claim = 0, again = false
		FROM due WHERE m.queue = due.queue AND m.id = due.id`
	takeNext = `WITH next AS MATERIALIZED (SELECT queue, id FROM queue_messages
			WHERE queue = $1 AND due_ms = 0 ORDER BY place LIMIT 1 FOR UPDATE SKIP LOCKED)
		UPDATE queue_messages m SET claim = $2, due_ms = ` + clockMS + ` + $3, again = false
		FROM next WHERE m.queue = next.queue AND m.id = next.id RETURNING m.id, m.body, m.tries`
)

// Take implements queuetable.Table.
func (q *queue) Take(ctx context.Context, claim int64, hold time.Duration) (row queuetable.Row, found bool, err error) {
	batch := &pgx.Batch{}
	batch.Queue(makeReady, q.name)
	batch.Queue(takeNext, q.name, claim, hold.Milliseconds()).QueryRow(func(r pgx.Row) error {
		err := r.Scan(&row.ID, &row.Body, &row.Tries)
		found = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err := q.db.pool.SendBatch(ctx, batch).Close(); err != nil {
		return queuetable.Row{}, false, failed(err, "look for one")
	}
	return row, found, nil
}

// ofClaim finds the message that a claim has.
const ofClaim = " queue = $1 AND id = $2 AND claim = $3"

// onceMore has a message come again, as if it were new, that was put again since it was
// taken.
const onceMore = "UPDATE queue_messages SET due_ms = 1, claim = 0, tries = 0, again = false WHERE" + ofClaim

// Done implements queuetable.Table.
func (q *queue) Done(ctx context.Context, id string, claim int64) (held bool, err error) {
	err = within(ctx, q.db.pool, durable, func(tx pgx.Tx) error {
		for _, statement := range []string{"DELETE FROM queue_messages WHERE NOT again AND" + ofClaim, onceMore} {
			n, err := changed(ctx, tx, statement, q.name, id, claim)
			if held = n > 0; err != nil || held {
				return err
			}
		}
		// One that is not there was deleted before.
		return tx.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM queue_messages WHERE queue = $1 AND id = $2)", q.name, id).Scan(&held)
	})
	return held, failed(err, "change it")
}

// Retry implements queuetable.Table.
func (q *queue) Retry(ctx context.Context, id string, claim int64, after time.Duration) (held bool, err error) {
	err = within(ctx, q.db.pool, durable, func(tx pgx.Tx) error {
		n, err := changed(ctx, tx, "UPDATE queue_messages SET due_ms = "+clockMS+" + $4, claim = 0, tries = tries + 1, again = false WHERE"+ofClaim,
			q.name, id, claim, after.Milliseconds())
		held = n > 0
		return err
	})
	return held, failed(err, "change it")
}

// Bury implements queuetable.Table.
func (q *queue) Bury(ctx context.Context, id string, claim int64, reason string, keep int) (held bool, err error) {
	err = within(ctx, q.db.pool, durable, func(tx pgx.Tx) error {
		var again bool
		var body []byte
		err := tx.QueryRow(ctx, "SELECT again, body FROM queue_messages WHERE"+ofClaim+" FOR UPDATE", q.name, id, claim).Scan(&again, &body)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		held = true
		statement := "DELETE FROM queue_messages WHERE" + ofClaim
		if again {
			statement = onceMore
		}
		batch := &pgx.Batch{}
		batch.Queue(statement, q.name, id, claim)
		batch.Queue("INSERT INTO queue_dead (queue, id, body, reason) VALUES ($1, $2, $3, $4)", q.name, id, body, reason)
		batch.Queue(`DELETE FROM queue_dead WHERE seq IN (SELECT seq FROM queue_dead WHERE queue = $1
			AND seq <= (SELECT seq FROM queue_dead WHERE queue = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2) FOR UPDATE SKIP LOCKED)`, q.name, keep)
		return tx.SendBatch(ctx, batch).Close()
	})
	return held, failed(err, "change it")
}

// Release implements queuetable.Table.
func (q *queue) Release(ctx context.Context, claims []int64) error {
	const release = "UPDATE queue_messages SET due_ms = 1 WHERE queue = $1 AND claim <> 0"
	if claims == nil {
		_, err := q.db.pool.Exec(ctx, release, q.name)
		return failed(err, "release what is held")
	}
	_, err := q.db.pool.Exec(ctx, release+" AND claim = ANY($2)", q.name, claims)
	return failed(err, "release what is held")
}

// Dead implements queuetable.Table.
func (q *queue) Dead(ctx context.Context, limit int) ([]bus.DeadMessage, error) {
	list, err := queryAll(ctx, q.db.pool, "SELECT id, body, reason FROM queue_dead WHERE queue = $1 ORDER BY seq LIMIT $2", func(row pgx.Row) (m bus.DeadMessage, err error) {
		return m, row.Scan(&m.ID, &m.Body, &m.Reason)
	}, q.name, limit)
	return list, failed(err, "read them")
}
