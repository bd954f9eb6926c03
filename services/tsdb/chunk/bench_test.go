package chunk_test

import (
	"fmt"
	"testing"

	"github.com/esolutions/esmon/services/fleetsim"
	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// recorded returns chunks' worth of rows of a recorded host, all frames of it.
func recorded(tb testing.TB, name string, rowsEach int) []*chunk.Rows {
	tb.Helper()
	rec, err := fleetsim.LoadRecording(name, 400)
	if err != nil {
		tb.Fatal(err)
	}
	var all []*chunk.Rows
	for _, f := range rec.Frames {
		for start := 0; start+rowsEach <= len(rec.Values); start += rowsEach {
			rows := &chunk.Rows{Columns: len(f.Schema.Columns)}
			for i := range rowsEach {
				// Real agents' timestamps jitter by a few milliseconds.
				rows.Times = append(rows.Times, 1_700_000_000_000+int64(start+i)*5000+int64(i*i%7))
				rows.Values = append(rows.Values, rec.Values[start+i][f.First:f.First+rows.Columns]...)
			}
			all = append(all, rows)
		}
	}
	return all
}

func BenchmarkAppend(b *testing.B) {
	for _, name := range []string{"busy", "idle"} {
		for _, n := range []int{8, 30, 120} {
			b.Run(fmt.Sprintf("%s/%d_rows", name, n), func(b *testing.B) {
				all := recorded(b, name, n)
				var e chunk.Encoder
				var buf []byte
				bytes, samples := 0, 0
				for i := 0; b.Loop(); i++ {
					rows := all[i%len(all)]
					buf = e.Append(buf[:0], rows)
					bytes += len(buf)
					samples += len(rows.Values)
				}
				b.ReportMetric(float64(bytes)/float64(samples), "B/sample")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(samples), "ns/sample")
			})
		}
	}
}

func BenchmarkColumn(b *testing.B) {
	all := recorded(b, "busy", 120)
	var e chunk.Encoder
	var chunks [][]byte
	for _, rows := range all {
		chunks = append(chunks, e.Append(nil, rows))
	}
	var times []int64
	var values []float64
	samples := 0
	for i := 0; b.Loop(); i++ {
		c, err := chunk.Open(chunks[i%len(chunks)])
		if err != nil {
			b.Fatal(err)
		}
		times = c.Times(times[:0])
		if values, err = c.Column(i%c.Columns(), values[:0]); err != nil {
			b.Fatal(err)
		}
		samples += len(values)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(samples), "ns/sample")
}
