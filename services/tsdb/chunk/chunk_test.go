package chunk_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/chunk"
)

func bitsOf(vs ...float64) []uint64 {
	out := make([]uint64, len(vs))
	for i, v := range vs {
		out[i] = math.Float64bits(v)
	}
	return out
}

// roundTrip encodes the rows and fails unless they come back to the bit.
func roundTrip(t *testing.T, rows *chunk.Rows) []byte {
	t.Helper()
	var enc chunk.Encoder
	data := enc.Encode([]byte("before"), rows)[len("before"):]
	got := decode(t, data)
	if !slices.Equal(got.Times, rows.Times) {
		t.Fatalf("times %v, want %v", got.Times, rows.Times)
	}
	for i := range got.Values {
		if got.Values[i] != rows.Values[i] {
			t.Fatalf("row %d of column %d: %#x, want %#x", i%len(rows.Times), i/len(rows.Times), got.Values[i], rows.Values[i])
		}
	}
	if len(got.Values) != len(rows.Values) || !slices.Equal(got.Runs, rows.Runs) {
		t.Fatalf("%d values of runs %v, want %d of %v", len(got.Values), got.Runs, len(rows.Values), rows.Runs)
	}
	if len(rows.Values) < 10_000 && len(rows.Times) < 10_000 {
		if err := agree(data); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func decode(t *testing.T, data []byte) *chunk.Rows {
	t.Helper()
	rows, err := tryDecode(data)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func tryDecode(data []byte) (*chunk.Rows, error) {
	var c chunk.Chunk
	if err := c.Open(data); err != nil {
		return nil, err
	}
	rows := &chunk.Rows{Runs: slices.Clone(c.Runs())}
	var err error
	if rows.Times, err = c.Times(nil); err != nil {
		return nil, err
	}
	var vs []float64
	for i := range c.Columns() {
		if vs, err = c.Column(i, vs); err != nil {
			return nil, err
		}
	}
	rows.Values = bitsOf(vs...)
	return rows, nil
}

func ticks(n int) []int64 {
	times := make([]int64, n)
	for i := range times {
		times[i] = 1_795_450_382_640 + int64(i)*10_000
	}
	return times
}

func TestColumnsComeBackToTheBit(t *testing.T) {
	t.Parallel()
	const n = 40
	rng := rand.New(rand.NewPCG(1, 2))
	fill := func(f func(i int) float64) []float64 {
		vs := make([]float64, n)
		for i := range vs {
			vs[i] = f(i)
		}
		return vs
	}
	odd := math.Float64frombits(0xfff8000000000123)
	columns := map[string][]float64{
		"zero":             fill(func(int) float64 { return 0 }),
		"minus zero":       fill(func(int) float64 { return math.Copysign(0, -1) }),
		"both zeros":       fill(func(i int) float64 { return math.Copysign(0, float64(i%2)-0.5) }),
		"missing":          fill(func(int) float64 { return metric.Missing() }),
		"stale":            fill(func(int) float64 { return metric.Stale() }),
		"constant":         fill(func(int) float64 { return 0.1 + 0.2 }),
		"integer":          fill(func(int) float64 { return -12345 }),
		"counter":          fill(func(i int) float64 { return float64(1e9 + 1000*i + rng.IntN(50)) }),
		"reset":            fill(func(i int) float64 { return float64(1e12 + float64(i%20)*4096) }),
		"pages":            fill(func(int) float64 { return float64(rng.IntN(1e6)) * 4096 }),
		"ticks":            fill(func(i int) float64 { return float64(i*997) / 100 }),
		"multiplied":       fill(func(i int) float64 { return float64(974_805+i*3) * 0.001 }),
		"nanoseconds":      fill(func(int) float64 { return float64(rng.IntN(1e8)) / 1e9 }),
		"negative":         fill(func(i int) float64 { return -float64(i*i) / 1e3 }),
		"load":             fill(func(int) float64 { return math.Round(rng.Float64()*400) / 100 }),
		"random":           fill(func(int) float64 { return rng.NormFloat64() }),
		"random bits":      fill(func(int) float64 { return math.Float64frombits(rng.Uint64()) }),
		"large":            fill(func(i int) float64 { return math.Ldexp(1, 62+i%3) * float64(1-i%2*2) }),
		"beyond integers":  fill(func(i int) float64 { return 1.8446744073709552e19 * float64(i+1) }),
		"subnormal":        fill(func(i int) float64 { return math.Float64frombits(uint64(i)) }),
		"infinities":       fill(func(i int) float64 { return math.Inf(i%2*2 - 1) }),
		"one infinity":     fill(func(i int) float64 { return []float64{float64(i), math.Inf(1)}[min(1, i/39)] }),
		"seldom missing":   fill(func(i int) float64 { return []float64{metric.Missing(), float64(i)}[min(1, i%9)] }),
		"mostly missing":   fill(func(i int) float64 { return []float64{float64(i), metric.Missing()}[min(1, i%9)] }),
		"one value":        fill(func(i int) float64 { return []float64{7, metric.Missing()}[min(1, i)] }),
		"stale at the end": fill(func(i int) float64 { return []float64{5.25, metric.Stale()}[i/39] }),
		"all special":      fill(func(i int) float64 { return []float64{metric.Missing(), metric.Stale(), metric.NaN(), odd}[i%4] }),
		"odd nan":          fill(func(i int) float64 { return []float64{odd, float64(i)}[min(1, i%10)] }),
		"seldom changes":   fill(func(i int) float64 { return float64(100 - i/13*7) }),
		"one jump":         fill(func(i int) float64 { return float64(i) + float64(i/20)*1e14 }),
		"extremes":         fill(func(i int) float64 { return []float64{-(1 << 62), 1 << 62, -1, 1}[i%4] }),
	}
	all := &chunk.Rows{Times: ticks(n)}
	for name, vs := range columns {
		all.Values = append(all.Values, bitsOf(vs...)...)
		for _, rows := range []int{1, 2, 3, 17, n} {
			t.Run(fmt.Sprintf("%s/%d rows", name, rows), func(t *testing.T) {
				t.Parallel()
				roundTrip(t, &chunk.Rows{Times: ticks(rows), Values: bitsOf(vs[:rows]...)})
			})
		}
	}
	t.Run("together", func(t *testing.T) {
		t.Parallel()
		roundTrip(t, all)
	})
}

func TestTimesAndRunsComeBack(t *testing.T) {
	t.Parallel()
	cases := map[string]*chunk.Rows{
		"one row":      {Times: []int64{42}},
		"before 1970":  {Times: []int64{-5000, -1, 0, 1}},
		"equal times":  {Times: []int64{10, 10, 20, 20, 20}},
		"far apart":    {Times: []int64{math.MinInt64, 0, math.MaxInt64}},
		"runs":         {Times: ticks(6), Runs: []chunk.Run{{0, 2}, {7, 1}, {3, 3}}},
		"many rows":    {Times: ticks(200_000)},
		"a gap inside": {Times: append(ticks(30), 1_795_450_382_640+7_000_000)},
	}
	for name, rows := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows.Values = make([]uint64, len(rows.Times))
			roundTrip(t, rows)
		})
	}
}

