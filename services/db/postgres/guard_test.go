package postgres

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/settings"
)

func TestTimeLimits(t *testing.T) {
	t.Parallel()
	db := openImpatient(t, pgtest.DSN(t))
	_, err := db.pool.Exec(t.Context(), "SELECT pg_sleep(60)")
	if err = failed(err, "sleep"); !hasCode(err, "57014") || !strings.Contains(err.Error(), "db.statement_timeout") {
		t.Errorf("a long statement: %v", err)
	}
	must(t, db.testWrite(t, "x"))
	err = db.Write(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE leases SET end_ms = 0")
		must(t, err)
		return db.testWrite(t, "x")
	})
	if !hasCode(err, "55P03") || !strings.Contains(err.Error(), "another process holds the lock") {
		t.Errorf("waiting for a lock: %v", err)
	}
	if err := db.testWrite(t, "x"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A process that is stopped within a transaction keeps others from nothing.
func TestIdleTransactionEnds(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.DSN, cfg.IdleTransactionTimeout = settings.Secret(pgtest.DSN(t)), time.Second
	db, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	must(t, db.testWrite(t, "x"))
	err = db.Write(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE leases SET end_ms = 0")
		must(t, err)
		return db.testWrite(t, "x") // waits for the lock until the other's time is up
	})
	if err == nil {
		t.Error("the transaction that idled was committed")
	}
}

func TestWriteIsAllOrNothing(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	insert := func(tx pgx.Tx, name string) {
		_, err := tx.Exec(t.Context(), "INSERT INTO leases VALUES ($1, 'h', $2)", name, time.Now().Add(time.Hour).UnixMilli())
		must(t, err)
	}
	boom := errors.New("boom")
	if err := db.Write(t.Context(), func(tx pgx.Tx) error { insert(tx, "a"); return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	func() {
		defer func() { _ = recover() }() // the panic below
		_ = db.Write(t.Context(), func(tx pgx.Tx) error { insert(tx, "b"); panic("bug") })
	}()
	ctx, cancel := context.WithCancel(t.Context())
	if err := db.Write(ctx, func(tx pgx.Tx) error { insert(tx, "c"); cancel(); return nil }); err == nil {
		t.Error("a cancelled transaction was committed")
	}
	must(t, db.Write(t.Context(), func(tx pgx.Tx) error { insert(tx, "d"); return nil }))
	if got := db.testNames(t); got != "d" {
		t.Errorf("leases %q", got)
	}
	if n := db.pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are still in use", n)
	}
}

// blackHole takes connections and answers nothing. It counts them.
func blackHole(t *testing.T) (address string, taken *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	taken = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				for _, c := range conns {
					_ = c.Close()
				}
				return
			}
			taken.Add(1)
			conns = append(conns, conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), taken
}

// The server that answered is asked first from then on.
func TestDeadHostIsAskedOnce(t *testing.T) {
	t.Parallel()
	hole, taken := blackHole(t)
	dsn := pgtest.DSN(t)
	db := openImpatient(t, strings.Replace(dsn, "@", "@"+hole+",", 1))
	before := taken.Load()
	if before == 0 {
		t.Fatal("the first server was not asked")
	}
	for range 3 {
		db.pool.Reset()
		must(t, db.testWrite(t, "x"))
	}
	if n := taken.Load(); n != before {
		t.Errorf("the dead server was asked %d times again", n-before)
	}
}

// A connection that broke shows that the others are broken, too; one that its
// caller gave up shows nothing.
func TestBrokenConnectionResetsThePool(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	pids := func() []int {
		t.Helper()
		var all []int
		var conns []interface{ Release() }
		for range 3 {
			c, err := db.pool.Acquire(t.Context())
			must(t, err)
			conns = append(conns, c)
			var pid int
			must(t, c.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
			all = append(all, pid)
		}
		for _, c := range conns {
			c.Release()
		}
		slices.Sort(all)
		return all
	}
	first := pids()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.pool.Exec(ctx, "SELECT pg_sleep(60)"); err == nil {
		t.Fatal("the call outlived its context")
	}
	kept := 0
	for _, pid := range pids() {
		if slices.Contains(first, pid) {
			kept++
		}
	}
	if kept < 2 {
		t.Errorf("a caller that gave up cost %d other connections", 2-kept)
	}
	second := pids()
	_, err := db.pool.Exec(t.Context(), "SELECT pg_terminate_backend(pg_backend_pid())")
	if !hasCode(err, "57P01") {
		t.Fatalf("got %v", err)
	}
	for _, pid := range pids() {
		if slices.Contains(second, pid) {
			t.Errorf("connection %d is as old as the one that broke", pid)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	cfg, reg := DefaultConfig(), prometheus.NewRegistry()
	cfg.DSN = settings.Secret(pgtest.DSN(t))
	db, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler), reg)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	if _, err := db.pool.Exec(t.Context(), "SELECT 1/0"); err == nil {
		t.Fatal("divided by zero")
	}
	_, _ = db.pool.Exec(t.Context(), "SELECT pg_terminate_backend(pg_backend_pid())")
	for name, want := range map[string]int{
		"esmon_postgres_statement_seconds": 1, "esmon_postgres_errors_total": 2, "esmon_postgres_resets_total": 1,
		"esmon_postgres_connections": 6, "esmon_postgres_connection_wait_seconds_total": 2,
	} {
		if n, err := testutil.GatherAndCount(reg, name); err != nil || n != want {
			t.Errorf("%s: %d series, want %d, %v", name, n, want, err)
		}
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
