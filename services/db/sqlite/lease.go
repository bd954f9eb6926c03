package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/lease"
)

// Leases keeps leases by the clock of this machine: it implements lease.Store.
type Leases struct{ db *DB }

var _ lease.Store = (*Leases)(nil)

// Leases returns the store of leases.
func (db *DB) Leases() *Leases { return &Leases{db: db} }

// clockMS is the clock; it stands still within a statement.
const clockMS = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"

// Take implements lease.Store.
func (l *Leases) Take(ctx context.Context, name, holder string, ttl time.Duration) (lease.Lease, error) {
	if ttl < time.Millisecond {
		return lease.Lease{}, fmt.Errorf("take lease %s: it is to last %s; the least is 1ms", name, ttl)
	}
	const free = "(leases.holder = excluded.holder OR leases.end_ms <= " + clockMS + ")"
	got := lease.Lease{Name: name}
	var leftMS int64
	err := l.db.Write(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `INSERT INTO leases (name, holder, end_ms) VALUES (?1, ?2, `+clockMS+` + ?3)
			ON CONFLICT (name) DO UPDATE SET
				holder = iif(`+free+`, excluded.holder, leases.holder),
				end_ms = iif(`+free+`, excluded.end_ms, leases.end_ms)
			RETURNING holder, end_ms - `+clockMS, name, holder, ttl.Milliseconds()).Scan(&got.Holder, &leftMS)
	})
	if err != nil {
		return lease.Lease{}, fmt.Errorf("take lease %s: %w", name, err)
	}
	got.Left = time.Duration(leftMS) * time.Millisecond
	return got, nil
}

// Release implements lease.Store.
func (l *Leases) Release(ctx context.Context, name, holder string) error {
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM leases WHERE name = ? AND holder = ?", name, holder); err != nil {
			return fmt.Errorf("release lease %s: %w", name, err)
		}
		return nil
	})
}

// Leases implements lease.Store.
func (l *Leases) Leases(ctx context.Context) ([]lease.Lease, error) {
	rows, err := l.db.reader.QueryContext(ctx, "SELECT name, holder, end_ms - "+clockMS+" FROM leases WHERE end_ms > "+clockMS+" ORDER BY name")
	list, err := collect(rows, err, func(row scanner) (got lease.Lease, err error) {
		var leftMS int64
		err = row.Scan(&got.Name, &got.Holder, &leftMS)
		got.Left = time.Duration(leftMS) * time.Millisecond
		return got, err
	})
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	return list, nil
}
