package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/settings"
)

// openImpatient opens a database with short time limits.
func openImpatient(t *testing.T, dsn string) *DB {
	t.Helper()
	cfg := DefaultConfig()
	cfg.DSN = settings.Secret(dsn)
	cfg.ConnectTimeout, cfg.StatementTimeout, cfg.LockTimeout = time.Second, 2*time.Second, time.Second
	db, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// eventually calls f until it succeeds.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("never: %s: %v", what, err)
}

func (db *DB) testWrite(t *testing.T, name string) error {
	_, err := db.Leases().Take(t.Context(), name, "me", time.Hour)
	return err
}

// names returns the leases by name.
func (db *DB) testNames(t *testing.T) string {
	t.Helper()
	list, err := db.Leases().Leases(t.Context())
	must(t, err)
	var names []string
	for _, l := range list {
		names = append(names, l.Name)
	}
	return strings.Join(names, " ")
}

func TestFollowsPromotion(t *testing.T) {
	t.Parallel()
	c := pgtest.StartClusterT(t)
	db := openImpatient(t, c.DSN("postgres"))
	must(t, db.testWrite(t, "before"))
	must(t, c.B.WaitCaughtUp(t.Context(), c.A))
	must(t, c.A.Kill())
	eventually(t, "the error says that no server takes writes", func() error {
		err := db.testWrite(t, "lost")
		if err == nil {
			t.Fatal("a standby took a write")
		}
		for _, part := range []string{"take lease lost", c.A.Address(), "connection refused", c.B.Address(), "promote a standby or start the primary"} {
			if !strings.Contains(err.Error(), part) {
				return err
			}
		}
		return nil
	})
	must(t, c.B.Promote(t.Context()))
	eventually(t, "the promoted server takes writes", func() error { return db.testWrite(t, "after") })
	if got := db.testNames(t); got != "after before" {
		t.Errorf("leases %q", got)
	}

	// And back, in order: the old primary follows and takes over.
	must(t, c.A.FollowAnew(t.Context(), c.B))
	must(t, c.B.Stop(t.Context()))
	must(t, c.A.Promote(t.Context()))
	eventually(t, "the first server takes writes again", func() error { return db.testWrite(t, "back") })
	if got := db.testNames(t); got != "after back before" {
		t.Errorf("leases %q", got)
	}
}

// A primary that hangs: its connections stay open and it takes new ones, and
// nobody answers. A statement without a deadline ends all the same.
func TestFrozenPrimaryIsLeft(t *testing.T) {
	t.Parallel()
	c := pgtest.StartClusterT(t)
	db := openImpatient(t, c.DSN("postgres"))
	must(t, db.testWrite(t, "before"))
	var conns []*pgxpool.Conn
	for range db.pool.Config().MaxConns {
		conn, err := db.pool.Acquire(t.Context())
		must(t, err)
		conns = append(conns, conn)
	}
	must(t, c.B.WaitCaughtUp(t.Context(), c.A))
	must(t, c.A.Freeze())
	if _, err := conns[0].Exec(t.Context(), "SELECT 1"); err == nil {
		t.Fatal("a frozen server answered")
	}
	for _, conn := range conns {
		conn.Release()
	}
	eventually(t, "the other connections are given up, too", func() error {
		if n := db.pool.Stat().TotalConns(); n > 0 {
			return fmt.Errorf("%d are kept", n)
		}
		return nil
	})
	must(t, c.B.Promote(t.Context()))
	eventually(t, "the promoted server takes writes", func() error { return db.testWrite(t, "after") })
	must(t, c.A.Thaw()) // both take writes now; who went over stays
	db.pool.Reset()
	must(t, db.testWrite(t, "stays"))
	if got := db.testNames(t); got != "after before stays" {
		t.Errorf("leases %q", got)
	}
}

