package dbtest

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// drop drops blocks in the store and the model, and checks the answer.
func (t *tsdbTest) drop(before int64) {
	t.Helper()
	var want []tsdb.BlockInfo
	blocks, err := t.store.Blocks(t.Context())
	must(t.T, err)
	for _, b := range blocks {
		if b.Start < before {
			want = append(want, b)
		}
	}
	got, err := t.store.Drop(t.Context(), before)
	must(t.T, err)
	if !slices.Equal(got, want) {
		t.Errorf("dropped:\ngot  %+v\nwant %+v", got, want)
	}
	t.model = slices.DeleteFunc(slices.Clone(t.model), func(k stored) bool { return k.Block < before })
	t.checkAll()
}

func testDrop(t *tsdbTest) {
	// The start of block 1 is how that of block 10 begins, also in a name.
	for partition := range 3 {
		t.commit(t.fullCut(partition))
		t.put(partition, chunk(-1, 1), chunk(1, 1), chunk(10, 1), chunk(100, 1))
		t.merge(partition, 10)
		t.put(partition, chunk(10, 1))
	}
	state := t.load()
	t.drop(-1 * block) // begins at that very time: stays
	t.drop(-1*block + 1)
	t.drop(1*block + 1)
	t.drop(1*block + 1)
	t.put(1, chunk(1, 1), chunk(2, 1)) // a block may come again
	t.drop(10 * block)
	t.drop(math.MaxInt64)
	after := t.load()
	state.Partitions[1].Position = t.at[1]
	same(t.T, "positions, definitions and pairs", after, state)
	t.put(0, chunk(1, 1))
	t.checkAll()
}

func testDropAfterMerge(t *tsdbTest) {
	for range 2 {
		t.put(0, append(pairsUpTo(1, 20), pairsUpTo(2, 20)...)...)
	}
	t.merge(0, 1)
	t.put(0, append(pairsUpTo(1, 20), pairsUpTo(2, 20)...)...)
	t.drop(2 * block)
	must(t.T, t.store.Sweep(t.Context(), time.Now().Add(time.Hour)))
	t.put(0, pairsUpTo(1, 20)...)
	t.merge(0, 1)
	t.checkAll()
}

// What is swept is nothing that a query sees.
func testSweep(t *tsdbTest) {
	t.put(0, append(pairsUpTo(1, 20), pairsUpTo(2, 20)...)...)
	t.merge(0, 1)
	t.put(0, append(pairsUpTo(1, 20), pairsUpTo(2, 20)...)...)
	for range 2 {
		must(t.T, t.store.Sweep(t.Context(), time.Now().Add(-time.Hour)))
		t.checkAll()
		must(t.T, t.store.Sweep(t.Context(), time.Now().Add(time.Hour)))
		t.checkAll()
		t.merge(0, 1)
		t.merge(0, 2)
		t.checkAll()
	}
}

func testForget(t *tsdbTest) {
	for partition := range 2 {
		c := t.next(partition)
		for i := range 4 {
			c.Schemas = append(c.Schemas, schemaDef(i, int64(100+i)))
			c.Entities = append(c.Entities, entityDef(i, int64(100+i)))
			c.Pairs = append(c.Pairs, pairDef(partition, int64(i+1), c.Entities[i], c.Schemas[i]))
		}
		t.commit(c)
	}
	before := t.load()
	f := &tsdb.Forget{Before: 101, Pairs: []tsdb.PairDef{before.Pairs[1], {Partition: 7, ID: 1}, before.Pairs[4]}}
	for _, i := range []int{0, 2, 9} { // of these, one was seen later and one never
		f.Schemas = append(f.Schemas, schemaDef(i, 0).ID)
		f.Entities = append(f.Entities, entityDef(i, 0).ID)
	}
	must(t.T, t.store.Forget(t.Context(), f))
	isFirst := func(id metric.ID) bool { return id == schemaDef(0, 0).ID || id == entityDef(0, 0).ID }
	want := &tsdb.State{
		Partitions: before.Partitions,
		Schemas:    slices.DeleteFunc(before.Schemas, func(d tsdb.SchemaDef) bool { return isFirst(d.ID) }),
		Entities:   slices.DeleteFunc(before.Entities, func(d tsdb.EntityDef) bool { return isFirst(d.ID) }),
		Pairs:      slices.DeleteFunc(before.Pairs, func(d tsdb.PairDef) bool { return d.Partition == 0 && d.ID == 2 || d.Partition == 1 && d.ID == 1 }),
	}
	same(t.T, "what is left", t.load(), want)
	c := t.next(0) // what was forgotten may come again
	c.Schemas, c.Entities = []tsdb.SchemaDef{schemaDef(0, 500)}, []tsdb.EntityDef{entityDef(0, 500)}
	t.commit(c)
	if s := t.load(); len(s.Schemas) != 4 || len(s.Entities) != 4 {
		t.Errorf("%d schemas and %d entities", len(s.Schemas), len(s.Entities))
	}
}

