package dbtest

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// Queries for few pairs and for most, over some of the time and all of it, each
// against what was stored: cuts and merged chunks of several blocks and
// partitions, in which the pairs have the same ids.
func testReadRandomly(t *tsdbTest) {
	const pairs, blocks = 300, 4
	rng := rand.New(rand.NewPCG(1, 2))
	for cut := range 18 {
		var chunks []tsdb.Chunk
		for range 1 + rng.IntN(2*pairs) {
			k := chunk(int64(rng.IntN(blocks))-1, 1+int64(rng.IntN(pairs)))
			chunks = append(chunks, later(k, time.Duration(rng.IntN(90))*time.Minute))
		}
		slices.SortFunc(chunks, func(a, b tsdb.Chunk) int { return int((a.Block-b.Block)/block<<32) + int(a.Pair-b.Pair) })
		t.put(cut%3, slices.CompactFunc(chunks, func(a, b tsdb.Chunk) bool { return a.Block == b.Block && a.Pair == b.Pair })...)
		if cut == 11 {
			t.merge(0, 0)
			t.merge(1, -1)
		}
	}
	t.checkAll()
	s := t.snapshot()
	for range 300 {
		w := &tsdb.Want{Partition: rng.IntN(4), BeforeCut: math.MaxInt64}
		for share, pair := []float64{0.003, 0.05, 0.4, 1}[rng.IntN(4)], int64(0); pair < pairs+10; pair++ {
			if rng.Float64() < share {
				w.Pairs = append(w.Pairs, pair)
			}
		}
		w.MinT = -2*block + rng.Int64N((blocks+2)*block)
		w.MaxT = w.MinT + rng.Int64N(2*block)
		if rng.IntN(2) == 0 {
			w.BeforeCut = 1 + rng.Int64N(8)
		}
		t.checkRead(s, w, t.model)
	}
}

func testReadNothing(t *tsdbTest) {
	t.put(0, chunk(1, 5), chunk(1, 6))
	t.put(0, chunk(2, 5), chunk(2, 6))
	t.merge(0, 1)
	s := t.snapshot()
	k := chunk(2, 5)
	for what, w := range map[string]*tsdb.Want{
		"no pairs":        all(0),
		"unknown pairs":   all(0, 1, 7, 1<<50),
		"other partition": all(1, 5, 6),
		"before":          {Pairs: []int64{5, 6}, MinT: 0, MaxT: chunk(1, 5).MinT - 1, BeforeCut: 10},
		"between":         {Pairs: []int64{5, 6}, MinT: chunk(1, 5).MaxT + 1, MaxT: k.MinT - 1, BeforeCut: 10},
		"behind":          {Pairs: []int64{5, 6}, MinT: k.MaxT + 1, MaxT: math.MaxInt64, BeforeCut: 10},
		"backwards":       {Pairs: []int64{5, 6}, MinT: k.MaxT, MaxT: k.MinT, BeforeCut: 10},
	} {
		got, err := read(t.Context(), s, w)
		if what == "backwards" {
			got = nil // anything but an error
		}
		if err != nil || len(got) != 0 {
			t.Errorf("%s: got %d chunks, %v", what, len(got), err)
		}
	}
	// Both ends of a range are in it.
	t.checkRead(s, &tsdb.Want{Pairs: []int64{5}, MinT: k.MaxT, MaxT: k.MaxT, BeforeCut: 10}, t.model)
	t.checkRead(s, &tsdb.Want{Pairs: []int64{5}, MinT: k.MinT, MaxT: k.MinT, BeforeCut: 10}, t.model)
	t.checkRead(s, &tsdb.Want{Pairs: []int64{5, 1 << 50}, MinT: 0, MaxT: math.MaxInt64, BeforeCut: 10}, t.model)
}

func testReadBeforeCut(t *tsdbTest) {
	for range 4 {
		t.put(0, pairsUpTo(1, 40)...)
	}
	t.merge(0, 1)
	for range 4 {
		t.put(0, pairsUpTo(1, 40)...)
	}
	s := t.snapshot()
	for _, before := range []int64{0, 1, 4, 5, 6, 8, 9, math.MaxInt64} {
		few, most := all(0, 1, 40), all(0, idsUpTo(40)...)
		few.BeforeCut, most.BeforeCut = before, before
		t.checkRead(s, few, t.model)
		t.checkRead(s, most, t.model)
	}
}

