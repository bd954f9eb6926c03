package postgres

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

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
	must(t, c.Commit(t.Context(), cut))
}

func beginMerge(t *testing.T, c *Chunks, block int64) *merge {
	t.Helper()
	m, err := c.BeginMerge(t.Context(), 0, block)
	must(t, err)
	return m.(*merge)
}

func exec(t *testing.T, db *DB, statement string, args ...any) {
	t.Helper()
	_, err := db.pool.Exec(t.Context(), statement, args...)
	must(t, err)
}

// scan reads the single row of a query.
func scan[V any](t *testing.T, db *DB, query string, args ...any) V {
	t.Helper()
	var v V
	must(t, db.pool.QueryRow(t.Context(), query, args...).Scan(&v))
	return v
}

// wantTables checks how many tables hold chunks, and that the list of them is true.
func wantTables(t *testing.T, db *DB, what string, want int) {
	t.Helper()
	got := scan[[]string](t, db, "SELECT coalesce(array_agg(relname::text ORDER BY relname), '{}') FROM pg_class WHERE relname LIKE 'chunks_%' AND relkind = 'r'")
	listed, err := readTables(t.Context(), db.pool, "true")
	must(t, err)
	names := []string{}
	for i := range listed {
		names = append(names, listed[i].name())
	}
	slices.Sort(names)
	if len(got) != want || !slices.Equal(got, names) {
		t.Errorf("%s: tables %v, listed %v, want %d", what, got, names, want)
	}
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v, want one that says %q", err, text)
	}
}

func openSnapshot(t *testing.T, c *Chunks) tsdb.Snapshot {
	t.Helper()
	s, err := c.Snapshot(t.Context())
	must(t, err)
	t.Cleanup(func() { _ = s.Close() }) // a test may have closed it
	return s
}

// readAll returns the data of all chunks of the pairs.
func readAll(t *testing.T, s tsdb.Snapshot, pairs ...int64) [][]byte {
	t.Helper()
	var got [][]byte
	w := &tsdb.Want{Pairs: pairs, MinT: math.MinInt64, MaxT: math.MaxInt64, BeforeCut: math.MaxInt64}
	must(t, s.Chunks(t.Context(), w, func(k tsdb.Chunk) error { got = append(got, k.Data); return nil }))
	return got
}

// Checking a chunk is up to who decodes it; the store hands over what it has.
func TestDamagedChunkIsReturned(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 3, 10))
	exec(t, db, `UPDATE chunks_small_0_0_1 SET data = '\x0102' WHERE id & 255 = 2`)
	if got := readAll(t, openSnapshot(t, c), 2); len(got) != 1 || !bytes.Equal(got[0], []byte{1, 2}) {
		t.Errorf("got %v", got)
	}
}
