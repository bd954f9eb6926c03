package tsdb_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// standby copies the database as it is now. What is returned puts the copy in its
// place, for all who use it: a standby that lags takes over.
func (r *rig) standby() (failover func()) {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "standby.db")
	db, err := sql.Open("sqlite", r.file.Path())
	if err == nil {
		_, err = db.ExecContext(r.t.Context(), "VACUUM INTO ?", path)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return func() {
		r.file = openFile(r.t, path)
		r.store.Store = r.file.Chunks()
	}
}

// cutOf stores what was read of a partition.
func (r *rig) cutOf(partition int) {
	r.t.Helper()
	if _, err := r.db.Cut(r.t.Context(), partition); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) reload(partition int) {
	r.t.Helper()
	if err := r.db.Reload(r.t.Context(), partition); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) wantConflict(partition int) {
	r.t.Helper()
	if _, err := r.db.Cut(r.t.Context(), partition); !errors.Is(err, tsdb.ErrConflict) {
		r.t.Fatalf("a cut of partition %d: %v, want a conflict", partition, err)
	}
}

// wantResolved checks that the database has the definitions of all pairs it has.
func (r *rig) wantResolved() {
	r.t.Helper()
	state, err := r.store.Load(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	known := map[any]bool{}
	for _, d := range state.Schemas {
		known[d.ID] = true
	}
	for _, d := range state.Entities {
		known[d.ID] = true
	}
	for _, d := range state.Pairs {
		if !known[d.Schema] || !known[d.Entity] {
			r.t.Errorf("pair %d of partition %d has no definitions", d.ID, d.Partition)
		}
	}
}

// TestFollowerOfLostCuts lets the database go back behind a cut that a follower has
// made, and another leader cut again, before the follower looks: at the same records
// but with other ids of pairs, or at other records.
func TestFollowerOfLostCuts(t *testing.T) {
	t.Parallel()
	log := []sample{{"a", 0, 1}, {"b", 0, 2}, {"c", 0, 3}, {"b", time.Second, 4}}
	tests := map[string]struct {
		first  int   // records of the log that the lost cut goes up to
		recuts []int // the same of those in its place, before the follower looks
	}{
		"the same position":                 {3, []int{3}},
		"the same number":                   {3, []int{2}},
		"the next one, on the same records": {3, []int{3, 4}},
		"the next one, on fewer records":    {3, []int{2, 4}},
		"the next one, on more records":     {2, []int{3, 4}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leader := newRig(t, func(c *tsdb.Config) { c.RecentFor = time.Hour })
			follower := leader.beside()
			follower.wantFollow(tsdb.Level)
			read := func(r *rig, from, to int) {
				for n := from; n <= to; n++ {
					r.write(int64(n), log[n-1])
				}
			}
			read(leader, 1, 1)
			read(follower, 1, 4)
			leader.cut()
			follower.wantFollow(tsdb.Sealed)
			next := leader.beside()
			failover := leader.standby()
			read(leader, 2, c.first)
			leader.cut()
			follower.wantFollow(tsdb.Sealed)

			failover()
			next.db.Begin(1, "log-b", 1)
			next.writeTo(1, 1, sample{"c", 0, 3}) // it knows c before b, and numbers them so
			at := 1
			for _, to := range c.recuts {
				read(next, at+1, to)
				next.cut()
				at = to
			}
			follower.advance(2 * time.Hour)
			follower.db.Trim() // from here on it asks the database for what it had stored
			follower.wantFollow(tsdb.Astray)
			follower.reload(0)
			_, offset := follower.db.Next(0)
			read(follower, int(offset), at)
			follower.wantFollow(tsdb.Level)
			follower.want("the follower", leader.beside().all())
			want := map[string][]string{}
			for _, s := range log[:at] {
				want[s.host] = append(want[s.host], s.at.String()+"="+string(rune('0'+int(s.value))))
			}
			follower.want("the follower", want)

			read(next, at+1, len(log)) // and it follows on
			read(follower, at+1, len(log))
			next.db.Begin(0, "log-a", 5)
			next.write(5, sample{"d", 0, 5})
			follower.write(5, sample{"d", 0, 5})
			next.cut()
			follower.wantFollow(tsdb.Sealed)
			follower.want("the follower at last", leader.beside().all())
		})
	}
}

