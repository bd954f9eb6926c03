package dbcopy_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/db/alertrow"
	"github.com/esolutions/esmon/services/dbcopy"
	"github.com/esolutions/esmon/services/tsdb"
)

var errFault = errors.New("pulled the plug")

// fault fails writes, before or after they take place: each run of a copy ends with
// the first of its writes that is not in done.
type fault struct {
	happened bool
	done     map[string]bool // that failed already: what and which of its kind in a run
	seen     map[string]int  // of this run
}

func (f *fault) begin() { f.seen = map[string]int{} }

func (f *fault) write(what string, do func() error) error {
	key := fmt.Sprint(what, " ", f.seen[what])
	f.seen[what]++
	if f.done[key] {
		return do()
	}
	f.done[key] = true
	if f.happened {
		if err := do(); err != nil {
			return err
		}
	}
	return errFault
}

type faultyStore struct {
	tsdb.Store
	*fault
}

func (s faultyStore) Commit(ctx context.Context, c *tsdb.Cut) error {
	what := "definitions"
	switch {
	case c.From == (tsdb.Position{}):
		what = "claim"
	case len(c.Chunks) > 0:
		what = "cut"
	case len(c.Blocks) > 0:
		what = "empty cut"
	case c.To.LogID == "":
		what = "completion"
	}
	return s.write(what, func() error { return s.Store.Commit(ctx, c) })
}

func (s faultyStore) BeginMerge(ctx context.Context, partition int, block int64) (tsdb.Merge, error) {
	m, err := s.Store.BeginMerge(ctx, partition, block)
	return faultyMerge{m, s.fault}, err
}

type faultyMerge struct {
	tsdb.Merge
	*fault
}

func (m faultyMerge) Write(ctx context.Context, chunks []tsdb.Chunk) error {
	return m.write("merge write", func() error { return m.Merge.Write(ctx, chunks) })
}

func (m faultyMerge) Commit(ctx context.Context) error {
	return m.write("merge commit", func() error { return m.Merge.Commit(ctx) })
}

// Abort does nothing: a process that is killed aborts nothing. The merge's connection
// is lost with the context.
func (m faultyMerge) Abort(context.Context) error { return nil }

type faultyRegistry struct {
	dbcopy.Registry
	*fault
}

func (r faultyRegistry) Import(ctx context.Context, tokens []control.Token, agents []control.Agent) error {
	return r.write("import", func() error { return r.Registry.Import(ctx, tokens, agents) })
}

type faultyAlerts struct {
	dbcopy.Alerts
	*fault
}

func (a faultyAlerts) Import(ctx context.Context, table *alertrow.Table, rows []alertrow.Row) error {
	return a.write("alerts", func() error { return a.Alerts.Import(ctx, table, rows) })
}

// TestInterruptedAnywhere lets run after run fail at its next write, until one gets
// to the end.
func TestInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	for _, happened := range []bool{false, true} {
		t.Run(fmt.Sprintf("happened=%v", happened), func(t *testing.T) {
			t.Parallel()
			i, to := newInstallation(t), newTarget(t)
			i.drain()
			f := &fault{happened: happened, done: map[string]bool{}}
			err := errFault
			for errors.Is(err, errFault) || err != nil && strings.Contains(err.Error(), "another merge of it is under way") { // the server has not noticed yet
				f.begin()
				ctx, cancel := context.WithCancel(t.Context())
				_, err = dbcopy.Copy(ctx, i.database(), dbcopy.Database{Registry: faultyRegistry{to.Control(), f}, Alerts: faultyAlerts{to.Alerts(), f}, Chunks: faultyStore{to.Chunks(), f}}, ignore)
				cancel()
			}
			must(t, err)
			for _, what := range []string{"claim 0", "import 1", "definitions 2", "empty cut 0", "merge write 0", "merge commit 0", "cut 1", "completion 0"} {
				if !f.done[what] {
					t.Errorf("write %q did not fail; these did: %v", what, f.done)
				}
			}
			i.same(to)
		})
	}
}

