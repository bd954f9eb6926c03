package sqlite

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/esolutions/esmon/services/tsdb"
)

// benchCut is a cut of one block with so many chunks of 300 bytes.
func benchCut(number int64, chunks int) *tsdb.Cut {
	data := make([]byte, 300*chunks)
	rng := rand.New(rand.NewPCG(uint64(number), 1))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	c := &tsdb.Cut{From: tsdb.Position{LogID: "log", Offset: number - 1, Cut: number - 1}, To: tsdb.Position{LogID: "log", Offset: number, Cut: number}}
	if number == 1 {
		c.From = tsdb.Position{}
	}
	for i := range chunks {
		c.Chunks = append(c.Chunks, tsdb.Chunk{Pair: int64(i + 1), Data: data[300*i : 300*i+300]})
	}
	c.Blocks = []tsdb.BlockStats{{Chunks: chunks, Bytes: int64(len(data)), MaxT: 1}}
	return c
}

func BenchmarkCommit(b *testing.B) {
	const chunks = 20_000
	db := openAt(b, filepath.Join(b.TempDir(), "x.db"))
	store := db.Chunks()
	number := int64(0)
	cpu := int64(0)
	for b.Loop() {
		b.StopTimer()
		number++
		cut := benchCut(number, chunks)
		b.StartTimer()
		before := cpuTime()
		if err := store.Commit(b.Context(), cut); err != nil {
			b.Fatal(err)
		}
		cpu += int64(cpuTime() - before)
	}
	b.ReportMetric(float64(cpu)/float64(number)/chunks, "cpu-ns/chunk")
}

func BenchmarkRead(b *testing.B) {
	const chunks = 20_000
	c := openAt(b, filepath.Join(b.TempDir(), "x.db")).Chunks()
	for number := range int64(10) {
		if err := c.Commit(b.Context(), benchCut(number+1, chunks)); err != nil {
			b.Fatal(err)
		}
	}
	for _, bench := range []struct {
		name        string
		pairs, step int64
	}{{"One", 1, 1}, {"1000Adjacent", 1000, 1}, {"1000Scattered", 1000, 20}, {"400Scattered", 400, 50}, {"All", chunks, 1}} {
		b.Run(bench.name, func(b *testing.B) {
			w := &tsdb.Want{MaxT: math.MaxInt64, BeforeCut: math.MaxInt64}
			for i := range bench.pairs {
				w.Pairs = append(w.Pairs, 1+i*bench.step)
			}
			for b.Loop() {
				benchRead(b, c, w)
			}
		})
	}
}

func benchRead(b *testing.B, c *Chunks, w *tsdb.Want) {
	s, err := c.Snapshot(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	n := 0
	if err := s.Chunks(b.Context(), w, func(tsdb.Chunk) error { n++; return nil }); err != nil || n != 10*len(w.Pairs) {
		b.Fatal(n, err)
	}
}
