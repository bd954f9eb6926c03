package postgres

import (
	"context"
	"errors"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

func TestSweepGoesByTheClock(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	c := db.Chunks()
	now := time.UnixMilli(1_000_000) // whoever asks has another clock than the database
	c.Now = func() time.Time { return now }
	for number := range int64(3) {
		commit(t, c, cutOf(number+1, 0, 2, 10))
		mergeBlock(t, c, 0)
	}
	// At each merge a small table and, but at the first, a merged one went out of
	// use: an hour ago, two and three.
	exec(t, db, `UPDATE tsdb_tables SET retired = retired - interval '1 hour' * CASE WHEN number > 4 THEN 1 WHEN number > 2 THEN 2 ELSE 3 END WHERE retired IS NOT NULL`)
	for _, step := range []struct {
		age  time.Duration
		left int
	}{{4 * time.Hour, 6}, {150 * time.Minute, 4}, {90 * time.Minute, 2}, {-time.Hour, 1}} {
		must(t, c.Sweep(t.Context(), now.Add(-step.age)))
		wantTables(t, db, step.age.String(), step.left)
	}
	if got := readAll(t, openSnapshot(t, c), 1, 2); len(got) != 6 {
		t.Errorf("%d chunks are left", len(got))
	}
}

// Sweeping waits for nobody and makes nobody wait: what is being read stays for
// another time. A snapshot holds on to a table only while it reads it.
func TestSweepLeavesWhatIsRead(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 100, 1000))
	s := openSnapshot(t, c)
	_, err := c.Drop(t.Context(), math.MaxInt64)
	must(t, err)
	must(t, c.Sweep(t.Context(), time.Now().Add(-time.Hour)))
	wantTables(t, db, "while the queries may run that knew it", 1)
	sweep := func() { must(t, c.Sweep(t.Context(), time.Now().Add(time.Hour))) }
	w := &tsdb.Want{Pairs: []int64{1, 2}, MaxT: math.MaxInt64, BeforeCut: 9}
	read := 0
	must(t, s.Chunks(t.Context(), w, func(tsdb.Chunk) error {
		if read++; read == 1 {
			sweep()
		}
		return nil
	}))
	if read != 2 {
		t.Errorf("%d chunks were read", read)
	}
	wantTables(t, db, "while it is read", 1)
	if n := len(readAll(t, s, 1, 2, 3)); n != 3 {
		t.Errorf("%d chunks were read after that", n)
	}
	sweep()
	wantTables(t, db, "when nobody reads", 0)
	// That was before its time: the snapshot says so and goes on with the rest.
	wantError(t, s.Chunks(t.Context(), w, func(tsdb.Chunk) error { return nil }), "read block 0 of partition 0")
	w.Partition = 1
	must(t, s.Chunks(t.Context(), w, func(tsdb.Chunk) error { return nil }))
	must(t, s.Close())
	wantError(t, s.Chunks(t.Context(), w, nil), "the snapshot is closed")
}

// The server has room for some thousand locks in all; a query of many blocks must
// not take them.
func TestSnapshotHoldsFewLocks(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	c := db.Chunks()
	const blocks = 3 * locksHeld
	for i := range int64(blocks) {
		commit(t, c, cutOf(i+1, i*7_200_000, 1, 10))
	}
	s := openSnapshot(t, c)
	backend := int64(s.(*snapshot).tx.Conn().PgConn().PID())
	most, read := 0, 0
	w := &tsdb.Want{Pairs: []int64{1}, MaxT: math.MaxInt64, BeforeCut: math.MaxInt64}
	must(t, s.Chunks(t.Context(), w, func(tsdb.Chunk) error {
		read++
		most = max(most, scan[int](t, db, "SELECT count(*) FROM pg_locks WHERE pid = $1 AND relation >= 16384", backend))
		return nil
	}))
	if read != blocks || most > 2*locksHeld+10 || most < 2 {
		t.Errorf("%d chunks were read with up to %d locks", read, most)
	}
}

// A snapshot may wait as long as its query, and not much longer.
func TestSnapshotMayIdle(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	limited, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for ctx, want := range map[context.Context][2]int{t.Context(): {600_000, 600_000}, limited: {3_500_000, 3_601_000}} {
		s, err := db.Chunks().Snapshot(ctx)
		must(t, err)
		var idle int
		must(t, s.(*snapshot).tx.QueryRow(ctx, "SELECT setting::int FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'").Scan(&idle))
		if idle < want[0] || idle > want[1] {
			t.Errorf("the server waits %d ms", idle)
		}
		must(t, s.Close())
	}
}

// A call in a context of its own ends with the snapshot's all the same.
func TestSnapshotEndsItsCalls(t *testing.T) {
	t.Parallel()
	c := openTest(t).Chunks()
	for number := range int64(3) {
		commit(t, c, cutOf(number+1, number*7_200_000, 1000, 1000))
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := c.Snapshot(ctx)
	must(t, err)
	w := &tsdb.Want{MaxT: math.MaxInt64, BeforeCut: math.MaxInt64}
	for pair := range int64(1000) {
		w.Pairs = append(w.Pairs, pair+1)
	}
	err = s.Chunks(t.Context(), w, func(tsdb.Chunk) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := s.Chunks(t.Context(), w, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("later: %v", err)
	}
	must(t, s.Close())
}

func TestLoadReadsInSteps(t *testing.T) {
	t.Parallel()
	c := openTest(t).Chunks()
	const n = loadAtOnce + 1
	cut := cutOf(1, 0, 0, 0)
	for i := range int64(n) {
		e := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "n", Value: strconv.FormatInt(i, 10)})}
		cut.Entities = append(cut.Entities, tsdb.EntityDef{ID: e.ID(), Entity: e})
		cut.Pairs = append(cut.Pairs, tsdb.PairDef{ID: i + 1, Entity: e.ID()})
	}
	commit(t, c, cut)
	state, err := c.Load(t.Context())
	must(t, err)
	if len(state.Entities) != n || len(state.Pairs) != n || state.Pairs[n-1].ID != n {
		t.Errorf("%d entities, %d pairs", len(state.Entities), len(state.Pairs))
	}
}
