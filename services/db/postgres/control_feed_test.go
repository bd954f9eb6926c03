package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/control"
)

// begin starts a transaction that changes an agent, on a connection of its own.
func begin(t *testing.T, db *DB, id, site string) pgx.Tx {
	t.Helper()
	tx, err := db.snapshots.Begin(t.Context())
	must(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) }) // committed
	_, err = tx.Exec(t.Context(), "UPDATE agents SET host_id = $2 WHERE id = $1", id, site)
	must(t, err)
	return tx
}

// A transaction that began before others and is committed after them, while the
// feed is read in between.
func TestFeedCommitsOutOfOrder(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	s := db.Control()
	enrol(t, s, "a1", "a2", "a3")
	cursor := nowCursor(t, s)
	early := begin(t, db, "a1", "x")
	wantNews(t, s, &cursor)
	late := begin(t, db, "a2", "x")
	must(t, s.SetCertificateEnd(t.Context(), "a3", time.Now()))
	wantNews(t, s, &cursor, "a3")
	wantNews(t, s, &cursor)
	must(t, late.Commit(t.Context()))
	wantNews(t, s, &cursor, "a2")
	must(t, early.Commit(t.Context()))
	wantNews(t, s, &cursor, "a1")
	wantNews(t, s, &cursor)
}

// The same between two pages: what is committed then belongs before the rows of
// the first.
func TestFeedCommitsBetweenPages(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	s := db.Control()
	enrol(t, s, "a0", "a1", "a2", "a3")
	cursor := nowCursor(t, s)
	early := begin(t, db, "a0", "x")
	for _, id := range []string{"a1", "a2", "a3"} {
		must(t, s.SetCertificateEnd(t.Context(), id, time.Now()))
	}
	var got []string
	for page := 0; ; page++ {
		c, err := s.AgentChanges(t.Context(), cursor, 2)
		must(t, err)
		for _, a := range c.Agents {
			got = append(got, a.ID)
		}
		cursor = c.Next
		if page == 0 {
			must(t, early.Commit(t.Context()))
		}
		if !c.More {
			break
		}
	}
	wantNews(t, s, &cursor, "a0")
	wantNews(t, s, &cursor)
	if strings.Join(got, " ") != "a1 a2 a3" {
		t.Errorf("on the pages: %q", got)
	}
}

// A transaction that was rolled back, and one within savepoints.
func TestFeedSubtransactions(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	s := db.Control()
	enrol(t, s, "a1", "a2")
	cursor := nowCursor(t, s)
	must(t, begin(t, db, "a1", "x").Rollback(t.Context()))
	wantNews(t, s, &cursor)
	tx, err := db.snapshots.Begin(t.Context())
	must(t, err)
	inner, err := tx.Begin(t.Context())
	must(t, err)
	_, err = inner.Exec(t.Context(), "UPDATE agents SET host_id = 'x' WHERE id = 'a2'")
	must(t, err)
	must(t, inner.Commit(t.Context()))
	wantNews(t, s, &cursor)
	must(t, tx.Commit(t.Context()))
	wantNews(t, s, &cursor, "a2")
}

// Rows of a dump that was restored on a server with fewer transactions.
func TestRevisionsOfAnotherServer(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	enrol(t, db.Control(), "a1", "a2")
	// Far, and the very next one.
	_, err := db.pool.Exec(t.Context(), "UPDATE agents SET revision = '99999999999' WHERE id = 'a1'")
	must(t, err)
	must(t, db.healRevisions(t.Context()))
	var future int
	must(t, db.pool.QueryRow(t.Context(), "SELECT count(*) FROM agents WHERE revision >= pg_snapshot_xmax(pg_current_snapshot())").Scan(&future))
	if future != 0 {
		t.Errorf("%d agents have revisions to come", future)
	}
	cursor := nowCursor(t, db.Control())
	wantNews(t, db.Control(), &cursor)
}

func TestCursorText(t *testing.T) {
	t.Parallel()
	for _, want := range []cursor{
		{history: "h", snapshot: "10:12:11"},
		{history: "h", snapshot: "10:12:", paging: true, revision: 1<<64 - 1, id: "a/b/c"},
		{history: "h", snapshot: "10:12:", paging: true, id: ""},
	} {
		if got, ok := parseCursor(want.String()); !ok || got != want {
			t.Errorf("%+v became %+v, %t", want, got, ok)
		}
	}
	db := openTest(t)
	history, _, _ := strings.Cut(nowCursor(t, db.Control()), "/")
	for i, text := range []string{"", "/", "5:4:", "4:5:9", "::", "1:2:3/x/id", "1:2:/1", "1:2:/1/\x00", "99999999999999999999:99999999999999999999:", "9999999999:9999999999:"} {
		if c, err := db.Control().AgentChanges(t.Context(), history+"/"+text, 10); !errors.Is(err, control.ErrCursorLost) {
			t.Errorf("%d: %q: got %+v, %v", i, text, c, err)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, text := range []string{"h/10:12:11", "h/10:12:/18446744073709551615/a/b", "", "/", "h/1:2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parseCursor(text)
		if !ok {
			return
		}
		if again, ok := parseCursor(c.String()); !ok || again != c {
			t.Errorf("%q is %+v, written and read again %+v, %t", text, c, again, ok)
		}
	})
}
