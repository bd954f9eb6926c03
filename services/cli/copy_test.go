//go:build unix

package cli

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/dbcopy"
)

func TestCopyMistakes(t *testing.T) {
	t.Parallel()
	dsn := "ESMON_POSTGRES_DSN=postgres://x:secret@127.0.0.1:1/x"
	empty := t.TempDir()
	for _, c := range []struct {
		line, environ, want string
		code                int
	}{
		{"copy now", "", "\"now\" is too much: `esmon copy` takes flags only; `esmon copy --help` lists them", exitUsage},
		{"copy --from postgres --to sqlite", dsn, "--from postgres --to sqlite: only --from sqlite --to postgres can be copied; the other way round has no command", exitUsage},
		{"copy --to mysql", dsn, "--from sqlite --to mysql: only --from sqlite --to postgres can be copied; the other way round has no command", exitUsage},
		{"copy --data-dir " + empty, "", "no database is named to copy to; set ESMON_POSTGRES_DSN, or write --to-dsn or --config with a file that has db.dsn", exitUsage},
		{"copy --data-dir " + empty, dsn, "there is no es_monitor.db in " + empty + ": name the data directory of a server that keeps its data in SQLite with --data-dir", exitFailed},
		{"copy --data-dir " + shared.dir, dsn, "already runs a server on the data directory " + shared.dir, exitFailed},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			got := esmonWith(t, []string{c.environ}, strings.Fields(c.line)...)
			if got.code != c.code || got.out != "" || !strings.Contains(got.errout, c.want) || strings.Contains(got.errout, "secret") {
				t.Errorf("got %+v, want %d and %q", got, c.code, c.want)
			}
		})
	}
	if r := esmonWith(t, nil, "copy", "--data-dir", empty, "--to-dsn", "postgres://x:secret@h:port/x"); r.code != exitUsage || strings.Contains(r.errout, "secret") {
		t.Errorf("a wrong connection string: %+v", r)
	}
}

// TestCopyToPostgres copies what a server left, twice.
func TestCopyToPostgres(t *testing.T) {
	t.Parallel()
	pg, err := pgtest.StartServer(t.Context(), pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Remove(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	p := launch(t, dir, "A first question", "the server runs")
	p.await(t, p.errout)
	if r := esmon(t, "token", "create", "--uses", "3", "--data-dir", dir); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	if err := p.end(t, syscall.SIGTERM); err != nil {
		t.Fatalf("%v\n%s", err, p.errout)
	}
	dsn := pg.DSN("postgres")
	for _, want := range []string{"The copy is complete, and was read back and compared:", "The copy was complete already; both databases were compared again and hold the same:"} {
		r := esmonWith(t, nil, "copy", "--from", "sqlite", "--to", "postgres", "--data-dir", dir, "--to-dsn", dsn, "--log-level", "warn")
		if r.code != exitOK || !strings.HasPrefix(r.out, want+"\n  1 tokens, 0 agents\n") || !strings.Contains(r.out, "partition 0: ") || !strings.Contains(r.errout, "ingest log\n") {
			t.Errorf("want %q, got %+v", want, r)
		}
	}
	if err := pg.Exec(t.Context(), "UPDATE tokens SET used = used + 1"); err != nil {
		t.Fatal(err)
	}
	if r := esmonWith(t, []string{"ESMON_POSTGRES_DSN=" + dsn}, "copy", "--data-dir", dir); r.code != exitFailed || r.out != "" || !strings.Contains(r.errout, "source or target was used since; nothing was changed") {
		t.Errorf("a target that was used: %+v", r)
	}
}

func TestCopyReport(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(0, 0)
	r := &copyReport{w: &out, now: func() time.Time { return now }}
	p := dbcopy.Progress{Step: "chunks", AllBlocks: 3, AllBytes: 3 << 20}
	tell := func(after time.Duration, blocks int, bytes int64) {
		now = now.Add(after)
		p.Blocks, p.Bytes = blocks, bytes
		r.tell(p)
	}
	tell(0, 0, 0)
	tell(time.Second, 1, 1<<20)
	tell(time.Second, 1, 2<<20)
	tell(time.Second, 2, 2<<20)
	tell(time.Second/2, 3, 3<<20)
	r.tell(dbcopy.Progress{Step: "comparison", AllBlocks: 3})
	if want := "chunks\nchunks: 1 of 3 blocks, 2.0 MiB of 3.0 MiB, 1.0 MiB/s\nchunks: 3 of 3 blocks, 3.0 MiB of 3.0 MiB, 877.7 KiB/s\ncomparison\n"; out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}