// Integers of every width; those of more than 53 bits end in zeros, as doubles do.
func TestWidthsComeBack(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	const n = 31
	for width := 1; width <= 63; width++ {
		rows := &chunk.Rows{Times: ticks(n)}
		for i := range n {
			v := rng.Int64() >> (63 - min(width, 53)) << max(0, width-53)
			if i == 0 {
				v = 1
			}
			rows.Values = append(rows.Values, math.Float64bits(float64(v)))
		}
		roundTrip(t, rows)
	}
}

// Columns that are zero or missing share directory entries, up to eight each.
func TestRepeatedColumnsComeBack(t *testing.T) {
	t.Parallel()
	missing := math.Float64bits(metric.Missing())
	for _, n := range []int{1, 2, 7, 8, 9, 16, 17, 500} {
		rows := &chunk.Rows{Times: ticks(3)}
		for _, v := range []uint64{0, missing, 0, missing} {
			rows.Values = append(rows.Values, slices.Repeat([]uint64{v}, 3*n)...)
			rows.Values = append(rows.Values, bitsOf(1, 1, 1)...) // an inline value behind a tag
			rows.Values = append(rows.Values, v, v, v)
		}
		data := roundTrip(t, rows)
		if most := 60 + n/2; len(data) > most {
			t.Errorf("4 times %d columns take %d bytes, want at most %d", n, len(data), most)
		}
		var c chunk.Chunk
		if err := c.Open(data); err != nil {
			t.Fatal(err)
		}
		for i := range c.Columns() {
			if present := rows.Values[3*i] != missing; c.Present(i) != present {
				t.Errorf("%d columns: column %d: present %v", n, i, c.Present(i))
			}
		}
	}
}

