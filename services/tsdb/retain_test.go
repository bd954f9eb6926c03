package tsdb_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/tsdb"
)

// TestRetention lets a host end and its data grow old: blocks go at the end of
// the retention, definitions a day later, and a host that comes back is whole.
func TestRetention(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.Retention, c.RecentFor = 24*time.Hour, time.Minute })
	r.write(1, sample{"old", 0, 1}, sample{"new", 0, 1})
	r.cut()
	for day := 1; day <= 3; day++ {
		r.advance(24*time.Hour + time.Minute)
		r.write(int64(1+day), sample{"new", r.clock().Sub(epoch), float64(day)})
		r.cut()
		r.db.Trim()
		if _, err := r.db.Retain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stats := r.db.Stats()
	if stats.Entities != 1 || stats.Pairs != 1 || stats.Schemas != 1 {
		t.Errorf("left: %+v", stats)
	}
	if got := r.all(); len(got["old"]) != 0 || len(got["new"]) != 2 {
		t.Errorf("left: %v", got)
	}
	r.open()
	if again := r.db.Stats(); again.Entities != 1 || again.Pairs != 1 {
		t.Errorf("after a restart: %+v", again)
	}
	at := r.clock().Sub(epoch)
	r.write(10, sample{"old", at, 7})
	r.cut()
	r.write(11, sample{"old", at + time.Second, 8})
	want := []string{(at).String() + "=7", (at + time.Second).String() + "=8"}
	if got := r.all(); !reflect.DeepEqual(got["old"], want) {
		t.Errorf("came back: %v", got)
	}
	r.cut()
	r.open()
	if got := r.all(); !reflect.DeepEqual(got["old"], want) {
		t.Errorf("came back, after a restart: %v", got)
	}
}

// TestRetentionKeepsWhatIsUsed checks that nothing goes that rows in memory or
// blocks still use, whatever its age.
func TestRetentionKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.Retention = 24 * time.Hour })
	r.write(1, sample{"unstored", 0, 1})
	r.advance(10 * 24 * time.Hour)
	if _, err := r.db.Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.db.Stats(); got.Pairs != 1 {
		t.Errorf("left: %+v", got)
	}
	r.cut()
	if _, err := r.db.Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	blocks, err := r.db.Blocks(t.Context())
	if err != nil || len(blocks) != 0 {
		t.Errorf("blocks left: %v, %v", blocks, err)
	}
	// The cut is still among the recent ones, and so its pair is in use.
	if got := r.db.Stats(); got.Pairs != 1 {
		t.Errorf("left: %+v", got)
	}
	r.advance(time.Hour)
	r.db.Trim()
	if _, err := r.db.Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	// It has the highest number, which no other must get after a restart.
	if got := r.db.Stats(); got.Pairs != 1 {
		t.Errorf("left: %+v", got)
	}
	r.write(2, sample{"young", r.clock().Sub(epoch), 2})
	r.cut()
	if _, err := r.db.Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.db.Stats(); got.Pairs != 1 || got.Entities != 1 || len(r.all()["young"]) != 1 {
		t.Errorf("left at last: %+v", got)
	}
}

// TestRefsOfCollectedPairs has a query open while its pair is collected and the
// number is given to another pair: the query must not see the other's rows.
func TestRefsOfCollectedPairs(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.Retention, c.RecentFor, c.RecentBytes = 24*time.Hour, 0, 0 })
	r.write(1, sample{"old", 0, 1}, sample{"with the highest number", 0, 1})
	r.cut()
	r.db.Trim()
	q := r.querier()
	list, err := q.Select(t.Context(), []tsdb.Matcher{testValue}, tsdb.SelectOptions{})
	if err != nil || len(list) != 2 {
		t.Fatalf("%d series, %v", len(list), err)
	}
	r.advance(5 * 24 * time.Hour)
	if _, err := r.db.Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := r.db.Stats().Pairs; n != 1 {
		t.Fatalf("%d pairs left", n)
	}
	r.write(2, sample{"young", r.clock().Sub(epoch), 2})
	r.cut()
	var got tsdb.Samples
	if err := list[0].Samples(&got); err != nil {
		t.Fatal(err)
	}
	if len(got.T) != 0 {
		t.Errorf("a query of the collected pair sees %v", got.V)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

// TestFailedForgetIsMadeUpFor lets the store fail to forget a pair, as on a full
// disk: what the index forgot must go from the store with the next pass, and the
// next start must succeed.
func TestFailedForgetIsMadeUpFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.Retention, c.RecentFor = 24*time.Hour, time.Minute })
	r.write(1, sample{"gone", 0, 1}, sample{"with the highest number", 0, 1})
	r.cut()
	retain := func() error {
		r.db.Trim()
		_, err := r.db.Retain(t.Context())
		return err
	}
	r.advance(50 * time.Hour)
	full := errors.New("disk is full")
	r.store.set(func(s *faultyStore) { s.failForget = full })
	if err := retain(); !errors.Is(err, full) {
		t.Fatalf("got %v", err)
	}
	r.store.set(func(s *faultyStore) { s.failForget = nil })
	for range 10 {
		r.advance(24 * time.Hour)
		if err := retain(); err != nil {
			t.Fatal(err)
		}
	}
	state, err := r.store.Load(t.Context())
	if err != nil || len(state.Pairs) != 1 || len(state.Entities) != 1 {
		t.Errorf("left in the store: %+v, %v", state, err)
	}
	r.open()
}

// TestClockFarAheadForAMoment runs retention while the clock is wrong by decades:
// it costs the oldest blocks, not everything.
func TestClockFarAheadForAMoment(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *tsdb.Config) { c.RecentFor, c.RecentBytes = 0, 0 })
	for i := range 10 {
		at := time.Duration(i) * tsdb.BlockLength
		r.advance(tsdb.BlockLength)
		r.write(int64(i+1), sample{"a", at, float64(i)})
		r.cut()
	}
	r.advance(70 * 365 * 24 * time.Hour)
	if _, err := r.db.Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.advance(-70 * 365 * 24 * time.Hour)
	if got := r.all()["a"]; len(got) != 8 {
		t.Errorf("%d of 10 samples are left: %v", len(got), got)
	}
	r.open()
	if got := r.all()["a"]; len(got) != 8 {
		t.Errorf("%d of 10 samples are left after a restart", len(got))
	}
}

// TestWrongClockAtTheStart replays records while the clock is wrong, as a host's
// is before it was set: what a collector took in time is stored all the same.
func TestWrongClockAtTheStart(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-2 * time.Hour, -50 * 365 * 24 * time.Hour, 70 * 365 * 24 * time.Hour} {
		r := newRig(t, nil)
		taken := r.clock()
		r.advance(off)
		var b record.Builder
		b.Batch("agent", taken, 0)
		b.DefineSchema(oneColumn.ID(), oneColumn)
		e := hostEntity("a")
		b.DefineEntity(e.ID(), e)
		b.Frame(e.ID(), oneColumn.ID(), epoch.UnixMilli(), []float64{1})
		r.append(1, &b)
		r.cut()
		if got := r.all()["a"]; len(got) != 1 {
			t.Errorf("clock off by %s: %v", off, got)
		}
	}
}
