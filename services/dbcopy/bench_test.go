package dbcopy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/dbcopy"
	"github.com/esolutions/esmon/services/tsdb"
)

// BenchmarkCopy copies blocks of chunks of 600 bytes, half of them merged ones, and
// reads them back; bytes are those of chunks.
func BenchmarkCopy(b *testing.B) {
	const blocks, pairs, cuts = 8, 20_000, 2
	i := openInstallation(b, b.TempDir())
	for n := range blocks {
		i.store(n, pairs, cuts)
	}
	bytes := int64(0)
	var copying, comparing time.Duration
	for b.Loop() {
		b.StopTimer()
		to := newTarget(b)
		b.StartTimer()
		began := time.Now()
		var compared time.Time
		s, err := dbcopy.Copy(b.Context(), i.database(), to.database(), func(p dbcopy.Progress) {
			if p.Step == "comparison" && compared.IsZero() {
				compared = time.Now()
			}
		})
		must(b, err)
		bytes = s.Partitions[0].Bytes
		copying += compared.Sub(began)
		comparing += time.Since(compared)
	}
	b.SetBytes(bytes)
	mib := float64(bytes) * float64(b.N) / (1 << 20)
	b.ReportMetric(mib/copying.Seconds(), "copy-MiB/s")
	b.ReportMetric(mib/comparing.Seconds(), "compare-MiB/s")
}

// store stores a block; every other is merged.
func (i *installation) store(block, pairs, cuts int) {
	i.Helper()
	rng := rand.New(rand.NewPCG(uint64(block), 1))
	start := int64(block) * tsdb.BlockLength.Milliseconds()
	for range cuts {
		from := positionOf(i.Context(), i, i.file.Chunks())
		stats := tsdb.BlockStats{Block: start, Chunks: pairs, MinT: start, MaxT: start + 1}
		c := &tsdb.Cut{From: from, To: tsdb.Position{LogID: "log", Offset: from.Offset + 1, Cut: from.Cut + 1}, Now: now}
		for pair := range pairs {
			data := make([]byte, 600)
			for k := range data {
				data[k] = byte(rng.Uint32())
			}
			stats.Bytes += int64(len(data))
			c.Chunks = append(c.Chunks, tsdb.Chunk{Block: start, Pair: int64(pair + 1), MinT: start, MaxT: start + 1, Data: data})
		}
		c.Blocks = []tsdb.BlockStats{stats}
		must(i, i.file.Chunks().Commit(i.Context(), c))
	}
	if block%2 == 0 {
		return
	}
	m, err := i.file.Chunks().BeginMerge(i.Context(), 0, start)
	must(i, err)
	for {
		chunks, err := m.Next(i.Context())
		if err != nil {
			break
		}
		must(i, m.Write(i.Context(), chunks))
	}
	must(i, m.Commit(i.Context()))
}
