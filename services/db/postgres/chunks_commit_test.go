package postgres

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// Whatever does not fit a chunk's id is refused: it would be taken for something
// else.
func TestChunksIDLimits(t *testing.T) {
	t.Parallel()
	db := openTest(t)
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
	if got := readAll(t, openSnapshot(t, c), 1, maxPair); len(got) != 3 {
		t.Errorf("%d chunks", len(got))
	}

	m := beginMerge(t, c, 0)
	wantError(t, m.Write(t.Context(), []tsdb.Chunk{{Pair: maxPair + 1, Data: []byte{1}}}), "ids are from 1 to")
	many := make([]tsdb.Chunk, maxPart+2)
	for i := range many {
		many[i] = tsdb.Chunk{Pair: 1, Data: []byte{1}}
	}
	wantError(t, m.Write(t.Context(), many), "more than 65536 merged chunks")
	must(t, m.Write(t.Context(), many[1:])) // those before left nothing
	wantError(t, m.Write(t.Context(), many[:1]), "more than 65536 merged chunks")
	must(t, m.Abort(t.Context()))

	exec(t, db, "UPDATE tsdb_blocks SET cuts = $1", maxNth)
	wantError(t, c.Commit(t.Context(), cutOf(3, 0, 1, 10)), "the most a block can take")
	commit(t, c, cutOf(3, 7_200_000, 1, 10))
}

// Statistics that do not fit the chunks would hide chunks.
func TestChunksNeedStatistics(t *testing.T) {
	t.Parallel()
	c := openTest(t).Chunks()
	cut := cutOf(1, 0, 2, 10)
	cut.Blocks[0].Chunks = 1
	wantError(t, c.Commit(t.Context(), cut), "count 1 chunks, there are 2")
	cut = cutOf(1, 0, 2, 10)
	cut.Blocks = nil
	wantError(t, c.Commit(t.Context(), cut), "no statistics")
	commit(t, c, cutOf(1, 0, 2, 10))
}

// What no text column takes is no reason to refuse a cut, and neither is a
// definition that stands twice.
func TestCommitTakesAnything(t *testing.T) {
	t.Parallel()
	c := openTest(t).Chunks()
	cut := cutOf(1, 0, 1, 10)
	e := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "host", Value: "nul\x00"})}
	s := &metric.Schema{Columns: []metric.Column{{Name: "m", Help: "nul\x00 and \xff\xfe", Unit: "\x00"}}}
	cut.Entities = []tsdb.EntityDef{{ID: e.ID(), Entity: e, Seen: 5}, {ID: e.ID(), Entity: e, Seen: 7}, {ID: e.ID(), Entity: e, Seen: 6}}
	cut.Schemas = []tsdb.SchemaDef{{ID: s.ID(), Schema: s, Seen: 1}}
	cut.Pairs = []tsdb.PairDef{{ID: 1, Last: 8}, {ID: 2}, {ID: 1, Last: 9}}
	cut.Rejected = []tsdb.Rejected{{Reason: "a\x00b", Message: "\xff\xfe ß \x00"}}
	commit(t, c, cut)
	state, err := c.Load(t.Context())
	must(t, err)
	if len(state.Entities) != 1 || state.Entities[0].Seen != 7 || state.Entities[0].Entity.Labels[0].Value != "nul\x00" {
		t.Errorf("entities %+v", state.Entities)
	}
	if len(state.Schemas) != 1 || state.Schemas[0].Schema.Columns[0].Help != s.Columns[0].Help {
		t.Errorf("schemas %+v", state.Schemas)
	}
	if len(state.Pairs) != 2 || state.Pairs[0].Last != 9 {
		t.Errorf("pairs %+v", state.Pairs)
	}
	rejected, err := c.Rejected(t.Context(), 2)
	must(t, err)
	if len(rejected) != 1 || rejected[0].Reason != "a\uFFFDb" || rejected[0].Message != "\uFFFD ß \uFFFD" {
		t.Errorf("rejected %+v", rejected)
	}
}

