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
// blocks that the standby knows nothing of.
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
	commit(t, c, cutOf(3, 0, 3, 10))
	commit(t, c, cutOf(4, late, 3, 10))
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
	state, pairs, err := c.Progress(ctx, 0, 0)
	must(t, err)
	if state.Position.Cut != 2 || len(pairs) != 0 {
		t.Fatalf("at %+v", state)
	}
	commit(t, c, cutOf(3, 0, 3, 10))
	commit(t, c, cutOf(4, late, 3, 10))
	mergeBlock(t, c, 0)
	commit(t, c, cutOf(5, late, 3, 10))
	must(t, c.Sweep(context.WithoutCancel(ctx), time.Now().Add(time.Hour)))
	if got := readAll(t, openSnapshot(t, c), 1, 2, 3); len(got) != 15 {
		t.Errorf("%d chunks", len(got))
	}
	wantTables(t, db, "at the end", 2)
}
