package chunk_test

import (
	"fmt"
	"testing"

	"github.com/esolutions/esmon/services/tsdb/chunk"
)

func benchRows(b *testing.B, rows int) (all []*chunk.Rows, samples int) {
	for _, f := range recording(b, "host-busy.txt.zst") {
		for from := 0; from+rows <= len(f.times); from += rows {
			r := f.rows(from, rows)
			all = append(all, r)
			samples += len(r.Values)
		}
	}
	return all, samples
}

func BenchmarkEncode(b *testing.B) {
	for _, rows := range []int{12, 30, 120} {
		b.Run(fmt.Sprintf("%d rows", rows), func(b *testing.B) {
			all, samples := benchRows(b, rows)
			var enc chunk.Encoder
			var buf []byte
			size := 0
			b.ReportAllocs()
			for b.Loop() {
				size = 0
				for _, r := range all {
					buf = enc.Encode(buf[:0], r)
					size += len(buf)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*samples), "ns/sample")
			b.ReportMetric(float64(size)/float64(samples), "B/sample")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, rows := range []int{12, 30, 120} {
		b.Run(fmt.Sprintf("%d rows", rows), func(b *testing.B) {
			all, samples := benchRows(b, rows)
			var enc chunk.Encoder
			var data [][]byte
			for _, r := range all {
				data = append(data, enc.Encode(nil, r))
			}
			var c chunk.Chunk
			var vs []float64
			b.ReportAllocs()
			for b.Loop() {
				for _, d := range data {
					if err := c.Open(d); err != nil {
						b.Fatal(err)
					}
					for i := range c.Columns() {
						var err error
						if vs, err = c.Column(i, vs[:0]); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*samples), "ns/sample")
		})
	}
}

// BenchmarkOpenFor reads one column of each chunk, as a query does that asks for one
// metric of many hosts.
func BenchmarkOpenFor(b *testing.B) {
	all, _ := benchRows(b, 30)
	var enc chunk.Encoder
	var data [][]byte
	for _, r := range all {
		data = append(data, enc.Encode(nil, r))
	}
	var c chunk.Chunk
	var vs []float64
	for _, way := range []struct {
		name string
		open func([]byte, int) error
	}{{"all", func(d []byte, _ int) error { return c.Open(d) }}, {"one", c.OpenFor}} {
		b.Run(way.name, func(b *testing.B) {
			columns := 0
			for b.Loop() {
				columns = 0
				for _, d := range data {
					if err := way.open(d, 0); err != nil {
						b.Fatal(err)
					}
					var err error
					if vs, err = c.Column(0, vs[:0]); err != nil {
						b.Fatal(err)
					}
					columns += c.Columns()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(data)), "ns/chunk")
			b.ReportMetric(float64(columns)/float64(len(data)), "columns")
		})
	}
}
