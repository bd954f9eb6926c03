package dbtest

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"sync"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

func testEmpty(t *tsdbTest) {
	same(t.T, "state", t.load(), &tsdb.State{})
	t.checkAll()
	rejected, err := t.store.Rejected(t.Context(), 10)
	must(t.T, err)
	same(t.T, "rejected rows", len(rejected), 0)
	dropped, err := t.store.Drop(t.Context(), math.MaxInt64)
	must(t.T, err)
	same(t.T, "dropped blocks", len(dropped), 0)
	must(t.T, t.store.Sweep(t.Context(), base))
	must(t.T, t.store.Forget(t.Context(), &tsdb.Forget{}))
	must(t.T, t.store.Reclaim(t.Context()))
	if _, err := t.store.BeginMerge(t.Context(), 0, 0); err == nil {
		t.Error("a merge of nothing began")
	}
}

func testCommitAndLoad(t *tsdbTest) {
	first, other := t.fullCut(0), t.fullCut(3)
	t.commit(first)
	t.commit(other) // the same definitions: they have no partition
	second := t.next(0, chunk(5, 1))
	second.Schemas = []tsdb.SchemaDef{schemaDef(40, 7)}
	second.To.LogID, second.To.Offset = "another log", 3
	t.commit(second)
	t.put(0, chunk(2, 1)) // older rows: the newest time stays
	got := t.load()
	want := &tsdb.State{
		Schemas:  append(slices.Clone(first.Schemas), second.Schemas...),
		Entities: slices.Clone(first.Entities),
		Pairs:    append(slices.Clone(first.Pairs), other.Pairs...),
		Partitions: []tsdb.PartitionState{
			{Partition: 0, Position: t.at[0], MaxTime: second.Blocks[0].MaxT},
			{Partition: 3, Position: t.at[3], MaxTime: other.Blocks[1].MaxT},
		},
	}
	slices.SortFunc(want.Schemas, func(a, b tsdb.SchemaDef) int { return slices.Compare(a.ID[:], b.ID[:]) })
	slices.SortFunc(want.Entities, func(a, b tsdb.EntityDef) int { return slices.Compare(a.ID[:], b.ID[:]) })
	same(t.T, "state", got, want)
	t.checkAll()
}

// Each cut brings one pair, so that the number of pairs tells the cut.
func testLoadIsOneSnapshot(t *tsdbTest) {
	const cuts = 40
	e, s := entityDef(1, 1), schemaDef(1, 1)
	var group sync.WaitGroup
	group.Go(func() {
		from := tsdb.Position{}
		for i := int64(1); i <= cuts; i++ {
			c := &tsdb.Cut{From: from, To: tsdb.Position{LogID: "log", Offset: i, Cut: i}, Now: base, Pairs: []tsdb.PairDef{pairDef(0, i, e, s)}}
			if err := t.store.Commit(t.Context(), c); err != nil {
				t.Errorf("commit cut %d: %v", i, err)
				return
			}
			from = c.To
		}
	})
	for seen := int64(0); seen < cuts && !t.Failed(); {
		state, err := t.store.Load(t.Context())
		if err != nil {
			t.Errorf("load: %v", err)
			break
		}
		if len(state.Partitions) > 0 {
			seen = state.Partitions[0].Position.Cut
		}
		if int64(len(state.Pairs)) != seen {
			t.Errorf("%d pairs at cut %d", len(state.Pairs), seen)
		}
	}
	group.Wait()
}

func testCutWithoutChunks(t *tsdbTest) {
	t.put(0)
	if p := t.load().Partitions[0]; p.Position != t.at[0] || p.MaxTime > math.MinInt64 {
		t.Errorf("got %+v, want the position %+v and no time", p, t.at[0])
	}
	t.put(0, chunk(1, 1))
	newest := chunk(1, 1).MaxT
	t.put(0)
	same(t.T, "partition", t.load().Partitions[0], tsdb.PartitionState{Position: t.at[0], MaxTime: newest})
	t.checkAll()
}

func testTimesBefore1970(t *tsdbTest) {
	t.put(0, chunk(-3, 1), chunk(-2, 1))
	same(t.T, "newest time", t.load().Partitions[0].MaxTime, chunk(-2, 1).MaxT)
	t.merge(0, -3)
	t.checkAll()
	t.checkRead(t.snapshot(), &tsdb.Want{Pairs: []int64{1}, MinT: -3 * block, MaxT: -2*block - 1, BeforeCut: 10}, t.model)
	dropped, err := t.store.Drop(t.Context(), -2*block)
	must(t.T, err)
	same(t.T, "dropped blocks", len(dropped), 1)
}

// everything is all that can be asked of a store.
func (t *tsdbTest) everything() []any {
	t.Helper()
	rejected, err := t.store.Rejected(t.Context(), 1000)
	must(t.T, err)
	t.checkAll()
	return []any{t.load(), rejected}
}

