//go:build linux

package postgres

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/tsdb"
	"github.com/esolutions/esmon/services/tsdb/chunk"
)

const (
	benchPairs   = 50_000
	benchRows    = 30 // of a pair in a cut
	benchColumns = 10
	benchSamples = benchPairs * benchRows * benchColumns // of a cut
)

// benchDB opens a database on a server that flushes to the disk.
func benchDB(b *testing.B) *DB {
	b.Helper()
	server, err := pgtest.StartServer(b.Context(), pgtest.Options{Durable: true, Settings: map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := server.Remove(); err != nil {
			b.Error(err)
		}
	})
	db, err := tryOpen(b.Context(), server.DSN("postgres"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() }) // before the server
	return db
}

// benchChunks are encoded chunks of so many rows, ten seconds apart, of columns
// such as a host's: counters, gauges and some that never change.
func benchChunks(rows int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var enc chunk.Encoder
	list := make([][]byte, 500)
	for i := range list {
		r := chunk.Rows{}
		for row := range rows {
			r.Times = append(r.Times, int64(row)*10_000+rng.Int64N(4))
		}
		for c := range benchColumns {
			value := float64(rng.IntN(1e6))
			for range rows {
				switch c {
				case 0, 1, 2: // a slow counter
					value += float64(rng.IntN(3))
				case 3: // a fast one
					value += float64(rng.IntN(5000))
				case 4: // a gauge
					value = math.Round(rng.Float64()*1000) / 10
				case 5: // one that moves a little
					value += 0.01 * float64(rng.IntN(100))
				}
				r.Values = append(r.Values, math.Float64bits(value))
			}
		}
		list[i] = enc.Encode(nil, &r)
	}
	return list
}

// benchCut is a cut of one block with a chunk of each pair.
func benchCut(number int64, data [][]byte) *tsdb.Cut {
	c := &tsdb.Cut{From: tsdb.Position{LogID: "log", Offset: number - 1, Cut: number - 1}, To: tsdb.Position{LogID: "log", Offset: number, Cut: number}}
	if number == 1 {
		c.From = tsdb.Position{}
	}
	stats := tsdb.BlockStats{Chunks: benchPairs, MaxT: 1}
	for i := range benchPairs {
		k := tsdb.Chunk{Pair: int64(i + 1), Data: data[(i+int(number))%len(data)]}
		stats.Bytes += int64(len(k.Data))
		c.Chunks = append(c.Chunks, k)
	}
	c.Blocks = []tsdb.BlockStats{stats}
	return c
}

func checkpoint(b *testing.B, db *DB) {
	b.Helper()
	if _, err := db.pool.Exec(b.Context(), "CHECKPOINT"); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkCommit(b *testing.B) {
	db := benchDB(b)
	store := db.Chunks()
	chunks := benchChunks(benchRows)
	n, data := int64(0), int64(0)
	start := used(b, db)
	for b.Loop() {
		n++
		cut := benchCut(n, chunks)
		data += cut.Blocks[0].Bytes
		if err := store.Commit(b.Context(), cut); err != nil {
			b.Fatal(err)
		}
	}
	checkpoint(b, db) // writing the pages is part of it
	start.report(b, db, float64(n)*benchSamples/1e6, float64(data))
}

// BenchmarkMerge merges a block of 24 cuts, with chunks that are as large then as
// real ones.
func BenchmarkMerge(b *testing.B) {
	db := benchDB(b)
	store := db.Chunks()
	chunks, data := benchChunks(benchRows), int64(0)
	const cuts = 24
	for n := range int64(cuts) {
		cut := benchCut(n+1, chunks)
		data += cut.Blocks[0].Bytes
		if err := store.Commit(b.Context(), cut); err != nil {
			b.Fatal(err)
		}
	}
	checkpoint(b, db)
	large, small := benchChunks(512), benchChunks(benchRows*cuts-512)
	size, start := int64(0), used(b, db)
	for b.Loop() {
		m, err := store.BeginMerge(b.Context(), 0, 0)
		if err != nil {
			b.Fatal(err)
		}
		benchRewrite(b, m, large, small)
		size = used(b, db).tables - start.tables
		if err := m.Abort(context.WithoutCancel(b.Context())); err != nil {
			b.Fatal(err)
		}
	}
	checkpoint(b, db)
	start.report(b, db, float64(b.N)*cuts*benchSamples/1e6, float64(data)*float64(b.N))
	b.ReportMetric(float64(size)/cuts/benchSamples, "B/sample") // the tables are gone
}

func benchRewrite(b *testing.B, m tsdb.Merge, large, small [][]byte) {
	b.Helper()
	for i := 0; ; {
		chunks, err := m.Next(b.Context())
		if err == io.EOF { //nolint:errorlint // it is returned as it is
			return
		}
		if err != nil {
			b.Fatal(err)
		}
		var out []tsdb.Chunk
		for j, k := range chunks {
			if j == 0 || chunks[j-1].Pair != k.Pair {
				first, last := k, k
				first.Data, last.Data = large[i%len(large)], small[i%len(small)]
				out = append(out, first, last)
				i++
			}
		}
		if err := m.Write(b.Context(), out); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	db := benchDB(b)
	c := db.Chunks()
	chunks := benchChunks(benchRows)
	const cuts = 10
	for number := range int64(cuts) {
		if err := c.Commit(b.Context(), benchCut(number+1, chunks)); err != nil {
			b.Fatal(err)
		}
	}
	for _, bench := range []struct {
		name        string
		pairs, step int64
	}{{"One", 1, 1}, {"1000Adjacent", 1000, 1}, {"1000Each4th", 1000, 4}, {"1000Each8th", 1000, 8}, {"1000Scattered", 1000, 50}, {"400Scattered", 400, 125}, {"All", benchPairs, 1}} {
		b.Run(bench.name, func(b *testing.B) {
			w := &tsdb.Want{MaxT: math.MaxInt64, BeforeCut: math.MaxInt64}
			for i := range bench.pairs {
				w.Pairs = append(w.Pairs, 1+i*bench.step)
			}
			for b.Loop() {
				benchRead(b, c, w, cuts)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(cuts*bench.pairs), "us/chunk")
		})
	}
}

func benchRead(b *testing.B, c *Chunks, w *tsdb.Want, each int) {
	b.Helper()
	s, err := c.Snapshot(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	n := 0
	if err := s.Chunks(b.Context(), w, func(tsdb.Chunk) error { n++; return nil }); err != nil || n != each*len(w.Pairs) {
		b.Fatal(n, err)
	}
}
