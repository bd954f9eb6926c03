package head_test

import (
	"fmt"
	"testing"

	"github.com/esolutions/esmon/services/tsdb/head"
)

// Rows of 10,000 pairs in turn, cut every 30 rows a pair.
func BenchmarkAppend(b *testing.B) {
	const pairs = 10_000
	for _, width := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%d columns", width), func(b *testing.B) {
			pool := head.NewPool(1 << 30)
			table := head.NewTable(pool)
			values := make([]float64, width)
			b.ReportAllocs()
			b.SetBytes(int64(8 * width))
			for i := 0; b.Loop(); i++ {
				if i%(30*pairs) == 30*pairs-1 {
					table.Release()
					table = head.NewTable(pool)
				}
				table.Append(uint32(i%pairs), uint64(i), int64(i/pairs), values)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	const pairs, width, rows = 1000, 100, 30
	table := head.NewTable(head.NewPool(0))
	fill(table, pairs, rows, width)
	b.ReportAllocs()
	sum := 0.0
	for b.Loop() {
		for ref := range uint32(pairs) {
			r := table.Rows(ref)
			for c := r.Cursor(); c.Next(); {
				sum += c.Value(50)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*pairs*rows), "ns/row")
	if sum != 0 {
		b.Fatal("the sum is not 0")
	}
}