func testReadError(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 30)...)
	t.merge(0, 1)
	t.put(0, pairsUpTo(1, 30)...)
	s := t.snapshot()
	boom := errors.New("boom")
	for _, last := range []int{0, 1, 29, 30, 31, 59} {
		calls := 0
		err := s.Chunks(t.Context(), all(0, idsUpTo(30)...), func(tsdb.Chunk) error {
			if calls++; calls > last {
				return boom
			}
			return nil
		})
		if !errors.Is(err, boom) || calls != last+1 {
			t.Errorf("got %v after %d calls, want the error of call %d", err, calls, last+1)
		}
	}
	t.checkState(s, t.model) // and it can still be used
}

func testReadData(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 50)...)
	t.merge(0, 1)
	t.put(0, pairsUpTo(1, 50)...)
	s := t.snapshot()
	for _, w := range []*tsdb.Want{all(0, 1, 50), all(0, idsUpTo(40)...)} {
		var got []tsdb.Chunk
		err := s.Chunks(t.Context(), w, func(k tsdb.Chunk) error {
			got = append(got, k)
			for i := range k.Data { // whoever shares it sees that
				k.Data[i] ^= 0xff
			}
			return nil
		})
		must(t.T, err)
		for _, k := range got {
			for i := range k.Data {
				k.Data[i] ^= 0xff
			}
		}
		if err := compare(got, w, t.model); err != nil {
			t.Error(err)
		}
	}
	t.checkState(s, t.model)
}

func testSnapshotOfACommit(t *tsdbTest) {
	empty := t.snapshot()
	t.put(0, pairsUpTo(1, 30)...)
	s, before := t.snapshot(), slices.Clone(t.model)
	t.put(0, pairsUpTo(1, 30)...)
	t.put(1, pairsUpTo(2, 30)...)
	t.checkState(empty, nil)
	t.checkState(s, before)
	t.checkAll()
}

func testSnapshotOfAMerge(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 30)...)
	t.put(0, pairsUpTo(1, 30)...)
	small, before := t.snapshot(), t.model
	t.merge(0, 1)
	merged, after := t.snapshot(), t.model
	must(t.T, t.store.Sweep(t.Context(), time.Now().Add(-time.Hour))) // the first may still read
	t.checkState(small, before)
	t.checkState(merged, after)
	t.put(0, pairsUpTo(1, 5)...)
	must(t.T, small.Close())
	must(t.T, t.store.Sweep(t.Context(), time.Now().Add(time.Hour)))
	t.checkState(merged, after)
	t.checkAll()
}

func testSnapshotOfADrop(t *tsdbTest) {
	t.put(0, append(pairsUpTo(1, 30), pairsUpTo(2, 30)...)...)
	t.merge(0, 2)
	s, before := t.snapshot(), t.model
	_, err := t.store.Drop(t.Context(), 3*block)
	must(t.T, err)
	t.checkState(s, before)
	t.model = nil
	t.checkAll()
}

// A snapshot is one state whoever asks, and from however many goroutines.
func testSnapshotConcurrently(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 200)...)
	s, before := t.snapshot(), slices.Clone(t.model)
	var group sync.WaitGroup
	for reader := range 4 {
		group.Go(func() {
			for range 20 {
				w := all(0, int64(reader+1), 100, 150)
				got, err := read(t.Context(), s, w)
				if err == nil {
					err = compare(got, w, before)
				}
				if err != nil {
					t.Errorf("reader %d: %v", reader, err)
				}
			}
		})
	}
	for range 10 {
		t.put(0, pairsUpTo(1, 20)...)
	}
	t.merge(0, 1)
	group.Wait()
	t.checkAll()
}

func testSnapshotContext(t *tsdbTest) {
	t.put(0, pairsUpTo(1, 20)...)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := t.store.Snapshot(ctx)
	must(t.T, err)
	w := all(0, idsUpTo(20)...)
	err = s.Chunks(ctx, w, func(tsdb.Chunk) error { cancel(); return nil })
	if err == nil { // it may have been too late for this call
		_, err = read(ctx, s, w)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("reading in a context that ended: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing a snapshot whose context ended: %v", err)
	}
	t.put(0, pairsUpTo(1, 20)...)
	t.checkAll()
}
