package tsdb_test

import (
	"testing"

	"github.com/esolutions/esmon/services/tsdb"
)

// TestFollowIntoACopy checks that the first cut over a copied database, whose
// position is of no log, is followed as any other is.
func TestFollowIntoACopy(t *testing.T) {
	t.Parallel()
	leader := newRig(t, nil)
	if err := leader.store.Commit(t.Context(), &tsdb.Cut{To: tsdb.Position{Offset: 1, Cut: 41}, Now: epoch}); err != nil {
		t.Fatal(err)
	}
	leader.open()
	follower := leader.beside()
	for _, r := range []*rig{leader, follower} {
		r.db.Begin(0, "log-a", 1)
		r.write(1, sample{"a", 0, 1})
	}
	follower.wantFollow(tsdb.Level)
	pos := leader.cut()
	if want := (tsdb.Position{LogID: "log-a", Offset: 2, Cut: 42, ID: pos.ID}); pos != want || pos.ID == 0 {
		t.Errorf("the first cut has position %+v", pos)
	}
	follower.wantFollow(tsdb.Sealed)
	follower.want("the follower", map[string][]string{"a": {"0s=1"}})
}
