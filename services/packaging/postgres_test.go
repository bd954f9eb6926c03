package packaging_test

import (
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/db/postgres"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/settings"
)

// TestRolesAreEnoughAndNoMore makes the roles on a real server and does with each
// what the platform does with it, and what must be refused.
func TestRolesAreEnoughAndNoMore(t *testing.T) {
	t.Parallel()
	server, err := pgtest.StartServer(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
	psql(t, server.DSN("postgres"), "postgresql/roles.sql")
	dsn := func(role string) string { return as(t, server.DSN("esmon"), role) }

	if err := open(t, dsn("esmon_collector")); err == nil {
		t.Error("the collector's role made the schema: it must not be able to")
	}
	for _, role := range []string{"esmon_control", "esmon_storage", "esmon_collector", "esmon_alerting", "esmon_dispatch"} {
		if err := open(t, dsn(role)); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}

	// What one of the two makes, the other may drop.
	try(t, dsn("esmon_storage"), "CREATE TABLE block (n int)", true)
	try(t, dsn("esmon_control"), "ALTER TABLE block ADD m int", true)
	// A role that docs/deployment.md adds to an installation that lacks it.
	try(t, as(t, server.DSN("esmon"), "postgres"), "CREATE ROLE esmon_later LOGIN CONNECTION LIMIT 100 IN ROLE esmon_collector", true)
	for _, role := range []string{"esmon_collector", "esmon_alerting", "esmon_dispatch", "esmon_later"} {
		try(t, dsn(role), "INSERT INTO block VALUES (1)", true)
		try(t, dsn(role), "UPDATE block SET n = 2; SELECT * FROM block; DELETE FROM block", true)
		for _, statement := range []string{"DROP TABLE block", "TRUNCATE block", "ALTER TABLE block ADD k int", "CREATE TABLE mine (n int)", "SET ROLE esmon_owner"} {
			try(t, dsn(role), statement, false)
		}
	}
	try(t, dsn("esmon_storage"), "DROP TABLE block", true)
	alertingWorks(t, dsn("esmon_alerting"), dsn("esmon_dispatch"))

	for _, statement := range []string{"SELECT * FROM public.agents", "CREATE TABLE public.mine (n int)"} {
		try(t, dsn("esmon_monitor"), statement, false)
	}
	for _, role := range []string{"esmon_control", "esmon_storage", "esmon_collector", "esmon_alerting", "esmon_dispatch"} {
		try(t, dsn(role), "CREATE DATABASE other", false)
		try(t, dsn(role), "CREATE ROLE other", false)
		try(t, dsn(role), "COPY (SELECT 1) TO PROGRAM 'true'", false)
	}
	stranger := as(t, server.DSN("postgres"), "postgres")
	try(t, stranger, "CREATE ROLE stranger LOGIN", true)
	if conn, err := pgx.Connect(t.Context(), dsn("stranger")); err == nil {
		t.Error("a role that has no rights may connect to the database")
		_ = conn.Close(t.Context()) // the failure is told
	}

	if out := psql(t, dsn("esmon_monitor"), "monitoring/postgresql.sql"); !strings.Contains(out, "no standby") || strings.Contains(out, "wraparound") {
		t.Errorf("the questions of monitoring should find that there is no standby and nothing else:\n%s", out)
	}
}

// open opens the database as the platform does.
func open(t *testing.T, dsn string) error {
	t.Helper()
	cfg := postgres.DefaultConfig()
	cfg.DSN = settings.Secret(dsn)
	db, err := postgres.Open(t.Context(), cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	return db.Close()
}

// try runs a statement and wants it to work, or to be refused for lack of rights.
func try(t *testing.T, dsn, statement string, works bool) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol)
	who := conn.Config().User
	switch {
	case works && err != nil:
		t.Errorf("%s, %s: %v", who, statement, err)
	case !works && err == nil:
		t.Errorf("%s may do: %s", who, statement)
	case !works && !strings.Contains(err.Error(), "(SQLSTATE 42501)"):
		t.Errorf("%s, %s: refused for another reason: %v", who, statement, err)
	}
}

// as returns the connection string with another user.
func as(t *testing.T, dsn, role string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}

// psql runs a file as operators do.
func psql(t *testing.T, dsn, file string) string {
	t.Helper()
	program, err := exec.LookPath("psql")
	if err != nil {
		t.Fatalf("psql is needed: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-X", "-A", "-v", "ON_ERROR_STOP=1", "-f", file, dsn)
	cmd.Env = append(os.Environ(), "PGOPTIONS=", "HOME="+filepath.Dir(t.TempDir()))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("psql -f %s: %v\n%s", file, err, out)
	}
	return string(out)
}
