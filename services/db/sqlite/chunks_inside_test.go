package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// cutOf is cut number 1 or the next ones, with chunks of so many bytes of the
// pairs 1 to n in the block.
func cutOf(number, block int64, n, size int) *tsdb.Cut {
	c := &tsdb.Cut{
		From: tsdb.Position{LogID: "log", Offset: number - 1, Cut: number - 1},
		To:   tsdb.Position{LogID: "log", Offset: number, Cut: number},
	}
	if number == 1 {
		c.From = tsdb.Position{}
	}
	for i := range n {
		c.Chunks = append(c.Chunks, tsdb.Chunk{Block: block, Pair: int64(i + 1), Data: bytes.Repeat([]byte{byte(number), byte(i)}, size/2)})
	}
	if n > 0 {
		c.Blocks = []tsdb.BlockStats{{Block: block, Chunks: n, Bytes: int64(n * size), MinT: block, MaxT: block + 1}}
	}
	return c
}

func commit(t *testing.T, c *Chunks, cut *tsdb.Cut) {
	t.Helper()
	if err := c.Commit(t.Context(), cut); err != nil {
		t.Fatal(err)
	}
}

func beginMerge(t *testing.T, c *Chunks, block int64) tsdb.Merge {
	t.Helper()
	m, err := c.BeginMerge(t.Context(), 0, block)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func exec(t *testing.T, db *DB, statement string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *sql.Tx) error { _, err := tx.ExecContext(t.Context(), statement, args...); return err })
	if err != nil {
		t.Fatal(err)
	}
}

// tables returns how many tables hold chunks.
func tables(t *testing.T, db *DB) int {
	t.Helper()
	var n int
	if err := db.Read().QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'chunks_*'").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v, want one that says %q", err, text)
	}
}

// Whatever does not fit a rowid is refused: it would be taken for something else.
func TestChunksRowidLimits(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "x.db"))
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 2, 10))
	for _, pair := range []int64{-1, 0, maxPair + 1} {
		cut := cutOf(2, 0, 1, 10)
		cut.Chunks[0].Pair = pair
		wantError(t, c.Commit(t.Context(), cut), "ids are from 1 to")
		cut = cutOf(2, 0, 0, 0)
		cut.Pairs = []tsdb.PairDef{{ID: pair}}
		wantError(t, c.Commit(t.Context(), cut), "ids are from 1 to")
	}
	cut := cutOf(2, 0, 2, 10)
	cut.Chunks[1].Pair = maxPair
	commit(t, c, cut)

	m := beginMerge(t, c, 0)
	wantError(t, m.Write(t.Context(), []tsdb.Chunk{{Pair: maxPair + 1, Data: []byte{1}}}), "ids are from 1 to")
	many := make([]tsdb.Chunk, maxPart+2)
	for i := range many {
		many[i] = tsdb.Chunk{Pair: 1, Data: []byte{1}}
	}
	wantError(t, m.Write(t.Context(), many), "more than 65536 merged chunks")
	if err := m.Write(t.Context(), many[1:]); err != nil { // those before left nothing
		t.Fatal(err)
	}
	wantError(t, m.Write(t.Context(), many[:1]), "more than 65536 merged chunks")
	if err := m.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}

	exec(t, db, "UPDATE tsdb_blocks SET cuts = ?", maxNth)
	wantError(t, c.Commit(t.Context(), cutOf(3, 0, 1, 10)), "the most a block can take")
	commit(t, c, cutOf(3, 7_200_000, 1, 10))
}

// Statistics that do not fit the chunks would hide chunks.
func TestChunksNeedStatistics(t *testing.T) {
	t.Parallel()
	c := openAt(t, filepath.Join(t.TempDir(), "x.db")).Chunks()
	cut := cutOf(1, 0, 2, 10)
	cut.Blocks[0].Chunks = 1
	wantError(t, c.Commit(t.Context(), cut), "count 1 chunks, there are 2")
	cut = cutOf(1, 0, 2, 10)
	cut.Blocks = nil
	wantError(t, c.Commit(t.Context(), cut), "no statistics")
	commit(t, c, cutOf(1, 0, 2, 10))
}

func TestSweepGoesByTheClock(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "x.db"))
	c := db.Chunks()
	now := time.UnixMilli(1_000_000)
	c.Now = func() time.Time { return now }
	for number := range int64(3) {
		commit(t, c, cutOf(number+1, 0, 2, 10))
		m := beginMerge(t, c, 0)
		if err := m.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	// At each merge a small table and, but at the first, a merged one.
	for _, step := range []struct {
		before time.Duration
		left   int
	}{{-3 * time.Minute, 6}, {-3*time.Minute + time.Millisecond, 5}, {-time.Minute, 3}, {0, 1}} {
		if err := c.Sweep(t.Context(), now.Add(step.before)); err != nil {
			t.Fatal(err)
		}
		if n := tables(t, db); n != step.left {
			t.Errorf("swept before %s: %d tables are left, want %d", step.before, n, step.left)
		}
	}
}

// Merges that never ended leave a table each; the next merge or drop removes it.
func TestMergeLeftovers(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "x.db"))
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 2, 10))
	first := beginMerge(t, c, 0)
	second := beginMerge(t, c, 0)
	if n := tables(t, db); n != 2 {
		t.Errorf("%d tables, want that of the cut and the new one", n)
	}
	wantError(t, first.Commit(t.Context()), "another merge of it has begun")
	if err := errors.Join(first.Abort(t.Context()), second.Commit(t.Context()), second.Abort(t.Context())); err != nil {
		t.Error(err)
	}
	if n := tables(t, db); n != 2 {
		t.Errorf("%d tables, want the merged one and the one it replaced", n)
	}
	beginMerge(t, c, 0)
	if _, err := c.Drop(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	var retired int
	if err := db.Read().QueryRowContext(t.Context(), "SELECT count(*) FROM tsdb_retired").Scan(&retired); err != nil {
		t.Fatal(err)
	}
	if n := tables(t, db); n != 0 || retired != 0 {
		t.Errorf("%d tables are left of a dropped block, %d to be swept", n, retired)
	}
}

// Checking a chunk is up to who decodes it; the store hands over what it has.
func TestDamagedChunkIsReturned(t *testing.T) {
	t.Parallel()
	db := openAt(t, filepath.Join(t.TempDir(), "x.db"))
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 3, 10))
	exec(t, db, `UPDATE chunks_small_0_0_1 SET data = x'0102' WHERE id & 0xff = 2`)
	s, err := c.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got [][]byte
	w := &tsdb.Want{Pairs: []int64{2}, MaxT: math.MaxInt64, BeforeCut: 9}
	if err := s.Chunks(t.Context(), w, func(k tsdb.Chunk) error { got = append(got, k.Data); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || !bytes.Equal(got[0], []byte{1, 2}) {
		t.Errorf("got %v", got)
	}
}

func TestRejectedAreBounded(t *testing.T) {
	t.Parallel()
	c := openAt(t, filepath.Join(t.TempDir(), "x.db")).Chunks()
	for number := range int64(3) {
		cut := cutOf(number+1, 0, 0, 0)
		cut.Rejected = make([]tsdb.Rejected, maxRejected/2)
		for i := range cut.Rejected {
			cut.Rejected[i].Offset = number
		}
		commit(t, c, cut)
	}
	got, err := c.Rejected(t.Context(), 10*maxRejected)
	if err != nil || len(got) != maxRejected || got[0].Offset != 2 || got[maxRejected-1].Offset != 1 {
		t.Errorf("%d rows, %v", len(got), err)
	}
}
