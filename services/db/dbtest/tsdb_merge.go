package dbtest

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// scattered stores chunks whose pairs lie close together and far apart.
func scattered(t *tsdbTest, cuts int) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range cuts {
		var chunks []tsdb.Chunk
		for pair := int64(1); pair < 1<<38; pair += 1 + rng.Int64N(3) {
			chunks = append(chunks, chunk(1, pair))
			if rng.IntN(40) == 0 {
				pair = 2*pair + 500
			}
		}
		t.put(0, chunks...)
	}
}

// inBlock returns the chunks of the model in block 1 of partition 0.
func (t *tsdbTest) inBlock() []stored {
	return slices.DeleteFunc(slices.Clone(t.model), func(k stored) bool { return k.partition != 0 || k.Block != block })
}

// checkMerge compares what a merge read with the model.
func checkMerge(t *testing.T, got []tsdb.Chunk, want []stored) {
	t.Helper()
	w := all(0)
	for _, k := range want {
		w.Pairs = append(w.Pairs, k.Pair)
	}
	slices.Sort(w.Pairs)
	if err := compare(got, w, want); err != nil {
		t.Error(err)
	}
}

func testMergeOrder(t *tsdbTest) {
	scattered(t, 5)
	t.put(0, chunk(2, 1)) // another block and another partition are not part of it
	t.put(1, chunk(1, 1), chunk(1, 2))
	m := t.begin(0, 1)
	got := t.readMerge(m)
	checkMerge(t.T, got, t.inBlock())
	if _, err := m.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %v", err)
	}
	must(t.T, m.Abort(t.Context()))
	t.merge(0, 1) // now with an older merged table
	scattered(t, 2)
	m = t.begin(0, 1)
	checkMerge(t.T, t.readMerge(m), t.inBlock())
	must(t.T, m.Abort(t.Context()))
	t.checkAll()
}

func testMergeCommit(t *tsdbTest) {
	for range 3 {
		t.put(0, append(pairsUpTo(1, 100), pairsUpTo(2, 10)...)...)
	}
	m := t.begin(0, 1)
	chunks := mergedOf(t.readMerge(m))
	t.checkAll()
	must(t.T, m.Write(t.Context(), chunks))
	t.checkAll() // nobody sees it before the commit
	must(t.T, m.Commit(t.Context()))
	t.replace(0, 1, math.MaxInt64, chunks)
	t.checkAll()
	if err := m.Abort(t.Context()); err != nil {
		t.Errorf("aborting what is committed: %v", err)
	}
	t.checkAll()
}

// Late chunks are merged into what was merged before, again and again.
func testMergeAgain(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 150)...)
	for round := range int64(4) {
		t.merge(0, 1)
		must(t.T, t.store.Sweep(t.Context(), time.Now().Add(time.Hour)))
		t.checkAll()
		t.put(0, chunk(1, 20*round+1), chunk(1, 300+round), chunk(2, 1))
		t.checkAll()
	}
	t.merge(0, 1)
	t.merge(0, 1) // nothing is new
	t.checkAll()
}

// A pair's merged chunks may be many, and of the same cut; the calls that write
// them need not end with a pair.
func testMergeManyWrites(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 200)...)
	m := t.begin(0, 1)
	var chunks []tsdb.Chunk
	for _, k := range t.readMerge(m) {
		for part := range k.Pair%4 + 1 {
			k.MinT, k.MaxT = k.Block+part*60_000, k.Block+part*60_000+59_999
			k.Data = content(k.Pair, part)
			chunks = append(chunks, k)
		}
	}
	must(t.T, m.Write(t.Context(), nil))
	for some := range slices.Chunk(chunks, 37) {
		must(t.T, m.Write(t.Context(), some))
	}
	must(t.T, m.Commit(t.Context()))
	t.replace(0, 1, math.MaxInt64, chunks)
	t.checkAll()
	t.checkRead(t.snapshot(), &tsdb.Want{Pairs: []int64{3, 7, 199}, MinT: block + 60_000, MaxT: block + 119_999}, t.model)
	m = t.begin(0, 1)
	got := t.readMerge(m)
	checkMerge(t.T, got, t.inBlock())
	must(t.T, m.Abort(t.Context()))
	if !slices.EqualFunc(got, chunks, func(a, b tsdb.Chunk) bool { return a.Pair == b.Pair && a.MinT == b.MinT }) {
		t.Error("the merged chunks of a pair did not come in their order")
	}
}

