package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { Main(m) }

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func count(t *testing.T, dsn string) (n int) {
	t.Helper()
	if err := connect(t, dsn).QueryRow(t.Context(), "SELECT count(*) FROM x").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	for range 2 {
		execute(t, connect(t, DSN(t)), "CREATE TABLE x (a int)")
	}
}

// What depends on the server's locale must show in tests.
func TestLocaleSortsByLanguage(t *testing.T) {
	t.Parallel()
	var less bool
	must(t, connect(t, DSN(t)).QueryRow(t.Context(), "SELECT 'a' < 'B'").Scan(&less))
	if !less {
		t.Error("the server compares bytewise: a missing COLLATE would not show")
	}
}

func TestKilledServerKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	s, err := StartServer(t.Context(), Options{Durable: true})
	must(t, err)
	t.Cleanup(func() { must(t, s.Remove()) })
	execute(t, connect(t, s.DSN("postgres")), "CREATE TABLE x AS SELECT 1")
	must(t, s.Freeze())
	must(t, s.Kill())
	if s.Running() {
		t.Error("it still runs")
	}
	must(t, s.Start(t.Context()))
	if n := count(t, s.DSN("postgres")); n != 1 {
		t.Errorf("%d rows", n)
	}
	must(t, s.Restart(t.Context()))
}

func TestClusterFailsOver(t *testing.T) {
	t.Parallel()
	c := StartClusterT(t)
	ctx := t.Context()
	execute(t, connect(t, c.DSN("postgres")), "CREATE TABLE x AS SELECT 1")
	must(t, c.B.WaitCaughtUp(ctx, c.A))
	must(t, c.A.Kill())
	must(t, c.B.Promote(ctx))
	execute(t, connect(t, c.DSN("postgres")), "INSERT INTO x VALUES (2)")
	must(t, c.A.FollowAnew(ctx, c.B))
	must(t, c.A.WaitCaughtUp(ctx, c.B))
	if n := count(t, c.A.DSN("postgres")); n != 2 {
		t.Errorf("%d rows", n)
	}
}

func TestStandbyLags(t *testing.T) {
	t.Parallel()
	c := StartClusterT(t)
	ctx := t.Context()
	conn := connect(t, c.DSN("postgres"))
	execute(t, conn, "CREATE TABLE x (a int)")
	must(t, c.B.WaitCaughtUp(ctx, c.A))

	must(t, c.B.PauseReplay(ctx))
	execute(t, conn, "INSERT INTO x VALUES (1)")
	must(t, c.B.ResumeReplay(ctx))
	must(t, c.B.WaitCaughtUp(ctx, c.A))

	must(t, c.B.StopReceiving(ctx))
	execute(t, conn, "INSERT INTO x VALUES (2)")
	must(t, c.B.StartReceiving(ctx, c.A))
	must(t, c.B.WaitCaughtUp(ctx, c.A))

	must(t, c.B.StopReceiving(ctx))
	execute(t, conn, "INSERT INTO x VALUES (3)")
	must(t, c.A.Kill())
	must(t, c.B.Promote(ctx))
	if n := count(t, c.B.DSN("postgres")); n != 2 {
		t.Errorf("the promoted standby has %d rows, want those of before it was cut off", n)
	}
}