func TestRejectedAreBounded(t *testing.T) {
	t.Parallel()
	c := openTest(t).Chunks()
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

// failCommits makes the database fail with this SQLSTATE whenever a position moves.
func failCommits(t *testing.T, db *DB, code string) (stop func()) {
	t.Helper()
	exec(t, db, `CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		RAISE EXCEPTION 'could not extend file "base/5/1": No space left on device' USING ERRCODE = '`+code+`'; END $$`)
	exec(t, db, "CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON tsdb_partitions FOR EACH ROW EXECUTE FUNCTION fail()")
	return func() { exec(t, db, "DROP TRIGGER fail ON tsdb_partitions") }
}

func TestFullIsNamed(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	c := db.Chunks()
	for code, full := range map[string]bool{"53100": true, "53200": false, "58030": false} {
		stop := failCommits(t, db, code)
		if err := c.Commit(t.Context(), cutOf(1, 0, 1, 10)); err == nil || errors.Is(err, tsdb.ErrFull) != full {
			t.Errorf("%s: %v", code, err)
		}
		stop()
	}
	commit(t, c, cutOf(1, 0, 1, 10))
}

// A commit outlives a crash of the server also where its administrator gave that
// away for everyone.
func TestCommitWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	exec(t, db, "ALTER DATABASE "+scan[string](t, db, "SELECT current_database()::text")+" SET synchronous_commit = off")
	db.pool.Reset()
	exec(t, db, "CREATE TABLE seen (setting text)")
	exec(t, db, `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$`)
	for _, table := range []string{"tsdb_partitions", "tsdb_blocks"} {
		exec(t, db, "CREATE TRIGGER note AFTER INSERT OR UPDATE ON "+table+" FOR EACH STATEMENT EXECUTE FUNCTION note()")
	}
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 1, 10))
	must(t, beginMerge(t, c, 0).Commit(t.Context()))
	if got := scan[string](t, db, "SELECT string_agg(DISTINCT setting, ' ') FROM seen"); got != "on" {
		t.Errorf("commits were made with synchronous_commit %s", got)
	}
	if got := scan[string](t, db, "SELECT current_setting('synchronous_commit')"); got != "off" {
		t.Errorf("others are given %s", got)
	}
}

// A failed commit leaves the table it made to the next one.
func TestTablesAreMadeOnce(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	c := db.Chunks()
	wide := cutOf(1, 0, 1, 10)
	for block := int64(7_200_000); block < 3*7_200_000; block += 7_200_000 {
		next := cutOf(1, block, 1, 10)
		wide.Blocks, wide.Chunks = append(wide.Blocks, next.Blocks...), append(wide.Chunks, next.Chunks...)
	}
	must(t, c.makeSmall(t.Context(), 0, []int64{0, 7_200_000}))
	must(t, c.makeSmall(t.Context(), 0, []int64{7_200_000}))
	wantTables(t, db, "made ahead", 2)
	commit(t, c, wide)
	commit(t, c, cutOf(2, 0, 1, 10))
	wantTables(t, db, "used", 3)
	if n := scan[int](t, db, "SELECT count(*) FROM tsdb_tables WHERE unused"); n != 0 {
		t.Errorf("%d tables are said to be unused", n)
	}
	must(t, c.makeSmall(t.Context(), 0, []int64{7_200_000, 9 * 7_200_000}))
	_, err := c.Drop(t.Context(), math.MaxInt64)
	must(t, err)
	must(t, c.Sweep(t.Context(), time.Now().Add(time.Hour)))
	wantTables(t, db, "dropped", 0)
}

// Commits of several partitions store the same definitions and never wait for
// each other in a circle.
func TestCommitsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	c := openTest(t).Chunks()
	const partitions, cuts = 4, 6
	entities := make([]tsdb.EntityDef, 400)
	for i := range entities {
		e := &metric.Entity{Labels: metric.NewLabels(metric.Label{Name: "n", Value: strings.Repeat("x", i+1)})}
		entities[i] = tsdb.EntityDef{ID: e.ID(), Entity: e}
	}
	errs := make(chan error, partitions)
	for partition := range partitions {
		go func() {
			var err error
			for number := int64(1); number <= cuts && err == nil; number++ {
				cut := cutOf(number, 0, 3, 10)
				cut.Partition = partition
				cut.Entities = slices.Clone(entities)
				for i := range cut.Entities {
					cut.Entities[i].Seen = number*partitions + int64(partition)
				}
				if partition%2 == 0 {
					slices.Reverse(cut.Entities)
				}
				err = errors.Join(c.Commit(context.WithoutCancel(t.Context()), cut),
					c.Forget(context.WithoutCancel(t.Context()), &tsdb.Forget{Before: -1, Entities: []metric.ID{entities[9].ID, entities[1].ID}}))
			}
			errs <- err
		}()
	}
	for range partitions {
		must(t, <-errs)
	}
}
