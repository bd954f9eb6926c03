package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/lease"
)

// Leases keeps leases by the clock of the database server: it implements
// lease.Store. A standby promoted without the last commits may give one out that
// another process still believes to hold.
type Leases struct{ db *DB }

var _ lease.Store = (*Leases)(nil)

// Leases returns the store of leases.
func (db *DB) Leases() *Leases { return &Leases{db: db} }

// clockMS is the server's clock. It goes on within a transaction, so that one
// which had to wait for another sees what time it is then.
const clockMS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

// Take implements lease.Store.
func (l *Leases) Take(ctx context.Context, name, holder string, ttl time.Duration) (lease.Lease, error) {
	if ttl < time.Millisecond {
		return lease.Lease{}, fmt.Errorf("take lease %s: it is to last %s; the least is 1ms", name, ttl)
	}
	// The row is written even if it stays as it is: only so, one statement sees the
	// lease as it is and not as it was before another transaction changed it.
	const free = "(leases.holder = excluded.holder OR leases.end_ms <= " + clockMS + ")"
	got := lease.Lease{Name: name}
	var leftMS int64
	err := l.db.pool.QueryRow(ctx, `INSERT INTO leases (name, holder, end_ms) VALUES ($1, $2, `+clockMS+` + $3)
		ON CONFLICT (name) DO UPDATE SET
			holder = CASE WHEN `+free+` THEN excluded.holder ELSE leases.holder END,
			end_ms = CASE WHEN `+free+` THEN `+clockMS+` + $3 ELSE leases.end_ms END
		RETURNING holder, end_ms - `+clockMS, name, holder, ttl.Milliseconds()).Scan(&got.Holder, &leftMS)
	if err != nil {
		return lease.Lease{}, failed(err, "take lease %s", name)
	}
	got.Left = time.Duration(max(0, leftMS)) * time.Millisecond // it goes on since it was looked at
	return got, nil
}

// Release implements lease.Store.
func (l *Leases) Release(ctx context.Context, name, holder string) error {
	_, err := l.db.pool.Exec(ctx, "DELETE FROM leases WHERE name = $1 AND holder = $2", name, holder)
	return failed(err, "release lease %s", name)
}

// Leases implements lease.Store.
func (l *Leases) Leases(ctx context.Context) ([]lease.Lease, error) {
	rows, err := l.db.pool.Query(ctx, "SELECT name, holder, end_ms - now_ms FROM leases, (SELECT "+clockMS+" AS now_ms) AS clock WHERE end_ms > now_ms ORDER BY name")
	if err != nil {
		return nil, failed(err, "list leases")
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (got lease.Lease, err error) {
		var leftMS int64
		err = row.Scan(&got.Name, &got.Holder, &leftMS)
		got.Left = time.Duration(leftMS) * time.Millisecond
		return got, err
	})
	return list, failed(err, "list leases")
}
