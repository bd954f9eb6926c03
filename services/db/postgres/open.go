package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// minVersion is the oldest server the platform is tested with, as
// server_version_num has it.
const minVersion = 150000

// DB is one database. Its connections are made when they are needed, and made
// anew when the server goes away or another becomes the primary: a statement
// fails meanwhile and works again later.
type DB struct {
	pool *pgxpool.Pool // for short statements
	// Queries hold a connection each for as long as they run: of a pool of their
	// own, so that slow ones keep nobody from the short statements of all else.
	snapshots *pgxpool.Pool
	log       *slog.Logger
}

// Open connects to the database, which must be there, and brings its schema up to
// date. Its errors never contain the password.
func Open(ctx context.Context, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*DB, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	dsn, err := cfg.connectionString()
	if err != nil {
		return nil, err
	}
	db := &DB{log: log}
	if err := db.openPools(ctx, &cfg, dsn, reg); err != nil {
		return nil, err
	}
	if err := db.prepare(ctx, &cfg, dsn); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) openPools(ctx context.Context, cfg *Config, dsn string, reg prometheus.Registerer) error {
	pools, guards := map[string]*pgxpool.Pool{}, []*guard{}
	for _, p := range []struct {
		name string
		into **pgxpool.Pool
		size int
	}{{"statements", &db.pool, cfg.MaxConnections}, {"snapshots", &db.snapshots, cfg.MaxSnapshots}} {
		pc, err := poolConfig(cfg, dsn)
		if err != nil {
			return fmt.Errorf("open the database: %w", err)
		}
		pc.MaxConns = int32(p.size)
		g := &guard{limit: cfg.StatementTimeout + slack}
		if *p.into, err = g.install(ctx, pc); err != nil {
			return fmt.Errorf("open the database: %w", err)
		}
		pools[p.name], guards = *p.into, append(guards, g)
	}
	m, err := newMetrics(reg, pools)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	for _, g := range guards {
		g.metrics = m // nothing was sent yet
	}
	return nil
}

// prepare checks the server and migrates the schema.
func (db *DB) prepare(ctx context.Context, cfg *Config, dsn string) error {
	var version int
	var name, encoding string
	err := db.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding')").
		Scan(&version, &name, &encoding)
	switch {
	case err != nil:
		return failed(err, "open the database")
	case version < minVersion:
		return fmt.Errorf("open the database: it is PostgreSQL %s; 15 or later is needed", name)
	case encoding != "UTF8":
		return fmt.Errorf("open the database: its encoding is %s; make it with ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	if err := migrate(ctx, cfg, dsn, db.log); err != nil {
		return err
	}
	return db.healRevisions(ctx)
}

// Write runs fn in a transaction and commits it. If fn returns an error or
// panics, nothing of it stays; fn must not commit, roll back or keep tx. If the
// commit fails, the error says so and the transaction may or may not have taken
// place.
func (db *DB) Write(ctx context.Context, fn func(pgx.Tx) error) error {
	tx, err := db.pool.Begin(ctx)
	if err != nil {
		return failed(err, "begin transaction")
	}
	// Also when the caller gave up: the connection goes back clean or not at all.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // does nothing after the commit
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return failed(err, "commit transaction")
	}
	return nil
}

// Close waits for what runs and closes all connections.
func (db *DB) Close() error {
	for _, p := range []*pgxpool.Pool{db.snapshots, db.pool} {
		if p != nil {
			p.Close()
		}
	}
	return nil
}