func testReclaim(t *tsdbTest) {
	t.put(0, append(pairsUpTo(1, 5000), pairsUpTo(2, 500)...)...)
	t.drop(2 * block)
	must(t.T, t.store.Reclaim(t.Context()))
	t.checkAll()
	t.put(0, pairsUpTo(2, 500)...)
	t.checkAll()
}

func testReopen(t *tsdbTest) {
	t.commit(t.fullCut(0))
	t.commit(t.fullCut(2))
	t.put(0, append(pairsUpTo(1, 50), pairsUpTo(2, 50)...)...)
	t.merge(0, 1)
	t.put(0, append(pairsUpTo(1, 50), pairsUpTo(2, 50)...)...)
	before := t.everything()
	for range 2 {
		t.db.Close()
		t.store = t.db.Open()
		same(t.T, "after reopening", t.everything(), before)
	}
	must(t.T, t.store.Sweep(t.Context(), time.Now().Add(time.Hour)))
	t.merge(0, 1)
	t.put(0, pairsUpTo(1, 50)...)
	t.checkAll()
}

// calls makes every call that returns an error if it did nothing.
func (t *tsdbTest) calls(ctx context.Context) map[string]error {
	_, load := t.store.Load(ctx)
	_, progress := t.store.Progress(ctx, 0, nil, 0)
	snapshot, snap := t.store.Snapshot(ctx)
	if snap == nil {
		must(t.T, snapshot.Close())
	}
	_, blocks := t.store.Blocks(ctx)
	_, begin := t.store.BeginMerge(ctx, 0, block)
	_, drop := t.store.Drop(ctx, math.MaxInt64)
	_, rejected := t.store.Rejected(ctx, 10)
	return map[string]error{
		"Load": load, "Progress": progress, "Snapshot": snap, "Blocks": blocks, "BeginMerge": begin, "Drop": drop, "Rejected": rejected,
		"Commit": t.store.Commit(ctx, t.fullCut(0)),
		"Sweep":  t.store.Sweep(ctx, time.Now().Add(time.Hour)),
		"Forget": t.store.Forget(ctx, &tsdb.Forget{Before: math.MaxInt64, Pairs: t.pairs, Entities: []metric.ID{entityDef(1, 0).ID}}),
	}
}

func checkRefused(t *testing.T, calls map[string]error) {
	t.Helper()
	for call, err := range calls {
		if err == nil {
			t.Errorf("%s reported success", call)
		}
	}
}

func testClosed(t *tsdbTest) {
	t.commit(t.fullCut(0))
	t.db.Close()
	checkRefused(t.T, t.calls(t.Context()))
}

func testTSDBCancelled(t *tsdbTest) {
	t.commit(t.fullCut(0))
	t.put(0, pairsUpTo(1, 10)...)
	t.merge(0, 1)
	t.pairs = t.load().Pairs
	before := t.everything()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	checkRefused(t.T, t.calls(ctx))
	must(t.T, t.store.Reclaim(ctx)) // it goes on until the context ends
	same(t.T, "after cancelled calls", t.everything(), before)
	m := t.begin(0, 1)
	if _, err := m.Next(ctx); err == nil {
		t.Error("a cancelled step of a merge reported success")
	}
	if err := m.Commit(ctx); err == nil {
		t.Error("a cancelled commit of a merge reported success")
	}
	must(t.T, m.Abort(t.Context()))
	same(t.T, "after a cancelled merge", t.everything(), before)
}
