package dbtest

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/esolutions/esmon/services/tsdb"
)

// export returns what Export hands over.
func (t *tsdbTest) export(partition int, b int64) []stored {
	t.Helper()
	var out []stored
	must(t.T, t.store.Export(t.Context(), partition, b*block, func(merged bool, chunks []tsdb.Chunk) error {
		if len(chunks) == 0 {
			t.Error("Export hands over no chunks")
		}
		for _, k := range chunks {
			k.Data = bytes.Clone(k.Data)
			out = append(out, stored{partition, merged, k})
		}
		return nil
	}))
	return out
}

// exported returns what the model has of a block, in the order of Export.
func (t *tsdbTest) exported(partition int, b int64) []stored {
	out := slices.DeleteFunc(slices.Clone(t.model), func(k stored) bool { return k.partition != partition || k.Block != b*block })
	slices.SortStableFunc(out, func(x, y stored) int {
		switch {
		case x.merged != y.merged && x.merged:
			return -1
		case x.merged != y.merged:
			return 1
		case x.merged:
			return int(x.Pair - y.Pair)
		}
		return slices.Compare([]int64{x.Cut, x.Pair}, []int64{y.Cut, y.Pair})
	})
	return out
}

func (t *tsdbTest) checkExport(partition int, b int64) {
	t.Helper()
	got, want := t.export(partition, b), t.exported(partition, b)
	if len(got)+len(want) > 0 {
		same(t.T, "export", got, want)
	}
}

// Each step changes which tables a block's chunks are in.
func testExport(t *tsdbTest) {
	steps := []func(){
		func() { t.put(0, pairsUpTo(1, 300)...) },
		func() { t.put(0, append(pairsUpTo(1, 40), chunk(1, 1<<39), chunk(2, 5))...) },
		func() { t.put(1, pairsUpTo(1, 3)...) },
		func() { t.merge(0, 1) },
		func() { t.put(0, chunk(1, 2), chunk(1, 1<<39)); t.put(0, chunk(1, 1), chunk(1, 7)) },
		func() { t.merge(0, 1); t.put(0, chunk(1, 9)) },
		func() { must(t.T, t.store.Sweep(t.Context(), base.AddDate(50, 0, 0))) },
	}
	for _, step := range steps {
		step()
		for _, b := range []int64{1, 2} {
			t.checkExport(0, b)
			t.checkExport(1, b)
		}
	}
	if got := t.export(0, 77); len(got) > 0 {
		t.Errorf("a block that is not there has %d chunks", len(got))
	}
	large := t.next(0, pairsUpTo(3, 30)...) // more than is handed over at a time
	for i := range large.Chunks {
		k := &large.Chunks[i]
		k.Data = bytes.Repeat(k.Data[:1], 1<<20)
		large.Blocks[0].Bytes += int64(len(k.Data))
	}
	t.commit(large)
	t.checkExport(0, 3)
	calls := 0
	must(t.T, t.store.Export(t.Context(), 0, 3*block, func(bool, []tsdb.Chunk) error { calls++; return nil }))
	if calls < 2 || calls > len(large.Chunks) {
		t.Errorf("30 MiB come in %d calls", calls)
	}
	t.merge(0, 3)
	t.checkExport(0, 3)
}

func testExportError(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 3)...)
	stop := errors.New("enough")
	calls := 0
	err := t.store.Export(t.Context(), 0, block, func(bool, []tsdb.Chunk) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("after %d calls: %v", calls, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := t.store.Export(ctx, 0, block, func(bool, []tsdb.Chunk) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	t.checkExport(0, 1)
}

// A block can be made anew from what Export hands over: by a cut that has nothing in
// it, a merge that writes chunks of elsewhere in its place, and the cuts.
func testExportRebuilt(t *tsdbTest) {
	for range 3 {
		t.put(0, pairsUpTo(1, 20)...)
	}
	t.merge(0, 1)
	t.put(0, pairsUpTo(1, 4)...)
	t.put(0, pairsUpTo(1, 9)...)
	chunks := t.export(0, 1)
	first := t.next(1)
	first.To.Cut = 0
	first.Blocks = []tsdb.BlockStats{{Block: block, MinT: 5, MaxT: 5}}
	t.commit(first)
	m := t.begin(1, 1)
	small := slices.IndexFunc(chunks, func(k stored) bool { return !k.merged })
	for _, k := range chunks[:small] {
		must(t.T, m.Write(t.Context(), []tsdb.Chunk{k.Chunk}))
	}
	must(t.T, m.Commit(t.Context()))
	for rest := chunks[small:]; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Cut == rest[0].Cut {
			n++
		}
		c := &tsdb.Cut{Partition: 1, From: t.at[1], To: tsdb.Position{LogID: "log", Offset: t.at[1].Offset + 1, Cut: rest[0].Cut}, Now: base}
		stats := tsdb.BlockStats{Block: block, Chunks: n, MinT: rest[0].MinT, MaxT: rest[0].MaxT}
		for _, k := range rest[:n] {
			c.Chunks = append(c.Chunks, k.Chunk)
			stats.Bytes += int64(len(k.Data))
		}
		c.Blocks = []tsdb.BlockStats{stats}
		t.commit(c)
		rest = rest[n:]
	}
	got := t.export(1, 1)
	for i := range got {
		got[i].partition = 0
	}
	same(t.T, "the block made anew", got, chunks)
	blocks, err := t.store.Blocks(t.Context())
	must(t.T, err)
	want := blocks[0]
	want.Partition = 1
	same(t.T, "blocks", blocks[1:], []tsdb.BlockInfo{want})
}