// A chunk cannot claim many rows with few bytes, and what has many rows is read.
func TestRowsAreBoundedByTheLength(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1 << 16, 1<<16 + 1, 300_000} {
		data := roundTrip(t, &chunk.Rows{Times: ticks(n), Values: make([]uint64, n)})
		if free := n <= 1<<16; free != (len(data) < 100) {
			t.Errorf("%d rows take %d bytes", n, len(data))
		}
	}
}

func TestRandomRowsComeBack(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		n, columns := 1+rng.IntN(70), rng.IntN(6)
		rows := &chunk.Rows{Times: make([]int64, n)}
		at := rng.Int64N(1 << 41)
		for i := range rows.Times {
			rows.Times[i] = at
			at += rng.Int64N(1 << rng.IntN(20))
		}
		for range columns {
			rows.Values = append(rows.Values, randomColumn(rng, n)...)
		}
		roundTrip(t, rows)
	}
}

func randomColumn(rng *rand.Rand, n int) []uint64 {
	vs := make([]uint64, n)
	digits := math.Pow(10, float64(rng.IntN(14)))
	spread := int64(1) << rng.IntN(55)
	v := rng.Int64N(spread)
	special, raw := rng.IntN(20), rng.IntN(200)
	for i := range vs {
		v += rng.Int64N(spread) - spread/3
		vs[i] = math.Float64bits(float64(v) / digits)
		switch {
		case rng.IntN(100) < special:
			vs[i] = []uint64{math.Float64bits(metric.Missing()), math.Float64bits(metric.Stale()), math.Float64bits(metric.NaN()), 1 << 63, 0x7ff << 52}[rng.IntN(5)]
		case rng.IntN(200) > raw:
			vs[i] = rng.Uint64()
		}
	}
	return vs
}

// The sizes that real values come to; the bar is 0.6 bytes a sample at 120 rows.
func TestSizeOfARealHost(t *testing.T) {
	t.Parallel()
	bars := map[int]float64{12: 0.95, 30: 0.72, 120: 0.6}
	for _, name := range []string{"host-busy.txt.zst", "host-idle.txt.zst"} {
		groups := recording(t, name)
		for rows, bar := range bars {
			bytes, samples := 0, 0
			for _, f := range groups {
				for from := 0; from+rows <= len(f.times); from += rows {
					bytes += len(roundTrip(t, f.rows(from, rows)))
					samples += rows * len(f.values)
				}
			}
			got := float64(bytes) / float64(samples)
			t.Logf("%s, %d rows: %.3f B/sample (%d frames of %.1f columns)", name, rows, got, len(groups), float64(samples)/float64(rows)/float64(len(groups)))
			if got > bar {
				t.Errorf("%s, %d rows: %.3f B/sample, the bar is %.2f", name, rows, got, bar)
			}
		}
	}
}
