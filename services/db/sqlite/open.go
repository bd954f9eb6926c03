package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// busyTimeout is how long a connection waits for another process' lock, such as
// that of a backup tool. Connections of this process never wait: one writes, and
// in WAL mode readers wait for nobody.
const busyTimeout = 10 * time.Second

// walKept is what is left of the log beside the file after a checkpoint. It takes
// a large cut without growing, which on a full disk it could not.
const walKept = 64 << 20

const (
	// maxSnapshots is how many snapshots may be open; more wait for their turn. It
	// is more than the queries that run at a time by default.
	maxSnapshots  = 32
	idleSnapshots = 4
)

// DB is one open file.
type DB struct {
	path   string
	writer *sql.DB // exactly one connection
	reader *sql.DB
	// Queries hold a connection each for as long as they run: of a pool of their
	// own, so that slow ones keep nobody from the short reads of all else.
	snapshots *sql.DB
	ballast   *ballast
}

// Open opens the file, makes it if it is not there, and brings its schema up to
// date. Everything committed survives a power cut. A ballast file beside it keeps
// space free for dropping old data on a full disk; it need not be backed up.
func Open(ctx context.Context, path string, log *slog.Logger) (*DB, error) {
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	db := &DB{path: path, ballast: newBallast(path, log)}
	var err error
	if db.writer, err = openPool(path, 1, writerPragmas()); err != nil {
		return nil, err
	}
	if db.reader, err = openPool(path, max(4, 2*runtime.GOMAXPROCS(0)), readerPragmas()); err != nil {
		return nil, errors.Join(err, db.writer.Close())
	}
	if db.snapshots, err = openPool(path, maxSnapshots, readerPragmas()); err != nil {
		return nil, errors.Join(err, db.reader.Close(), db.writer.Close())
	}
	db.snapshots.SetMaxIdleConns(idleSnapshots)
	// On a disk that filled up while nobody ran, this needs the ballast: without
	// it, there would be no start to drop old data.
	full := false
	err = db.withBallast(func() error {
		err := db.prepare(ctx, log)
		full = full || isFull(err)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.closePools())
	}
	if !full {
		db.ballast.make(ctx)
	}
	return db, nil
}

func (db *DB) prepare(ctx context.Context, log *slog.Logger) error {
	if err := db.writer.PingContext(ctx); err != nil {
		return fmt.Errorf("open database %s: %w: if it is no SQLite file, move it away; if it is damaged, restore a backup", db.path, err)
	}
	return migrate(ctx, db.writer, db.path, log)
}

// createPrivate makes an empty file that only its owner can read; SQLite gives
// the files beside it the same permissions.
func createPrivate(path string) error {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make database %s: %w", path, err)
	}
	return nil
}

// writerPragmas are in the order in which they must run: auto_vacuum counts only
// before the first page is written, which journal_mode does.
func writerPragmas() []string {
	return []string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"auto_vacuum(INCREMENTAL)",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(1)",
		"cache_size(-32768)", // KiB
		"temp_store(MEMORY)",
		fmt.Sprintf("journal_size_limit(%d)", walKept),
	}
}

func readerPragmas() []string {
	return []string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"query_only(1)",
		"cache_size(-8192)", // KiB, each connection
		"temp_store(MEMORY)",
	}
}

func openPool(path string, conns int, pragmas []string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	query := url.Values{"_pragma": pragmas}
	if conns == 1 {
		query.Set("_txlock", "immediate") // take the write lock at BEGIN, where waiting is safe
	}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: query.Encode()}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

// Path returns the path of the file.
func (db *DB) Path() string { return db.path }

// Read returns the pool of reading connections. Several statements that must see
// one state of the data run in one transaction of it.
func (db *DB) Read() *sql.DB { return db.reader }

// Write runs fn in a transaction and commits it. Calls run one after the other.
// If fn returns an error or panics, nothing of it stays; fn must not commit, roll
// back or keep tx. If the commit fails, the error says so and the transaction may
// or may not have taken place.
func (db *DB) Write(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// Vacuum gives up to pages free pages back to the file system.
func (db *DB) Vacuum(ctx context.Context, pages int) error {
	if _, err := db.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", pages)); err != nil {
		return fmt.Errorf("free %d pages of %s: %w", pages, db.path, err)
	}
	return nil
}

// Close waits for what runs and closes the file; the log beside it is folded in.
func (db *DB) Close() error {
	return db.closePools()
}

func (db *DB) closePools() error {
	// Readers first: the last connection to close folds the log in, and a reading
	// one may not.
	if err := errors.Join(db.snapshots.Close(), db.reader.Close(), db.writer.Close()); err != nil {
		return fmt.Errorf("close database %s: %w", db.path, err)
	}
	return nil
}
