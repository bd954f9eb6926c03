package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// The migrations, by number: 1 to 9 belong to the control domain, 10 to 19 to
// the time series, 20 to 29 to alerting. A number that was released is never changed again. They are
// applied while older programs run: a migration only adds what these can ignore.
//
//go:embed migrations/*.sql
var migrations embed.FS

const (
	// migrationLock is the advisory lock that one process holds while it migrates.
	migrationLock = 0x65736d6f6e // "esmon"
	// migrationLockTimeout is how long a migration may wait for a table, because all
	// others wait behind it. It is tried again.
	migrationLockTimeout = 3 * time.Second
	migrationTries       = 20
	// othersMigrate is how long to wait for another process to finish, in seconds.
	othersMigrate = 600
)

// migrate brings the schema to the newest version. Each migration is one
// transaction: an interrupted start goes on where it stopped.
func migrate(ctx context.Context, cfg *Config, dsn string, log *slog.Logger) (err error) {
	pc, err := poolConfig(cfg, dsn)
	if err != nil {
		return err
	}
	pc.ConnConfig.RuntimeParams["statement_timeout"] = "0" // a large table takes its time
	pc.ConnConfig.RuntimeParams["lock_timeout"] = fmt.Sprint(migrationLockTimeout.Milliseconds())
	// An idle transaction limit would end the session that holds the advisory lock.
	pc.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	db := stdlib.OpenDB(*pc.ConnConfig)
	defer func() { err = errors.Join(err, db.Close()) }()
	return migrateFrom(ctx, db, log, migrations)
}

func migrateFrom(ctx context.Context, db *sql.DB, log *slog.Logger, source fs.FS) error {
	provider, err := newProvider(db, source)
	if err != nil {
		return err
	}
	if err := checkVersion(ctx, provider); err != nil {
		return err
	}
	// Where there is nothing to do, it takes no lock and writes nothing: that needs no
	// right but to use the tables.
	for try := 1; ; try++ {
		done, err := provider.Up(ctx)
		for _, m := range done {
			log.InfoContext(ctx, "database migrated", "migration", filepath.Base(m.Source.Path), "took", m.Duration)
		}
		if err == nil {
			return nil
		}
		if try == migrationTries || !hasCode(err, "55P03") { // lock_not_available
			return failed(err, "migrate the database")
		}
		log.WarnContext(ctx, "a migration waits for a table that others use", "try", try, "error", err)
	}
}

func newProvider(db *sql.DB, source fs.FS) (*goose.Provider, error) {
	folder, err := fs.Sub(source, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, othersMigrate))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	// The domains number their migrations in ranges of their own, hence out of order.
	provider, err := goose.NewProvider(goose.DialectPostgres, db, folder,
		goose.WithAllowOutofOrder(true), goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}

// checkVersion refuses a schema that is newer than the program.
func checkVersion(ctx context.Context, provider *goose.Provider) error {
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return failed(err, "read the schema version")
	}
	if current > known {
		return fmt.Errorf("the database has schema version %d, this esmon knows versions up to %d: it was migrated by a newer esmon; use that one, or restore a backup made before the upgrade", current, known)
	}
	return nil
}
