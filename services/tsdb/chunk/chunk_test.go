package chunk_test

import (
	"bufio"
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// rowsOf builds rows from columns.
func rowsOf(times []int64, columns ...[]float64) *chunk.Rows {
	rows := &chunk.Rows{Times: times, Columns: len(columns)}
	for r := range times {
		for _, c := range columns {
			rows.Values = append(rows.Values, c[r])
		}
	}
	return rows
}

func regular(n int) []int64 {
	times := make([]int64, n)
	for i := range times {
		times[i] = 1_700_000_000_000 + int64(i)*15_000
	}
	return times
}

func column(n int, f func(i int) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func checkRoundTrip(t *testing.T, rows *chunk.Rows) []byte {
	t.Helper()
	var e chunk.Encoder
	b := e.Append([]byte("prefix"), rows)[len("prefix"):]
	c, err := chunk.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Times(nil); !slices.Equal(got, rows.Times) {
		t.Fatalf("times: got %v, want %v", got, rows.Times)
	}
	if got := c.Sequences(nil); !slices.Equal(got, rows.Sequences) {
		t.Fatalf("sequences: got %v, want %v", got, rows.Sequences)
	}
	for i := range rows.Columns {
		got, err := c.Column(i, nil)
		if err != nil {
			t.Fatal(err)
		}
		for r, v := range got {
			if want := rows.Values[r*rows.Columns+i]; math.Float64bits(v) != math.Float64bits(want) {
				t.Fatalf("column %d row %d: got %v (%x), want %v (%x)", i, r, v, math.Float64bits(v), want, math.Float64bits(want))
			}
		}
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(i int) float64{
		"constant":           func(int) float64 { return 42 },
		"constant decimal":   func(int) float64 { return 0.1 },
		"constant pi":        func(int) float64 { return math.Pi },
		"constant stale":     func(int) float64 { return metric.Stale() },
		"constant -0":        func(int) float64 { return math.Copysign(0, -1) },
		"counter":            func(i int) float64 { return float64(i * i) },
		"negative":           func(i int) float64 { return float64(-7 * i) },
		"decimal":            func(i int) float64 { return float64(i) / 100 },
		"decimals grow":      func(i int) float64 { return []float64{1, 1.5, 1.25, 1.125}[i%4] },
		"random":             func(int) float64 { return rand.NormFloat64() },
		"mixed signs of 0":   func(i int) float64 { return math.Copysign(0, float64(i%2)-0.5) },
		"huge":               func(i int) float64 { return float64(i) * 1e300 },
		"largest integers":   func(i int) float64 { return float64(1<<53 - 1 - i) },
		"alternating ends":   func(i int) float64 { return []float64{1<<53 - 1, -(1<<53 - 1)}[i%2] },
		"beyond integers":    func(i int) float64 { return float64(1<<53 + i*2) },
		"smallest":           func(i int) float64 { return math.SmallestNonzeroFloat64 * float64(i) },
		"infinities":         func(i int) float64 { return math.Inf(i%3 - 1) },
		"missing now, then":  func(i int) float64 { return []float64{1, metric.Missing(), 3}[i%3] },
		"missing first":      func(i int) float64 { return []float64{metric.Missing(), 1, 2, 3}[min(i, 3)] },
		"ends stale":         func(i int) float64 { return []float64{1, metric.Stale()}[i/99%2] },
		"mostly missing":     func(i int) float64 { return []float64{metric.Missing(), 5}[i/99%2] },
		"NaN among decimals": func(i int) float64 { return []float64{0.5, metric.NaN(), 0.25}[i%3] },
	} {
		for _, n := range []int{1, 2, 3, 16, 17, 18, 100, 1000} {
			checkRoundTrip(t, rowsOf(regular(n), column(n, f), column(n, func(int) float64 { return 1 })))
		}
		_ = name
	}
}

func TestSequencesAndIrregularTimes(t *testing.T) {
	t.Parallel()
	rows := rowsOf([]int64{-5, 0, 1, 1 << 50}, column(4, func(i int) float64 { return float64(i) }))
	rows.Sequences = []int64{1 << 40, 7, 8, 1 << 60}
	checkRoundTrip(t, rows)
}

func TestCorruption(t *testing.T) {
	t.Parallel()
	var e chunk.Encoder
	good := e.Append(nil, rowsOf(regular(50), column(50, func(i int) float64 { return float64(i * i) }), column(50, func(int) float64 { return rand.Float64() })))
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":               func([]byte) []byte { return nil },
		"other version":       func(b []byte) []byte { b[0] = 2; return b },
		"unknown flag":        func(b []byte) []byte { b[1] = 0x80; return b },
		"row count":           func(b []byte) []byte { b[2]++; return b },
		"column count":        func(b []byte) []byte { b[3]++; return b },
		"a timestamp":         func(b []byte) []byte { b[6] ^= 1; return b },
		"truncated header":    func(b []byte) []byte { return b[:10] },
		"truncated body":      func(b []byte) []byte { return b[:len(b)-1] },
		"something after":     func(b []byte) []byte { return append(b, 0) },
		"a bit of the body":   func(b []byte) []byte { b[len(b)-10] ^= 4; return b },
		"the body's checksum": func(b []byte) []byte { b[len(b)-1] ^= 4; return b },
		"zeros":               func(b []byte) []byte { clear(b); return b },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := readAll(damage(bytes.Clone(good))); !errors.Is(err, chunk.ErrCorrupt) {
				t.Errorf("got %v, want a corrupt chunk", err)
			}
		})
	}
}

// A damaged column must not take its neighbours along.
func TestDamageStaysInItsColumn(t *testing.T) {
	t.Parallel()
	var e chunk.Encoder
	b := e.Append(nil, rowsOf(regular(50), column(50, func(i int) float64 { return float64(i * i) }), column(50, func(int) float64 { return rand.Float64() })))
	b[len(b)-10] ^= 1
	c, err := chunk.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Column(0, nil); err != nil {
		t.Error(err)
	}
	if _, err := c.Column(1, nil); !errors.Is(err, chunk.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

func readAll(b []byte) error {
	c, err := chunk.Open(b)
	if err != nil {
		return err
	}
	c.Times(nil)
	c.Sequences(nil)
	for i := range c.Columns() {
		if _, err := c.Column(i, nil); err != nil {
			return err
		}
	}
	return nil
}

func FuzzOpen(f *testing.F) {
	var e chunk.Encoder
	f.Add(e.Append(nil, rowsOf(regular(20), column(20, func(i int) float64 { return float64(i) / 10 }), column(20, func(i int) float64 { return math.Sqrt(float64(i)) }))))
	f.Fuzz(func(_ *testing.T, b []byte) { _ = readAll(b) })
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, columns uint8) {
		r := bufio.NewReader(bytes.NewReader(b))
		n := int(columns%4) + 1
		rows := &chunk.Rows{Columns: n}
		for len(b) >= 8*n {
			rows.Times = append(rows.Times, int64(len(rows.Times))*1000)
			for range n {
				var bits uint64
				for range 8 {
					c, _ := r.ReadByte() // zero at the end
					bits = bits<<8 | uint64(c)
				}
				rows.Values = append(rows.Values, math.Float64frombits(bits))
			}
			b = b[8*n:]
		}
		if len(rows.Times) > 0 {
			checkRoundTrip(t, rows)
		}
	})
}