// TestLostDefinition loses a cut of one partition that brought a definition, and then
// stores a cut of another that needs it, by a process that holds it for stored.
func TestLostDefinition(t *testing.T) {
	t.Parallel()
	for name, learn := range map[string]func(first, early *rig) *rig{
		"the one that stored it":    func(first, _ *rig) *rig { return first },
		"one that started after it": func(first, _ *rig) *rig { return first.beside() },
		"one that reloaded after it": func(_, early *rig) *rig {
			early.reload(1)
			return early
		},
		"one that took over after it": func(_, early *rig) *rig {
			if err := early.db.Lead(t.Context(), 1); err != nil {
				t.Error(err)
			}
			return early
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := newRig(t, nil)
			early := first.beside()
			first.write(1, sample{"a", 0, 1})
			first.cut()
			failover := first.standby()
			first.write(2, sample{"x", 0, 2})
			first.cut()
			second := learn(first, early)
			failover()

			read := func() {
				second.db.Begin(1, "log-b", 1)
				second.writeTo(1, 1, sample{"x", time.Second, 3})
			}
			read()
			second.wantConflict(1)
			second.reload(1)
			read()
			second.cutOf(1)
			first.beside().want("a process that starts", map[string][]string{"a": {"0s=1"}, "x": {"1s=3"}})
			first.beside().wantResolved()

			first.write(3, sample{"a", time.Second, 4})
			first.wantConflict(0)
			first.reload(0)
			first.write(2, sample{"x", 0, 2})
			first.write(3, sample{"a", time.Second, 4})
			first.cut()
			second.writeTo(1, 2, sample{"x", 2 * time.Second, 5})
			second.cutOf(1)
			first.write(4, sample{"a", 2 * time.Second, 6})
			first.cut()
			want := map[string][]string{"a": {"0s=1", "1s=4", "2s=6"}, "x": {"0s=2", "1s=3", "2s=5"}}
			first.beside().want("a process that starts at last", want)
			first.beside().wantResolved()
		})
	}
}

// TestRequiredPartitionGoesOn has a partition cut on by another process, further than
// the Store knows cuts. Who follows it need not reload to store its own; who does not
// look reloads once.
func TestRequiredPartitionGoesOn(t *testing.T) {
	t.Parallel()
	leader := newRig(t, nil)
	leader.write(1, sample{"a", 0, 1})
	leader.cut()
	follower, blind := leader.beside(), leader.beside()
	at := leader.db.Position(0)
	for offset := int64(2); offset < 5; offset++ {
		to := tsdb.Position{LogID: at.LogID, Offset: offset + 1, Cut: at.Cut + tsdb.LineageLength - 1, ID: offset}
		if err := leader.store.Commit(t.Context(), &tsdb.Cut{From: at, To: to, Now: epoch}); err != nil {
			t.Fatal(err)
		}
		at = to
		follower.write(offset)
		follower.wantFollow(tsdb.Sealed)
	}
	follower.db.Begin(1, "log-b", 1)
	follower.writeTo(1, 1, sample{"a", time.Second, 2})
	follower.cutOf(1)

	blind.db.Begin(2, "log-c", 1)
	blind.writeTo(2, 1, sample{"a", 2 * time.Second, 3})
	blind.wantConflict(2)
	blind.reload(2)
	blind.db.Begin(2, "log-c", 1)
	blind.writeTo(2, 1, sample{"a", 2 * time.Second, 3})
	blind.cutOf(2)
	leader.beside().want("a process that starts", map[string][]string{"a": {"0s=1", "1s=2", "2s=3"}})
}
