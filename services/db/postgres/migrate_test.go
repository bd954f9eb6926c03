package postgres

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/sync/errgroup"

	"github.com/esolutions/esmon/services/db/postgres/pgtest"
)

func TestManyStartAtOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	var g errgroup.Group
	for range 6 {
		g.Go(func() error {
			db, err := tryOpen(t.Context(), dsn)
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			return db.testWrite(t, "x")
		})
	}
	must(t, g.Wait())
	var versions, distinct int
	must(t, openAt(t, dsn).pool.QueryRow(t.Context(), "SELECT count(*), count(DISTINCT version_id) FROM goose_db_version").Scan(&versions, &distinct))
	if versions != distinct {
		t.Errorf("%d migrations were applied, %d different ones", versions, distinct)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	db := openAt(t, dsn)
	_, err := db.pool.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
	must(t, err)
	if _, err := tryOpen(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), "migrated by a newer esmon") {
		t.Errorf("got %v", err)
	}
}

// Who has nothing to migrate does not wait for one that migrates.
func TestUpToDateNeedsNoLock(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	conn, err := openAt(t, dsn).pool.Acquire(t.Context())
	must(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "SELECT pg_advisory_lock($1)", int64(migrationLock))
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	db, err := tryOpen(ctx, dsn)
	must(t, err)
	must(t, db.Close())
}

// migrating is a database to apply other migrations to.
func migrating(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	must(t, err)
	cfg.RuntimeParams["lock_timeout"] = "100"
	db := stdlib.OpenDB(*cfg)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func script(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)} }

// A migration that fails half way leaves nothing behind, and the next start goes
// on from there; one of a lower range that comes later is still applied.
func TestMigrationsResume(t *testing.T) {
	t.Parallel()
	db := migrating(t, pgtest.DSN(t))
	log := slog.New(slog.DiscardHandler)
	scripts := fstest.MapFS{
		"migrations/90001_a.sql": script("CREATE TABLE a (x int);"),
		"migrations/90002_b.sql": script("CREATE TABLE b (x int);\nCREATE TABLE a (x int);"),
	}
	if err := migrateFrom(t.Context(), db, log, scripts); err == nil || !strings.Contains(err.Error(), "migrate the database") {
		t.Fatalf("the wrong migration passed: %v", err)
	}
	scripts["migrations/90002_b.sql"] = script("CREATE TABLE b (x int);")
	scripts["migrations/80001_late.sql"] = script("CREATE TABLE c (x int);")
	must(t, migrateFrom(t.Context(), db, log, scripts))
	var n int
	must(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_tables WHERE tablename IN ('a', 'b', 'c')").Scan(&n))
	if n != 3 {
		t.Errorf("%d of 3 tables", n)
	}
}

// lines is a log that tells when something was written to it.
type lines struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
	on chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.on <- struct{}{}:
	default:
	}
	return l.b.Write(b)
}

// A migration waits for a table that others use without making all others wait
// for it.
func TestMigrationGivesWay(t *testing.T) {
	t.Parallel()
	db := migrating(t, pgtest.DSN(t))
	log := &lines{on: make(chan struct{}, 1)}
	scripts := fstest.MapFS{"migrations/00001_a.sql": script("CREATE TABLE a (x int);")}
	must(t, migrateFrom(t.Context(), db, slog.New(slog.DiscardHandler), scripts))
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.ExecContext(t.Context(), "INSERT INTO a VALUES (1)")
	must(t, err)
	scripts["migrations/00002_b.sql"] = script("ALTER TABLE a ADD COLUMN y int;")
	done := make(chan error, 1)
	go func() {
		done <- migrateFrom(context.WithoutCancel(t.Context()), db, slog.New(slog.NewTextHandler(log, nil)), scripts)
	}()
	select {
	case <-log.on:
	case <-time.After(time.Minute):
		t.Error("it does not give up waiting")
	}
	must(t, tx.Commit())
	must(t, <-done)
	if text := log.b.String(); !strings.Contains(text, "waits for a table") || !strings.Contains(text, "00002_b.sql") {
		t.Errorf("logged: %s", text)
	}
}

// A role that may only use the tables is enough once they are there.
func TestRoleThatMayNotMigrate(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	role := conn.Config().Database + "_user"
	exec := func(statements ...string) {
		for _, s := range statements {
			_, err := conn.Exec(context.WithoutCancel(t.Context()), s)
			must(t, err)
		}
	}
	exec("CREATE ROLE " + role + " LOGIN")
	t.Cleanup(func() {
		exec("DROP OWNED BY "+role, "DROP ROLE "+role)
		must(t, conn.Close(context.Background()))
	})
	asRole := strings.Replace(dsn, "postgres@", role+"@", 1)
	if _, err := tryOpen(t.Context(), asRole); err == nil || !strings.Contains(err.Error(), "permission denied") || !strings.Contains(err.Error(), "grant the user") {
		t.Errorf("an empty database: %v", err)
	}
	openAt(t, dsn)
	exec("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "+role, "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "+role)
	db := openAt(t, asRole)
	must(t, db.testWrite(t, "x"))
	enrol(t, db.Control(), "a1")
	cursor := nowCursor(t, db.Control())
	must(t, db.Control().SetCertificateEnd(t.Context(), "a1", time.Now()))
	wantNews(t, db.Control(), &cursor, "a1")
	must(t, db.Close()) // before the role goes
}
