package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// applicationID marks the file as an ingest log ("esig").
	applicationID = 0x65736967
	schemaVersion = 1
	pageSize      = 16384
	// walKept is what is left of the write-ahead log's file after a checkpoint.
	walKept = 32 << 20
)

const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
  offset INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice, also when all rows are gone
  published_ms INTEGER NOT NULL,
  payload BLOB NOT NULL
);`

// createPrivate makes an empty file that only its owner can read; SQLite gives
// the files beside it the same permissions.
func createPrivate(path string) error {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err //nolint:wrapcheck // names the file and what was attempted
	}
	return f.Close() //nolint:wrapcheck // likewise
}

// writerPragmas are in the order in which they must run: page size and
// auto_vacuum count only before the first page is written.
func writerPragmas() []string {
	return []string{
		"busy_timeout(10000)", // for a backup tool's lock; nothing in this process waits on it
		fmt.Sprintf("page_size(%d)", pageSize),
		"auto_vacuum(INCREMENTAL)",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"wal_autocheckpoint(0)", // see upkeep.go
		fmt.Sprintf("journal_size_limit(%d)", walKept),
		"cache_size(-8192)",
	}
}

func readerPragmas() []string {
	return []string{"busy_timeout(10000)", "query_only(1)", "wal_autocheckpoint(0)", "cache_size(-1024)"}
}

func openPool(path string, conns int, pragmas []string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", path, err)
	}
	query := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: query.Encode()}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

// errForeign is returned for a database that is no ingest log of this version.
var errForeign = errors.New("not an ingest log this program can use")

// prepareSchema makes the tables in a new file, checks them in an old one, and
// returns the id of the log.
func prepareSchema(ctx context.Context, db *sql.DB) (string, error) {
	var app, version, tables int
	row := db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)`)
	if err := row.Scan(&app, &version, &tables); err != nil {
		return "", fmt.Errorf("read the header: %w", err)
	}
	switch {
	case app == 0 && version == 0 && tables == 0:
		return createSchema(ctx, db)
	case app != applicationID:
		return "", fmt.Errorf("%w: it holds something else (application id %#x)", errForeign, app)
	case version != schemaVersion:
		return "", fmt.Errorf("%w: its schema has version %d, this program knows %d", errForeign, version, schemaVersion)
	}
	var id string
	if err := db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'log_id'`).Scan(&id); err != nil {
		return "", fmt.Errorf("read the log's id: %w", err)
	}
	return id, nil
}

func createSchema(ctx context.Context, db *sql.DB) (id string, err error) {
	id = rand.Text()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	pragmas := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion)
	if _, err = tx.ExecContext(ctx, schema+pragmas); err != nil {
		return "", fmt.Errorf("make the tables: %w", err)
	}
	if _, err = tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('log_id', ?)`, id); err != nil {
		return "", fmt.Errorf("store the log's id: %w", err)
	}
	if err = tx.Commit(); err != nil {
		return "", fmt.Errorf("commit the tables: %w", err)
	}
	return id, nil
}

// nextOffset returns the offset that AUTOINCREMENT would give.
func nextOffset(ctx context.Context, db *sql.DB) (int64, error) {
	var last sql.NullInt64
	if err := db.QueryRowContext(ctx, `SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'records')`).Scan(&last); err != nil {
		return 0, fmt.Errorf("read the last offset: %w", err)
	}
	return last.Int64 + 1, nil
}

// explain says what to do about an error of opening.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, errForeign):
		return fmt.Errorf("open ingest log %s: %w: start the version that made it, or move the file (and its -wal and -shm) away", path, err)
	case isCode(err, sqlite3.SQLITE_NOTADB), isCode(err, sqlite3.SQLITE_CORRUPT):
		return fmt.Errorf("open ingest log %s: the file is damaged: %w: move it away together with its -wal and -shm; a new log is made, and what agents had acknowledged but storage had not taken over yet is lost, which storage will report", path, err)
	}
	return fmt.Errorf("open ingest log %s: %w", path, err)
}

// isCode tells whether err carries the primary result code of SQLite.
func isCode(err error, code int) bool {
	e, ok := errors.AsType[*driver.Error](err)
	return ok && e.Code()&0xff == code
}