func testMergeBesideCuts(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 80)...)
	t.put(0, pairsUpTo(1, 80)...)
	m := t.begin(0, 1)
	old := t.inBlock()
	t.put(0, pairsUpTo(1, 90)...)
	first, err := m.Next(t.Context())
	must(t.T, err)
	first = slices.Clone(first)
	for i := range first {
		first[i].Data = slices.Clone(first[i].Data)
	}
	t.put(0, append(pairsUpTo(1, 90), pairsUpTo(3, 4)...)...)
	got := append(first, t.readMerge(m)...)
	checkMerge(t.T, got, old)
	t.checkAll()
	chunks := mergedOf(got)
	must(t.T, m.Write(t.Context(), chunks))
	t.put(0, chunk(1, 7))
	must(t.T, m.Commit(t.Context()))
	t.replace(0, 1, 3, chunks)
	t.checkAll()
	must(t.T, t.store.Sweep(t.Context(), time.Now().Add(time.Hour)))
	t.checkAll()
	t.merge(0, 1)
	t.checkAll()
}

func testMergeAborted(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 80)...)
	t.merge(0, 1)
	t.put(0, pairsUpTo(1, 20)...)
	before := t.everything()
	m := t.begin(0, 1)
	must(t.T, m.Write(t.Context(), mergedOf(t.readMerge(m))))
	must(t.T, m.Abort(t.Context()))
	same(t.T, "after an abort", t.everything(), before)
	must(t.T, t.begin(0, 1).Abort(t.Context()))
	same(t.T, "after an abort at once", t.everything(), before)
	t.merge(0, 1)
	t.checkAll()
}

func testMergeInterrupted(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 80)...)
	t.merge(0, 1)
	t.put(0, pairsUpTo(1, 80)...)
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		m, err := t.store.BeginMerge(ctx, 0, block)
		must(t.T, err)
		chunks, err := m.Next(ctx)
		must(t.T, err)
		must(t.T, m.Write(ctx, mergedOf(chunks)))
		cancel()
		t.put(0, chunk(1, 3))
		t.db.Close()
		t.store = t.db.Open()
		t.checkAll()
	}
	t.merge(0, 1)
	t.checkAll()
	must(t.T, t.store.Sweep(t.Context(), time.Now().Add(time.Hour)))
	t.checkAll()
}

func testMergeOfADroppedBlock(t *tsdbTest) {
	t.put(0, append(pairsUpTo(1, 80), pairsUpTo(2, 1)...)...)
	m := t.begin(0, 1)
	chunks := mergedOf(t.readMerge(m))
	must(t.T, m.Write(t.Context(), chunks[:40]))
	_, err := t.store.Drop(t.Context(), 2*block)
	must(t.T, err)
	t.replace(0, 1, math.MaxInt64, nil)
	if err := m.Write(t.Context(), chunks[40:]); err == nil {
		err = m.Commit(t.Context())
		if err == nil {
			t.Error("a merge of a dropped block was committed")
		}
	}
	if err := m.Abort(t.Context()); err != nil {
		t.Errorf("abort: %v", err)
	}
	t.checkAll()
	t.put(0, pairsUpTo(1, 3)...) // the block may come again
	t.checkAll()
	t.merge(0, 1)
	t.checkAll()
}

func testMergeRefusesDisorder(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 5)...)
	before := t.everything()
	m := t.begin(0, 1)
	chunks := t.readMerge(m)
	must(t.T, m.Write(t.Context(), chunks[2:]))
	if err := m.Write(t.Context(), chunks[:2]); err == nil {
		t.Error("pairs that do not ascend were written")
	}
	must(t.T, m.Abort(t.Context()))
	same(t.T, "after that", t.everything(), before)
}