// same compares the installation with its copy.
func (i *installation) same(to *target) {
	i.Helper()
	if got, want := all(i, openOver(i, to.Chunks())), all(i, openOver(i, i.file.Chunks())); !reflect.DeepEqual(got, want) {
		i.Error("the samples differ")
	}
	if s := copyAll(i, i.database(), to.database()); !s.Before {
		i.Error("the copy is not complete")
	}
	got, err := to.Chunks().Rejected(i.Context(), 1000)
	must(i, err)
	want, err := i.file.Chunks().Rejected(i.Context(), 1000)
	if must(i, err); !reflect.DeepEqual(got, want) {
		i.Error("the rejected rows differ")
	}
}

// TestCancelledAnywhere ends the copy at each report of progress.
func TestCancelledAnywhere(t *testing.T) {
	t.Parallel()
	i, to := newInstallation(t), newTarget(t)
	i.drain()
	var steps []string
	for run := 1; ; run++ {
		ctx, cancel := context.WithCancel(t.Context())
		reports := 0
		_, err := dbcopy.Copy(ctx, i.database(), to.database(), func(p dbcopy.Progress) {
			if reports++; reports == run {
				steps = append(steps, p.Step)
				cancel()
			}
		})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("run %d, cancelled in %v: %v", run, steps, err)
		}
	}
	if slices.Sort(steps); !slices.Equal(slices.Compact(steps), []string{"alerts", "chunks", "comparison", "definitions", "tokens and agents"}) {
		t.Errorf("cancelled in %v", steps)
	}
	i.same(to)
}

// TestDamageIsFound changes what the target gives back: the copy must not complete.
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	i, to := newInstallation(t), newTarget(t)
	i.drain()
	for name, damage := range map[string]func(k *tsdb.Chunk){
		"a bit":    func(k *tsdb.Chunk) { k.Data[len(k.Data)-1] ^= 1 },
		"a number": func(k *tsdb.Chunk) { k.Cut++ },
	} {
		_, err := dbcopy.Copy(t.Context(), i.database(), dbcopy.Database{Registry: to.Control(), Alerts: to.Alerts(), Chunks: damagedStore{to.Chunks(), damage}}, ignore)
		if !errors.Is(err, dbcopy.ErrDiffers) {
			t.Errorf("%s: %v", name, err)
		}
		if pos := positionOf(t.Context(), t, to.Chunks()); !pos.Incomplete() {
			t.Errorf("%s: the position is %+v", name, pos)
		}
	}
	copyAll(t, i.database(), to.database())
	i.same(to)
}

type damagedStore struct {
	tsdb.Store
	damage func(k *tsdb.Chunk)
}

func (s damagedStore) Export(ctx context.Context, partition int, block int64, f func(bool, []tsdb.Chunk) error) error {
	return s.Store.Export(ctx, partition, block, func(merged bool, chunks []tsdb.Chunk) error {
		s.damage(&chunks[len(chunks)/2])
		return f(merged, chunks)
	})
}

// TestNoTableIsForgotten fails when there is a table that the copy knows nothing of.
func TestNoTableIsForgotten(t *testing.T) {
	t.Parallel()
	known := map[string]string{
		"agents": "copied", "tokens": "copied", "agents_revision": "counts changes of this database", "goose_db_version": "its schema's",
		"leases": "of processes", "node_tokens": "of processes", "tsdb_partitions": "copied", "tsdb_schemas": "copied", "tsdb_entities": "copied",
		"tsdb_pairs": "copied", "tsdb_blocks": "copied", "tsdb_cuts": "copied", "tsdb_rejected": "copied", "tsdb_retired": "what is to be dropped",
		"tsdb_lineage":    "begins with the first cut of the copy's own",
		"sqlite_sequence": "SQLite's own", "alert_leader": "of processes", "alert_operator": "counts changes of this database",
		"queue_messages": "filled anew from the outbox", "queue_dead": "of the queue",
	}
	for _, table := range alertrow.Tables() {
		known[table.Name] = "copied"
	}
	rows, err := newInstallation(t).file.Read().QueryContext(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table'")
	must(t, err)
	defer func() { must(t, rows.Close()) }()
	n := 0
	for ; rows.Next(); n++ {
		var name string
		must(t, rows.Scan(&name))
		if known[name] == "" && !strings.HasPrefix(name, "chunks_") {
			t.Errorf("table %s: is it copied?", name)
		}
	}
	if must(t, rows.Err()); n < len(known) {
		t.Errorf("%d tables", n)
	}
}
