package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/settings"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// openTest opens a fresh database.
func openTest(t *testing.T) *DB {
	t.Helper()
	return openAt(t, pgtest.DSN(t))
}

func openAt(t *testing.T, dsn string) *DB {
	t.Helper()
	db, err := tryOpen(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // a test may have closed it
	return db
}

func tryOpen(ctx context.Context, dsn string) (*DB, error) {
	cfg := DefaultConfig()
	cfg.DSN = settings.Secret(dsn)
	return Open(ctx, cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestConnectionSettings(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	for _, pool := range []interface {
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	}{db.pool, db.snapshots} {
		for name, want := range map[string]string{
			"application_name": "esmon", "statement_timeout": "1min", "lock_timeout": "10s",
			"idle_in_transaction_session_timeout": "30s", "client_encoding": "UTF8",
		} {
			var got string
			must(t, pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got))
			if got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	}
}

func TestDSNFromFile(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.DSNFile = filepath.Join(t.TempDir(), "dsn")
	open := func() (*DB, error) {
		return Open(t.Context(), cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), cfg.DSNFile) {
		t.Errorf("without the file: %v", err)
	}
	must(t, os.WriteFile(cfg.DSNFile, []byte(" \n"), 0o600))
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("with an empty file: %v", err)
	}
	must(t, os.WriteFile(cfg.DSNFile, []byte(pgtest.DSN(t)+"\n"), 0o600))
	db, err := open()
	must(t, err)
	must(t, db.Close())
}

// The password is in no error, log line or printed configuration.
func TestPasswordIsNeverShown(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"postgres://esmon:hunter2@127.0.0.1:1/esmon?sslmode=disable",
		"postgres://esmon:hunter2@127.0.0.1:1/esmon?sslmode=verify-full&sslrootcert=/nowhere/ca.crt",
		"postgres://esmon:hunter2@127.0.0.1:hunter2/esmon",
		"postgres://esmon:hun/hunter2@127.0.0.1:1/esmon",
		"postgres://esmon:a@b:hunter2@127.0.0.1/esmon?sslmode=nothing",
		"postgres://esmon:%zzhunter2@127.0.0.1/esmon",
		"host=127.0.0.1 port=1 user=esmon password='hunter2 dbname=esmon",
		"host=127.0.0.1 port=1 user=esmon password = hunter2 dbname=esmon connect_timeout=hunter2",
		"host=127.0.0.1 port=1 user=esmon dbname=esmon target_session_attrs=hunter2",
		"hunter2",
	} {
		cfg := DefaultConfig()
		cfg.DSN = settings.Secret(dsn)
		var log strings.Builder
		_, err := Open(t.Context(), cfg, slog.New(slog.NewJSONHandler(&log, nil)), prometheus.NewRegistry())
		if err == nil {
			t.Errorf("opened %s", dsn)
			continue
		}
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%+v %#v", cfg, cfg), log.String()} {
			if strings.Contains(text, "hunter2") {
				t.Errorf("%s is shown in %q", dsn, text)
			}
		}
	}
}

func TestRefusesWithAdvice(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	for _, c := range []struct{ dsn, want string }{
		{"", "set db.dsn, db.dsn_file or ESMON_POSTGRES_DSN"},
		{"postgres://u@127.0.0.1:x/d", "invalid port; write postgres://"},
		{"postgres://u@127.0.0.1:1/d?sslmode=verify-full&sslrootcert=/nowhere/ca.crt", "/nowhere/ca.crt"},
		{"postgres://u@127.0.0.1:1/d", "connection refused"},
		{strings.Replace(dsn, "/test_", "/nothing_", 1), "does not exist"},
	} {
		_, err := tryOpen(t.Context(), c.dsn)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v, want %q on one line", c.dsn, err, c.want)
		}
	}
}

func TestRefusesOtherEncodings(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer func() { must(t, conn.Close(context.Background())) }()
	name := conn.Config().Database + "_latin"
	_, err = conn.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING LATIN1 LOCALE_PROVIDER libc LOCALE 'C'")
	must(t, err)
	defer func() { _, err := conn.Exec(context.Background(), "DROP DATABASE "+name); must(t, err) }()
	if _, err := tryOpen(t.Context(), strings.Replace(dsn, conn.Config().Database, name, 1)); err == nil || !strings.Contains(err.Error(), "ENCODING 'UTF8'") {
		t.Errorf("got %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	good := DefaultConfig()
	must(t, good.Validate())
	bad := Config{DSN: "postgres://h/d", DSNFile: "/x"}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, key := range []string{"max_connections", "max_snapshots", "connect_timeout", "statement_timeout", "lock_timeout", "idle_transaction_timeout", "dsn_file"} {
		if !strings.Contains(err.Error(), "\n"+key+": ") && !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s is not refused: %v", key, err)
		}
	}
	bad = DefaultConfig()
	bad.DSN = "postgres://h"
	if err := bad.Validate(); err == nil || !strings.HasPrefix(err.Error(), "dsn: ") {
		t.Errorf("got %v", err)
	}
}
