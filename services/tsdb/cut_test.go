package tsdb_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// TestFailedCutIsTriedAgain checks that a database that fails loses and doubles
// nothing, and that queries go on seeing the rows.
func TestFailedCutIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.write(1, sample{"a", 0, 1}, sample{"b", 0, 2})
	broken := errors.New("disk on fire")
	r.store.set(func(s *faultyStore) { s.failCommit = broken })
	if _, err := r.db.Cut(t.Context(), 0); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	r.write(2, sample{"a", time.Second, 3})
	want := map[string][]string{"a": {"0s=1", "1s=3"}, "b": {"0s=2"}}
	if got := r.all(); !reflect.DeepEqual(got, want) {
		t.Errorf("while the database fails: %v", got)
	}
	if r.db.Seal(0) {
		t.Error("a second cut began while one is under way")
	}
	r.store.set(func(s *faultyStore) { s.failCommit = nil })
	if pos := r.cut(); pos.Cut != 2 || pos.Offset != 3 {
		t.Errorf("stored up to %+v", pos)
	}
	r.open() // only what is stored is left
	if got := r.all(); !reflect.DeepEqual(got, want) {
		t.Errorf("after a restart: %v", got)
	}
}

// TestCommitThatHappenedAndFailed is a connection that broke after the commit:
// the next try conflicts, and reloading puts everything right.
func TestCommitThatHappenedAndFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.write(1, sample{"a", 0, 1})
	r.cut()
	r.write(2, sample{"a", time.Second, 2})
	r.store.set(func(s *faultyStore) { s.afterCommit = errors.New("connection reset") })
	if _, err := r.db.Cut(t.Context(), 0); err == nil {
		t.Fatal("no error")
	}
	r.store.set(func(s *faultyStore) { s.afterCommit = nil })
	if _, err := r.db.Commit(t.Context(), 0); !errors.Is(err, tsdb.ErrConflict) {
		t.Fatalf("the second try gave %v", err)
	}
	if err := r.db.Reload(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	pos := r.db.Position(0)
	if pos.Offset != 3 || pos.Cut != 2 {
		t.Errorf("reloaded at %+v", pos)
	}
	r.write(3, sample{"a", 2 * time.Second, 3})
	r.cut()
	want := map[string][]string{"a": {"0s=1", "1s=2", "2s=3"}}
	if got := r.all(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestReplayCountsOnce replays records that are stored, as a reader does that is
// given an old position.
func TestReplayCountsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.RecentFor = 0 })
	rows := []sample{{"a", 0, 1}, {"a", time.Second, 2}, {"b", 0, 5}}
	r.write(1, rows...)
	r.cut()
	r.write(2, rows...)
	r.cut()
	r.write(3, rows...)
	want := map[string][]string{"a": {"0s=1", "1s=2"}, "b": {"0s=5"}}
	if got := r.all(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestLowestOffsetWins writes other values for a time that has one.
func TestLowestOffsetWins(t *testing.T) {
	t.Parallel()
	for cutAfter := range 4 {
		t.Run(fmt.Sprintf("cut after record %d", cutAfter), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			for i := range 3 {
				r.write(int64(i+1), sample{"a", 0, float64(i)}, sample{"a", 0, float64(10 + i)})
				if i+1 == cutAfter {
					r.cut()
				}
			}
			want := map[string][]string{"a": {"0s=0"}}
			if got := r.all(); !reflect.DeepEqual(got, want) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestCutDue(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.CutRows, c.CutEvery, c.HeadBytes = 3, time.Minute, 1<<20 })
	r.cut() // stores where the log begins
	if r.db.CutDue(0, time.Hour) {
		t.Error("due with nothing to store")
	}
	r.write(1, sample{"a", 0, 1})
	if r.db.CutDue(0, 59*time.Second) {
		t.Error("due too early")
	}
	if !r.db.CutDue(0, time.Minute) {
		t.Error("not due after the longest time")
	}
	r.write(2, sample{"a", 1, 1}, sample{"a", 2, 1}, sample{"a", 3, 1})
	if r.db.CutDue(0, time.Second) || !r.db.CutDue(0, 10*time.Second) {
		t.Error("with enough rows it is due after a few seconds")
	}
	hosts := func(from, to int) (rows []sample) {
		for i := from; i < to; i++ {
			rows = append(rows, sample{fmt.Sprint("host", i), 0, 1})
		}
		return rows
	}
	r.write(3, hosts(0, 1000)...)
	if !r.db.CutDue(0, 0) {
		t.Errorf("not due with %d bytes of %d", r.db.Stats().HeadBytes, r.cfg.HeadBytes)
	}
	r.write(4, hosts(1000, 3000)...)
	if !r.db.Full(0) {
		t.Errorf("not full with %d bytes of %d", r.db.Stats().HeadBytes, r.cfg.HeadBytes)
	}
	r.cut()
	if r.db.Full(0) || r.db.CutDue(0, time.Hour) {
		t.Error("full or due after the cut")
	}
}

// TestAnotherLog goes on with a log of another id, as after a loss of the log.
func TestAnotherLog(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.write(1, sample{"a", 0, 1})
	r.write(2, sample{"a", time.Second, 2})
	r.cut()
	r.db.Begin(0, "log-b", 1)
	r.write(1, sample{"a", 2 * time.Second, 3}, sample{"a", time.Second, 99})
	if pos := r.cut(); pos.LogID != "log-b" || pos.Offset != 2 || pos.Cut != 2 {
		t.Errorf("stored up to %+v", pos)
	}
	want := map[string][]string{"a": {"0s=1", "1s=2", "2s=3"}}
	if got := r.all(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
