package dbtest

import (
	"bytes"
	"cmp"
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

// block is the length of a block; the tests' blocks are multiples of it.
const block = int64(tsdb.BlockLength / time.Millisecond)

// tsdbTest is a store and what should be in it.
type tsdbTest struct {
	*testing.T
	db    TSDB
	store tsdb.Store
	at    map[int]tsdb.Position // stored, by partition
	model []stored
	pairs []tsdb.PairDef // to be forgotten by calls
}

// stored is a chunk that should be there.
type stored struct {
	partition int
	merged    bool
	tsdb.Chunk
}

// chunk returns a chunk of a pair in a block, with rows in its minutes 10 to 20
// and bytes that no other has.
func chunk(b, pair int64) tsdb.Chunk {
	return tsdb.Chunk{Block: b * block, Pair: pair, MinT: b*block + 600_000, MaxT: b*block + 1_200_000}
}

// later moves the rows of a chunk.
func later(k tsdb.Chunk, by time.Duration) tsdb.Chunk {
	k.MinT += by.Milliseconds()
	k.MaxT += by.Milliseconds()
	return k
}

// content returns bytes of a length between 1 and 700, now and then much longer.
func content(numbers ...int64) []byte {
	rng := rand.New(rand.NewPCG(7, 11))
	for _, n := range numbers {
		rng = rand.New(rand.NewPCG(rng.Uint64(), uint64(n)))
	}
	size := 1 + rng.IntN(700)
	if rng.IntN(50) == 0 {
		size *= 40
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// next returns the cut that comes next in the partition, with the chunks, to
// which it gives their bytes.
func (t *tsdbTest) next(partition int, chunks ...tsdb.Chunk) *tsdb.Cut {
	from := t.at[partition]
	c := &tsdb.Cut{Partition: partition, From: from, Now: base, Chunks: chunks,
		To: tsdb.Position{LogID: "log", Offset: from.Offset + 100, Cut: from.Cut + 1, ID: math.MaxInt64 - 10*from.Cut - int64(partition)}}
	slices.SortFunc(c.Chunks, func(a, b tsdb.Chunk) int {
		return cmp.Or(cmp.Compare(a.Block, b.Block), cmp.Compare(a.Pair, b.Pair))
	})
	for i := range c.Chunks {
		k := &c.Chunks[i]
		k.Cut = c.To.Cut
		k.Data = content(int64(partition), k.Block, k.Pair, k.Cut)
		if n := len(c.Blocks); n == 0 || c.Blocks[n-1].Block != k.Block {
			c.Blocks = append(c.Blocks, tsdb.BlockStats{Block: k.Block, MinT: math.MaxInt64, MaxT: math.MinInt64})
		}
		b := &c.Blocks[len(c.Blocks)-1]
		b.Chunks++
		b.Bytes += int64(len(k.Data))
		b.MinT, b.MaxT = min(b.MinT, k.MinT), max(b.MaxT, k.MaxT)
	}
	return c
}

// commit stores a cut that must be accepted.
func (t *tsdbTest) commit(c *tsdb.Cut) {
	t.Helper()
	must(t.T, t.store.Commit(t.Context(), c))
	t.at[c.Partition] = c.To
	for _, k := range c.Chunks {
		t.model = append(t.model, stored{c.Partition, false, k})
	}
}

// put stores chunks with the next cut of the partition.
func (t *tsdbTest) put(partition int, chunks ...tsdb.Chunk) {
	t.Helper()
	t.commit(t.next(partition, chunks...))
}

func (t *tsdbTest) snapshot() tsdb.Snapshot {
	t.Helper()
	s, err := t.store.Snapshot(t.Context())
	must(t.T, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close a snapshot: %v", err)
		}
	})
	return s
}

func read(ctx context.Context, s tsdb.Snapshot, w *tsdb.Want) ([]tsdb.Chunk, error) {
	var out []tsdb.Chunk
	err := s.Chunks(ctx, w, func(k tsdb.Chunk) error { out = append(out, k); return nil })
	return out, err
}

// all wants everything that the pairs have.
func all(partition int, pairs ...int64) *tsdb.Want {
	return &tsdb.Want{Partition: partition, Pairs: pairs, MinT: math.MinInt64, MaxT: math.MaxInt64, BeforeCut: math.MaxInt64}
}

// begin begins a merge that must be possible.
func (t *tsdbTest) begin(partition int, b int64) tsdb.Merge {
	t.Helper()
	m, err := t.store.BeginMerge(t.Context(), partition, b*block)
	must(t.T, err)
	return m
}

// readMerge reads a merge to its end, and checks the order.
func (t *tsdbTest) readMerge(m tsdb.Merge) []tsdb.Chunk {
	t.Helper()
	var out []tsdb.Chunk
	for {
		chunks, err := m.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return out
		}
		must(t.T, err)
		if len(chunks) == 0 {
			t.Fatal("a step of a merge has no chunks and no end")
		}
		if len(out) > 0 && chunks[0].Pair <= out[len(out)-1].Pair {
			t.Fatalf("a step ends with pair %d, the next begins with %d", out[len(out)-1].Pair, chunks[0].Pair)
		}
		if !slices.IsSortedFunc(chunks, func(a, b tsdb.Chunk) int {
			return cmp.Or(cmp.Compare(a.Pair, b.Pair), cmp.Compare(a.Cut, b.Cut))
		}) {
			t.Fatal("the chunks of a step are not ordered by pair and cut")
		}
		for _, k := range chunks {
			k.Data = bytes.Clone(k.Data)
			out = append(out, k)
		}
	}
}

// mergedOf joins the chunks of each pair to one.
func mergedOf(chunks []tsdb.Chunk) []tsdb.Chunk {
	var out []tsdb.Chunk
	for _, k := range chunks {
		if n := len(out); n > 0 && out[n-1].Pair == k.Pair {
			last := &out[n-1]
			last.MinT, last.MaxT = min(last.MinT, k.MinT), max(last.MaxT, k.MaxT)
			last.Data = append(last.Data, k.Data...)
			continue
		}
		k.Data = bytes.Clone(k.Data)
		out = append(out, k)
	}
	return out
}

// merge merges a block in the store and in the model.
func (t *tsdbTest) merge(partition int, b int64) {
	t.Helper()
	m := t.begin(partition, b)
	chunks := mergedOf(t.readMerge(m))
	must(t.T, m.Write(t.Context(), chunks))
	must(t.T, m.Commit(t.Context()))
	t.replace(partition, b, math.MaxInt64, chunks)
}

// replace puts merged chunks in the place of those of the block in the model,
// but not of cuts from the number on.
func (t *tsdbTest) replace(partition int, b, from int64, chunks []tsdb.Chunk) {
	t.model = slices.DeleteFunc(slices.Clone(t.model), func(k stored) bool {
		return k.partition == partition && k.Block == b*block && (k.merged || k.Cut < from)
	})
	for _, k := range chunks {
		t.model = append(t.model, stored{partition, true, k})
	}
}

// pairsUpTo returns chunks of the pairs 1 to n in the block.
func pairsUpTo(b, n int64) []tsdb.Chunk {
	var out []tsdb.Chunk
	for pair := int64(1); pair <= n; pair++ {
		out = append(out, chunk(b, pair))
	}
	return out
}

func idsUpTo(n int64) []int64 {
	var ids []int64
	for id := int64(1); id <= n; id++ {
		ids = append(ids, id)
	}
	return ids
}
