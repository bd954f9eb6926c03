package dbtest

import (
	"math"
	"sync"

	"github.com/esolutions/esmon/services/tsdb"
)

// checkProgress compares how far a partition is stored, and its pairs above an id.
func (t *tsdbTest) checkProgress(partition int, above int64, state tsdb.PartitionState, pairs []tsdb.PairDef) {
	t.Helper()
	got, err := t.store.Progress(t.Context(), partition, []tsdb.Position{{}, t.at[partition]}, above)
	must(t.T, err)
	same(t.T, "state", got.PartitionState, state)
	same(t.T, "held", got.Held, true)
	if len(got.Pairs)+len(pairs) > 0 {
		same(t.T, "pairs", got.Pairs, pairs)
	}
}

func testProgress(t *tsdbTest) {
	none := tsdb.PartitionState{}
	t.checkProgress(0, 0, none, nil)
	first := t.fullCut(0)
	t.commit(first)
	other := t.fullCut(3)
	t.commit(other)
	atFirst := tsdb.PartitionState{Position: first.To, MaxTime: first.Blocks[1].MaxT}
	t.checkProgress(0, 0, atFirst, first.Pairs)
	t.checkProgress(0, math.MinInt64, atFirst, first.Pairs)
	t.checkProgress(0, 1, atFirst, first.Pairs[1:])
	t.checkProgress(0, 2, atFirst, nil)
	t.checkProgress(0, math.MaxInt64, atFirst, nil)
	t.checkProgress(3, 1, tsdb.PartitionState{Partition: 3, Position: other.To, MaxTime: other.Blocks[1].MaxT}, other.Pairs[1:])
	t.checkProgress(1, 0, none, nil)

	// The next cut changes a pair and brings some, by no means one after the other.
	second := t.next(0, chunk(7, 1))
	e, s := first.Entities[0], first.Schemas[0]
	changed := first.Pairs[0]
	changed.Last, changed.Present = 1<<51, []uint64{7}
	second.Pairs = []tsdb.PairDef{changed, pairDef(0, 1<<39, e, s), pairDef(0, 5, e, s)}
	t.commit(second)
	atSecond := tsdb.PartitionState{Position: second.To, MaxTime: second.Blocks[0].MaxT}
	t.checkProgress(0, 2, atSecond, []tsdb.PairDef{second.Pairs[2], second.Pairs[1]})
	t.checkProgress(0, 5, atSecond, second.Pairs[1:2])
	t.checkProgress(0, 0, atSecond, []tsdb.PairDef{changed, first.Pairs[1], second.Pairs[2], second.Pairs[1]})

	must(t.T, t.store.Forget(t.Context(), &tsdb.Forget{Pairs: second.Pairs[2:]}))
	t.checkProgress(0, 2, atSecond, second.Pairs[1:2])
	empty := t.next(2) // a position without rows or pairs
	t.commit(empty)
	t.checkProgress(2, 0, tsdb.PartitionState{Partition: 2, Position: empty.To, MaxTime: math.MinInt64}, nil)
}

// Each cut brings one pair, so that the pairs tell the cut.
func testProgressIsOneSnapshot(t *tsdbTest) {
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
	known := int64(0)
	for known < cuts && !t.Failed() {
		got, err := t.store.Progress(t.Context(), 0, nil, known)
		if err != nil {
			t.Errorf("progress: %v", err)
			break
		}
		for _, p := range got.Pairs {
			if known++; p.ID != known {
				t.Errorf("got pair %d, want %d", p.ID, known)
			}
		}
		if got.Position.Cut != known {
			t.Errorf("%d pairs at cut %d", known, got.Position.Cut)
		}
	}
	group.Wait()
}
