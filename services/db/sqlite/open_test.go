package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openAt(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // a test may have closed it
	return db
}

func pragma(t *testing.T, from *sql.DB, name string) string {
	t.Helper()
	var v string
	if err := from.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOpenSettings(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "odd name #1 100%?.db")
	db := openAt(t, path)
	for name, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "auto_vacuum": "2", "foreign_keys": "1", "busy_timeout": "10000", "query_only": "0",
	} {
		if got := pragma(t, db.writer, name); got != want {
			t.Errorf("writer: %s is %s, want %s", name, got, want)
		}
	}
	if got := pragma(t, db.Read(), "query_only"); got != "1" {
		t.Errorf("reader: query_only is %s", got)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatalf("the file is not where it was asked for: %v", err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("permissions %v", info.Mode())
	}
	if wal, err := os.Stat(path + "-wal"); err != nil || wal.Mode().Perm() != 0o600 {
		t.Errorf("log beside it: %v, %v", wal, err)
	}
	if n, err := db.Size(); err != nil || n < info.Size() {
		t.Errorf("size %d, %v", n, err)
	}
	if db.Path() != path {
		t.Errorf("path %q", db.Path())
	}
}

func TestWriteIsAllOrNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := openAt(t, path)
	ctx := t.Context()
	exec := func(q string) func(*sql.Tx) error {
		return func(tx *sql.Tx) error { _, err := tx.ExecContext(ctx, q); return err }
	}
	if err := db.Write(ctx, exec("CREATE TABLE x (a INTEGER NOT NULL)")); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (1)"); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	func() {
		defer func() { _ = recover() }() // the panic below
		_ = db.Write(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (2)"); err != nil {
				return err
			}
			panic("bug")
		})
	}()
	if err := db.Write(ctx, exec("INSERT INTO x VALUES (3)")); err != nil {
		t.Fatalf("the writer is not usable after a panic: %v", err)
	}
	if err := db.Vacuum(ctx, 10); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again := openAt(t, path)
	var n, sum int
	if err := again.Read().QueryRowContext(ctx, "SELECT count(*), sum(a) FROM x").Scan(&n, &sum); err != nil || n != 1 || sum != 3 {
		t.Errorf("rows %d, sum %d, %v", n, sum, err)
	}
	if _, err := again.Read().ExecContext(ctx, "DELETE FROM x"); err == nil {
		t.Error("a reading connection wrote")
	}
}

func TestOpenRefusesForeignFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "restore a backup") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(t.Context(), filepath.Join(path, "below"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("opened a path below a file")
	}
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db := openAt(t, path)
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "written by a newer esmon") {
		t.Errorf("got %v", err)
	}
}

// A migration that fails half way leaves nothing behind, and the next start goes
// on from there; one of a lower range that comes later is still applied.
func TestMigrationsResume(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "x.db"))
	log := slog.New(slog.DiscardHandler)
	file := func(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)} }
	run := func(fsys fstest.MapFS) error { return migrateFrom(context.Background(), db.writer, db.path, log, fsys) }

	base := fstest.MapFS{}
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		base["migrations/"+e.Name()] = file("SELECT 1;") // applied already: the content does not count
	}
	base["migrations/90001_a.sql"] = file("CREATE TABLE a (x INTEGER);")
	base["migrations/90002_b.sql"] = file("CREATE TABLE b (x INTEGER);\nCREATE TABLE a (x INTEGER);")
	if err := run(base); err == nil || !strings.Contains(err.Error(), "migrate database") {
		t.Fatalf("the wrong migration passed: %v", err)
	}
	base["migrations/90002_b.sql"] = file("CREATE TABLE b (x INTEGER);")
	base["migrations/80001_late.sql"] = file("CREATE TABLE c (x INTEGER);")
	if err := run(base); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.Read().QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema WHERE name IN ('a','b','c')").Scan(&n); err != nil || n != 3 {
		t.Errorf("%d of 3 tables, %v", n, err)
	}
}
