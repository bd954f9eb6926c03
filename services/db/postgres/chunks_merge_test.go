package postgres

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// mergeBlock merges a block chunk by chunk.
func mergeBlock(t *testing.T, c *Chunks, block int64) {
	t.Helper()
	m := beginMerge(t, c, block)
	chunks, err := m.Next(t.Context())
	must(t, err)
	must(t, m.Write(t.Context(), chunks))
	must(t, m.Commit(t.Context()))
}

func TestOneMergeAtATime(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 2, 10))
	commit(t, c, cutOf(2, 7_200_000, 2, 10))
	first := beginMerge(t, c, 0)
	if _, err := c.BeginMerge(t.Context(), 0, 0); !errors.Is(err, errMerging) {
		t.Errorf("a second merge: %v", err)
	}
	other := beginMerge(t, c, 7_200_000)
	must(t, first.Abort(t.Context()))
	wantTables(t, db, "after the abort", 3)
	must(t, other.Commit(t.Context()))
	wantError(t, other.Commit(t.Context()), "it has ended")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.BeginMerge(ctx, 0, 0)
	must(t, err)
	cancel() // and nobody ends it
	var m tsdb.Merge
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if m, err = c.BeginMerge(t.Context(), 0, 0); err == nil {
			break
		}
	}
	must(t, err)
	must(t, m.Commit(t.Context()))
	if got := scan[string](t, db, "SELECT current_setting('synchronous_commit') || current_setting('enable_seqscan')"); got != "onon" {
		t.Errorf("connections come back with %s", got)
	}
}

// A merge whose connection is lost, perhaps unnoticed, can do nothing any more;
// what it leaves is swept as soon as it is gone, and not before.
func TestMergeLosesItsConnection(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 2, 10))
	lost := beginMerge(t, c, 0)
	chunks, err := lost.Next(t.Context())
	must(t, err)
	must(t, lost.Write(t.Context(), chunks))
	must(t, c.Sweep(t.Context(), time.Now().Add(-time.Hour)))
	wantTables(t, db, "while it merges", 2)
	exec(t, db, "SELECT pg_terminate_backend($1, 30000)", int64(lost.conn.Conn().PgConn().PID()))
	must(t, c.Sweep(t.Context(), time.Now().Add(-time.Hour)))
	wantTables(t, db, "swept", 1)
	mergeBlock(t, c, 0)
	if err := lost.Commit(t.Context()); err == nil {
		t.Error("it was committed")
	}
	must(t, lost.Abort(t.Context()))
	if got := readAll(t, openSnapshot(t, c), 1, 2); len(got) != 2 {
		t.Errorf("%d chunks", len(got))
	}
}

// Without the lock, the number in the block is what keeps two merges apart.
func TestMergeIsFenced(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 2, 10))
	first := beginMerge(t, c, 0)
	_, err := first.conn.Exec(t.Context(), "SELECT pg_advisory_unlock_all()")
	must(t, err)
	second := beginMerge(t, c, 0)
	wantError(t, first.Commit(t.Context()), "another merge of it has begun")
	must(t, errors.Join(first.Abort(t.Context()), second.Commit(t.Context()), second.Abort(t.Context())))
	wantTables(t, db, "merged and replaced", 2)
}

// An abort beside a commit that is on its way waits for it, and leaves what is in
// use.
func TestAbortBesideACommit(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	c := db.Chunks()
	commit(t, c, cutOf(1, 0, 2, 10))
	m := beginMerge(t, c, 0)
	chunks, err := m.Next(t.Context())
	must(t, err)
	must(t, m.Write(t.Context(), chunks))
	tx, err := db.pool.Begin(t.Context()) // as Commit does, and then the connection breaks
	must(t, err)
	_, err = tx.Exec(t.Context(), "UPDATE tsdb_blocks SET merged = merging")
	must(t, err)
	_, err = tx.Exec(t.Context(), "UPDATE tsdb_tables SET unused = false WHERE number = $1", m.target.number)
	must(t, err)
	aborted := make(chan error, 1)
	go func() { aborted <- m.Abort(context.WithoutCancel(t.Context())) }()
	for waits := false; !waits; {
		waits = scan[bool](t, db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')")
	}
	must(t, tx.Commit(t.Context()))
	must(t, <-aborted)
	must(t, c.Sweep(t.Context(), time.Now().Add(time.Hour)))
	wantTables(t, db, "in use", 2)
}

// However large chunks are and however many cuts there were, a step of a merge
// holds a few of them.
func TestMergeReadsInSteps(t *testing.T) {
	t.Parallel()
	c := openTest(t).Chunks()
	const cuts, pairs, size = 4, 20, 500_000
	for number := range int64(cuts) {
		commit(t, c, cutOf(number+1, 0, pairs, size))
	}
	m := beginMerge(t, c, 0)
	read := 0
	for {
		chunks, err := m.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		if len(chunks)*size > mergeBytes+cuts*size {
			t.Errorf("a step has %d chunks", len(chunks))
		}
		read += len(chunks)
	}
	if read != cuts*pairs {
		t.Errorf("%d chunks were read", read)
	}
	must(t, m.Abort(t.Context()))
}