func testConflict(t *tsdbTest) {
	attempt := func(what string, from tsdb.Position) {
		t.Helper()
		before := t.everything()
		c := t.fullCut(0)
		c.From, c.To = from, tsdb.Position{LogID: "log", Offset: 1 << 40, Cut: 1 << 20}
		c.Schemas[0].Seen, c.Pairs[0].Last = 1<<40, 1<<60
		c.Blocks[0].MaxT = 1 << 50
		if err := t.store.Commit(t.Context(), c); !errors.Is(err, tsdb.ErrConflict) {
			t.Errorf("%s: got %v", what, err)
		}
		same(t.T, what, t.everything(), before)
	}
	attempt("a second cut without a first", tsdb.Position{LogID: "log", Offset: 5, Cut: 1})
	t.commit(t.fullCut(1)) // another partition is none of it
	attempt("a second cut without a first, beside another partition", t.at[1])
	t.commit(t.fullCut(0))
	t.commit(t.fullCut(0))
	attempt("a second first cut", tsdb.Position{})
	for what, change := range map[string]func(*tsdb.Position){
		"another log": func(p *tsdb.Position) { p.LogID = "another" }, "lower offset": func(p *tsdb.Position) { p.Offset-- },
		"higher offset": func(p *tsdb.Position) { p.Offset++ }, "older cut": func(p *tsdb.Position) { p.Cut-- }, "newer cut": func(p *tsdb.Position) { p.Cut++ },
		"another cut of the number": func(p *tsdb.Position) { p.ID-- }, "a cut without an ID": func(p *tsdb.Position) { p.ID = 0 },
	} {
		from := t.at[0]
		change(&from)
		attempt(what, from)
	}
	t.commit(t.fullCut(0))
	t.checkAll()
}

func testRacingCommits(t *tsdbTest) {
	for range 10 {
		cuts := make([]*tsdb.Cut, 3)
		results := make([]error, len(cuts))
		var group sync.WaitGroup
		for i := range cuts {
			cuts[i] = t.next(0, chunk(0, int64(i+1)), chunk(int64(i+1), 9))
			cuts[i].To.Offset += int64(i)
			group.Go(func() { results[i] = t.store.Commit(t.Context(), cuts[i]) })
		}
		group.Wait()
		won := 0
		for i, err := range results {
			switch {
			case err == nil:
				won++
				t.at[0] = cuts[i].To
				for _, k := range cuts[i].Chunks {
					t.model = append(t.model, stored{0, false, k})
				}
			case !errors.Is(err, tsdb.ErrConflict):
				t.Fatalf("committer %d: %v", i, err)
			}
		}
		if won != 1 {
			t.Fatalf("%d of %d committers won", won, len(cuts))
		}
		same(t.T, "position", t.load().Partitions[0].Position, t.at[0])
	}
	t.checkAll()
}

func testSeenMovesUp(t *tsdbTest) {
	for _, step := range []struct{ seen, want int64 }{{50, 50}, {80, 80}, {60, 80}, {-1, 80}} {
		c := t.next(0)
		c.Schemas, c.Entities = []tsdb.SchemaDef{schemaDef(1, step.seen)}, []tsdb.EntityDef{entityDef(1, step.seen)}
		t.commit(c)
		s := t.load()
		same(t.T, "schemas", s.Schemas, []tsdb.SchemaDef{schemaDef(1, step.want)})
		same(t.T, "entities", s.Entities, []tsdb.EntityDef{entityDef(1, step.want)})
	}
}

func testPairsAreReplaced(t *tsdbTest) {
	t.commit(t.fullCut(0))
	t.commit(t.fullCut(1))
	want := t.load().Pairs
	c := t.next(0)
	want[1].First, want[1].Last, want[1].Present = -900, 4, []uint64{0, 0, 0, 1}
	c.Pairs = want[1:2]
	t.commit(c)
	same(t.T, "pairs", t.load().Pairs, want)
}

func testCancelledCommit(t *tsdbTest) {
	t.commit(t.fullCut(0))
	before := t.everything()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := t.store.Commit(ctx, t.fullCut(0)); err == nil {
		t.Error("a cancelled commit reported success")
	}
	same(t.T, "after a cancelled commit", t.everything(), before)
	t.commit(t.fullCut(0))
}

func testLargeCut(t *tsdbTest) {
	const pairs = 20_000
	c := t.next(0, append(pairsUpTo(3, pairs), pairsUpTo(4, 7)...)...)
	e, s := entityDef(1, 1), schemaDef(1, 1)
	for id := int64(1); id <= pairs; id++ {
		c.Pairs = append(c.Pairs, pairDef(0, id, e, s))
	}
	t.commit(c)
	t.put(0, pairsUpTo(3, pairs)...)
	t.checkAll()
	same(t.T, "pairs", t.load().Pairs, c.Pairs)
	t.checkRead(t.snapshot(), all(0, 1, 77, 9999, pairs, pairs+1), t.model)
	m := t.begin(0, 3)
	if n := len(t.readMerge(m)); n != 2*pairs {
		t.Errorf("the merge reads %d chunks, want %d", n, 2*pairs)
	}
	must(t.T, m.Abort(t.Context()))
}

func testRejected(t *tsdbTest) {
	var newestFirst []tsdb.Rejected
	for range 3 {
		c := t.next(0)
		for i := range 5 {
			r := rejectedRow(i%2, c.To.Offset+int64(i))
			if i == 4 { // a record as a whole
				r.Frame, r.Entity, r.Schema, r.Time = -1, metric.ID{}, metric.ID{}, 0
			}
			c.Rejected = append(c.Rejected, r)
			newestFirst = append([]tsdb.Rejected{r}, newestFirst...)
		}
		t.commit(c)
	}
	for limit, want := range map[int]int{0: 0, 1: 1, 7: 7, 15: 15, 1000: 15} {
		got, err := t.store.Rejected(t.Context(), limit)
		must(t.T, err)
		for i := range got {
			got[i].At = got[i].At.UTC()
		}
		if len(got) != want || len(got) > 0 && !reflect.DeepEqual(got, newestFirst[:want]) {
			t.Errorf("limit %d: got %+v", limit, got)
		}
	}
}