// A primary that takes no writes any more, with all connections open.
func TestReadOnlyServerIsLeft(t *testing.T) {
	t.Parallel()
	c := pgtest.StartClusterT(t)
	db := openImpatient(t, c.DSN("postgres"))
	must(t, db.testWrite(t, "before"))
	must(t, c.B.WaitCaughtUp(t.Context(), c.A))
	must(t, c.A.Exec(t.Context(), "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"))
	eventually(t, "the server refuses writes", func() error {
		if err := db.testWrite(t, "before"); err == nil {
			return errors.New("it takes writes")
		} else if !hasCode(err, "25006") || !strings.Contains(err.Error(), "became a standby") {
			t.Fatalf("got %v", err)
		}
		return nil
	})
	must(t, c.B.Promote(t.Context()))
	must(t, db.testWrite(t, "after"))
	if err := db.snapshots.QueryRow(t.Context(), "SELECT").Scan(); err != nil {
		t.Errorf("queries: %v", err)
	}
}

// A standby that is promoted without the last commits: what it lacks is gone, and
// a cursor that knows it is refused, even after as many transactions.
func TestPromotedStandbyLags(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := pgtest.StartClusterT(t)
	db := openImpatient(t, c.DSN("postgres"))
	s := db.Control()
	enrol(t, s, "kept")
	must(t, c.B.WaitCaughtUp(ctx, c.A))
	must(t, c.B.StopReceiving(ctx))
	enrol(t, s, "lost")
	ahead := nowCursor(t, s)
	must(t, c.A.Kill())
	must(t, c.B.Promote(ctx))
	eventually(t, "the cursor is refused", func() error {
		switch _, err := s.AgentChanges(ctx, ahead, 10); {
		case err == nil:
			t.Fatal("a cursor of another history passed")
		case !errors.Is(err, control.ErrCursorLost):
			return err
		}
		return nil
	})
	if _, err := s.Agent(ctx, "lost"); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("the standby did not lag: %v", err)
	}
	for range 20 {
		must(t, s.SetCertificateEnd(ctx, "kept", time.Now()))
	}
	if _, err := s.AgentChanges(ctx, ahead, 10); !errors.Is(err, control.ErrCursorLost) {
		t.Errorf("when the numbers of transactions came again: %v", err)
	}
	anew := nowCursor(t, s)
	enrol(t, s, "lost")
	wantNews(t, s, &anew, "lost")
}

// A backend that crashes takes the others' transactions with it, and the server
// goes on; numbers of transactions may come again.
func TestCrashInPlace(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server, err := pgtest.StartServer(ctx, pgtest.Options{Durable: true})
	must(t, err)
	t.Cleanup(func() { must(t, server.Remove()) })
	db := openImpatient(t, server.DSN("postgres"))
	s := db.Control()
	enrol(t, s, "a1")
	at := nowCursor(t, s)
	var pid int
	must(t, db.snapshots.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid))
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	eventually(t, "the cursor is refused", func() error {
		_, err := s.AgentChanges(ctx, at, 10)
		if errors.Is(err, control.ErrCursorLost) {
			return nil
		}
		return errors.Join(errors.New("the cursor passes, or the server is not back"), err)
	})
	enrol(t, s, "a2")

	at = nowCursor(t, s)
	must(t, server.Restart(ctx))
	eventually(t, "the server is back", func() error { return db.testWrite(t, "x") })
	if _, err := s.AgentChanges(ctx, at, 10); !errors.Is(err, control.ErrCursorLost) {
		t.Errorf("after a restart: %v", err)
	}
}

func nowCursor(t *testing.T, s *Control) string {
	t.Helper()
	c, err := s.AgentChanges(t.Context(), "", 1)
	must(t, err)
	return c.Next
}

// wantNews reads one page of ten and moves the cursor.
func wantNews(t *testing.T, s *Control, cursor *string, want ...string) {
	t.Helper()
	c, err := s.AgentChanges(t.Context(), *cursor, 10)
	must(t, err)
	var got []string
	for _, a := range c.Agents {
		got = append(got, a.ID)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("news of %q, want %q", got, want)
	}
	*cursor = c.Next
}

func enrol(t *testing.T, s *Control, ids ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	now := time.UnixMilli(1_790_000_000_000)
	err := s.CreateToken(ctx, control.Token{ID: "t" + ids[0], SecretHash: []byte("h"), Uses: 100, Created: now, Expires: now.Add(time.Hour)}, 1000)
	must(t, err)
	for _, id := range ids {
		_, _, err := s.Enrol(ctx, control.Agent{ID: id, TokenID: "t" + ids[0], KeyHash: []byte(id), Enrolled: now, CertificateEnd: now}, 1000)
		must(t, err)
	}
}
