package dbtest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/esolutions/esmon/services/tsdb"
)

// checkRead compares what a snapshot returns with the model.
func (t *tsdbTest) checkRead(s tsdb.Snapshot, w *tsdb.Want, model []stored) {
	t.Helper()
	got, err := read(t.Context(), s, w)
	must(t.T, err)
	if err := compare(got, w, model); err != nil {
		t.Errorf("want %d pairs of partition %d from %d to %d before cut %d: %v", len(w.Pairs), w.Partition, w.MinT, w.MaxT, w.BeforeCut, err)
	}
}

type chunkKey struct {
	block, pair, cut int64
	data             string
}

// compare checks that the chunks are those of the model that are wanted, each
// once. A chunk may be one without rows in the range if its times do not tell.
func compare(got []tsdb.Chunk, w *tsdb.Want, model []stored) error {
	open := map[chunkKey]tsdb.Chunk{}
	for _, k := range model {
		if _, ok := slices.BinarySearch(w.Pairs, k.Pair); ok && k.partition == w.Partition && (k.merged || k.Cut < w.BeforeCut) {
			open[chunkKey{k.Block, k.Pair, k.Cut, string(k.Data)}] = k.Chunk
		}
	}
	for _, k := range got {
		key := chunkKey{k.Block, k.Pair, k.Cut, string(k.Data)}
		want, ok := open[key]
		switch {
		case !ok:
			return fmt.Errorf("got the chunk of block %d, pair %d, cut %d, which is not wanted, changed or there twice", k.Block, k.Pair, k.Cut)
		case k.MinT > want.MinT || k.MaxT < want.MaxT:
			return fmt.Errorf("the chunk of block %d, pair %d, cut %d has rows from %d to %d, it says %d to %d", k.Block, k.Pair, k.Cut, want.MinT, want.MaxT, k.MinT, k.MaxT)
		case k.MinT > w.MaxT || k.MaxT < w.MinT:
			return fmt.Errorf("got the chunk of block %d, pair %d, cut %d, which says itself that it has nothing in the range", k.Block, k.Pair, k.Cut)
		}
		delete(open, key)
	}
	for key, k := range open {
		if k.MinT <= w.MaxT && k.MaxT >= w.MinT {
			return fmt.Errorf("missing: the chunk of block %d, pair %d, cut %d", key.block, key.pair, key.cut)
		}
	}
	return nil
}

// checkAll compares everything that is stored with the model.
func (t *tsdbTest) checkAll() {
	t.Helper()
	s, err := t.store.Snapshot(t.Context())
	must(t.T, err)
	t.checkState(s, t.model)
	must(t.T, s.Close())
	var want []tsdb.BlockInfo
	for _, k := range t.model {
		at := slices.IndexFunc(want, func(b tsdb.BlockInfo) bool { return b.Partition == k.partition && b.Start == k.Block })
		if at < 0 {
			want = append(want, tsdb.BlockInfo{Partition: k.partition, Start: k.Block})
			at = len(want) - 1
		}
		b := &want[at]
		b.Chunks++
		b.Bytes += int64(len(k.Data))
		b.Merged = b.Merged || k.merged
	}
	for i := range want {
		want[i].Cuts = t.cutsIn(want[i].Partition, want[i].Start)
	}
	slices.SortFunc(want, func(a, b tsdb.BlockInfo) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Start, b.Start))
	})
	got, err := t.store.Blocks(t.Context())
	must(t.T, err)
	if !slices.Equal(got, want) {
		t.Errorf("blocks:\ngot  %+v\nwant %+v", got, want)
	}
}

func (t *tsdbTest) cutsIn(partition int, start int64) int {
	cuts := map[int64]bool{}
	for _, k := range t.model {
		if k.partition == partition && k.Block == start && !k.merged {
			cuts[k.Cut] = true
		}
	}
	return len(cuts)
}

// checkState compares all that a snapshot has with the model.
func (t *tsdbTest) checkState(s tsdb.Snapshot, model []stored) {
	t.Helper()
	for partition := range 4 {
		var pairs []int64
		for _, k := range t.model {
			pairs = append(pairs, k.Pair)
		}
		for _, k := range model {
			pairs = append(pairs, k.Pair)
		}
		slices.Sort(pairs)
		t.checkRead(s, all(partition, slices.Compact(pairs)...), model)
	}
}
