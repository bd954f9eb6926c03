package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
)

// The migrations, by number: 1 to 9 belong to the control domain, 10 to 19 to
// the time series, 20 to 29 to alerting. A number that was released is never changed again.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema to the newest version. Each migration is one
// transaction: an interrupted start goes on where it stopped.
func migrate(ctx context.Context, writer *sql.DB, path string, log *slog.Logger) error {
	return migrateFrom(ctx, writer, path, log, migrations)
}

func migrateFrom(ctx context.Context, writer *sql.DB, path string, log *slog.Logger, source fs.FS) error {
	folder, err := fs.Sub(source, "migrations")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	// The domains number their migrations in ranges of their own, hence out of order.
	provider, err := goose.NewProvider(goose.DialectSQLite3, writer, folder,
		goose.WithAllowOutofOrder(true), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations of %s: %w", path, err)
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version of %s: %w", path, err)
	}
	if current > known {
		return fmt.Errorf("database %s has schema version %d, this esmon knows versions up to %d: it was written by a newer esmon; use that one, or restore a backup made before the upgrade", path, current, known)
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate database %s from schema version %d to %d: %w", path, current, known, err)
	}
	for _, m := range done {
		log.InfoContext(ctx, "database migrated", "file", filepath.Base(path), "migration", filepath.Base(m.Source.Path), "took", m.Duration)
	}
	return nil
}

// Size returns the bytes of the file and of the log beside it.
func (db *DB) Size() (int64, error) {
	var total int64
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(db.path + suffix)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("size of the database: %w", err)
		}
		total += info.Size()
	}
	return total, nil
}
