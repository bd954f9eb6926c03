package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/tsdb"
)

// A standby that was behind becomes the primary: the position is an older one, so
// that the next cut is refused, and cuts can be stored again from there, also in
// blocks that the standby knows nothing of. The lost cuts are told from those in their
// place.
func TestDatabaseGoesBack(t *testing.T) {
	t.Parallel()
	cluster := pgtest.StartClusterT(t)
	db := openAt(t, cluster.DSN("postgres"))
	c := db.Chunks()
	const late = 7_200_000
	commit(t, c, cutOf(1, 0, 3, 10))
	commit(t, c, cutOf(2, 0, 3, 10))
	ctx := t.Context()
	must(t, cluster.B.WaitCaughtUp(ctx, cluster.A))
	must(t, cluster.B.StopReceiving(ctx))
	mergeBlock(t, c, 0)
	lost := []*tsdb.Cut{cutOf(3, 0, 3, 10), cutOf(4, late, 3, 10)}
	lost[0].To.ID = 33
	lost[1].From, lost[1].To.ID = lost[0].To, 44
	commit(t, c, lost[0])
	commit(t, c, lost[1])
	must(t, cluster.A.Kill())
	must(t, cluster.B.Promote(ctx))

	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = c.Commit(ctx, cutOf(5, late, 3, 10)); errors.Is(err, tsdb.ErrConflict) {
			break
		}
	}
	if !errors.Is(err, tsdb.ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	held := []tsdb.Position{lost[0].To}
	progress, err := c.Progress(ctx, 0, held, 0)
	must(t, err)
	if progress.Position.Cut != 2 || progress.Held || len(progress.Pairs) != 0 {
		t.Fatalf("at %+v", progress)
	}
	commit(t, c, cutOf(3, 0, 3, 10))
	commit(t, c, cutOf(4, late, 3, 10))
	if progress, err = c.Progress(ctx, 0, held, 0); err != nil || progress.Held {
		t.Errorf("the lost cut passes for the one in its place: %+v, %v", progress, err)
	}
	mergeBlock(t, c, 0)
	commit(t, c, cutOf(5, late, 3, 10))
	must(t, c.Sweep(context.WithoutCancel(ctx), time.Now().Add(time.Hour)))
	if got := readAll(t, openSnapshot(t, c), 1, 2, 3); len(got) != 15 {
		t.Errorf("%d chunks", len(got))
	}
	wantTables(t, db, "at the end", 2)
}
