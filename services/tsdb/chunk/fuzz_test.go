package chunk_test

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// bare takes the checksums out of a chunk; seal puts fitting ones in, so that
// what is changed in between is not stopped by them.
func bare(data []byte) []byte {
	r, err := refOpen(data)
	if err != nil {
		panic(err)
	}
	if r.compact {
		return data[:len(data)-4]
	}
	out := slices.Clone(data[:r.headerEnd])
	for _, p := range r.parts() {
		out = append(out, p.bytes...)
	}
	return out
}

func seal(data []byte) (out []byte) {
	sum := func(from int) {
		out = binary.LittleEndian.AppendUint32(out, uint32(crc32c(out[from:])))
	}
	if len(data) > 1 && data[1]%2 == 1 {
		out = slices.Clone(data)
		sum(0)
		return out
	}
	err := refused(func() {
		r := layout(data)
		in := &bytesIn{data[r.headerEnd:]}
		out = slices.Clone(data[:r.headerEnd])
		sum(0)
		for _, p := range r.parts() {
			from := len(out)
			out = append(out, in.take(p.length)...)
			sum(from)
		}
		out = append(out, in.b...)
	})
	if err != nil { // where sections are cannot be told
		return slices.Clone(data)
	}
	return out
}

// FuzzOpen gives the decoder what a faulty or hostile writer could: checksums
// fit, the rest is anything.
func FuzzOpen(f *testing.F) {
	for _, e := range examples(f) {
		f.Add(bare(e.data))
	}
	for _, g := range goldens(f) {
		if len(g.data) < 2000 {
			f.Add(bare(g.data))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		data := seal(b)
		oneByOne(t, data)
		var c chunk.Chunk
		if c.Open(data) != nil {
			if err := agree(data); err != nil {
				t.Fatal(err)
			}
			return
		}
		if c.Rows() > max(1<<16, 8*len(data)+7) || c.Columns() > 8*len(data) {
			t.Fatalf("%d bytes claim %d rows and %d columns", len(data), c.Rows(), c.Columns())
		}
		if c.Rows()*(1+c.Columns()) > 1<<16 {
			readAll(t, &c) // the reference decoder would take too long
			return
		}
		if err := agree(data); err != nil {
			t.Fatal(err)
		}
	})
}

// oneByOne compares opening for one column with opening for all.
func oneByOne(t *testing.T, data []byte) {
	t.Helper()
	var whole, one chunk.Chunk
	wholeErr := whole.Open(data)
	last := whole.Columns() - 1
	for _, i := range []int{0, 1, last / 2, last, last + 1} {
		err := one.OpenFor(data, i)
		if (err == nil) != (wholeErr == nil) {
			t.Fatalf("column %d of %d: %v, all: %v", i, last+1, err, wholeErr)
		}
		if err != nil || i < 0 || i > last {
			continue
		}
		if one.Columns() != last+1 || one.Rows() != whole.Rows() || one.Present(i) != whole.Present(i) || !slices.Equal(one.Runs(), whole.Runs()) {
			t.Fatalf("column %d of %d: %d columns, %d rows, present %t", i, last+1, one.Columns(), one.Rows(), one.Present(i))
		}
		if whole.Rows() > 1<<16 {
			continue
		}
		got, gotErr := one.Column(i, nil)
		want, wantErr := whole.Column(i, nil)
		if (gotErr == nil) != (wantErr == nil) || !sameBits(got, want) {
			t.Fatalf("column %d of %d: %v, %v, want %v, %v", i, last+1, got, gotErr, want, wantErr)
		}
		gotTimes, gotErr := one.Times(nil)
		wantTimes, wantErr := whole.Times(nil)
		if (gotErr == nil) != (wantErr == nil) || !slices.Equal(gotTimes, wantTimes) {
			t.Fatalf("times with column %d: %v, %v, want %v, %v", i, gotTimes, gotErr, wantTimes, wantErr)
		}
	}
}

func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// readAll reads a few columns and fails if one is not as long as the chunk.
func readAll(t *testing.T, c *chunk.Chunk) {
	t.Helper()
	if times, err := c.Times(nil); err == nil && len(times) != c.Rows() {
		t.Fatalf("%d times of %d rows", len(times), c.Rows())
	}
	var vs []float64
	for i := range min(c.Columns(), 20) {
		var err error
		if vs, err = c.Column(i, vs[:0]); err == nil && len(vs) != c.Rows() {
			t.Fatalf("%d values of %d rows", len(vs), c.Rows())
		}
	}
}

// FuzzRoundTrip makes rows of the fuzzer's bytes: what is encoded comes back to
// the bit, and both decoders read it.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte{}, uint16(1), byte(0))
	f.Add(floats(1, 2, 3, 4, 5.5, 6.25), uint16(3), byte(1))
	f.Add(floats(0, 0, 0, 0, math.Inf(1), metric.Missing(), metric.Stale(), metric.NaN()), uint16(2), byte(2))
	f.Add(floats(0.001, 974.805, 974.806, 1e300, -1, 1<<53), uint16(6), byte(3))
	f.Fuzz(func(t *testing.T, b []byte, rows uint16, shape byte) {
		n := int(rows)%200 + 1
		roundTrip(t, fuzzRows(b, n, shape))
	})
}

// fuzzRows takes eight bytes a value. Shape says what they are: bits, integers,
// decimals divided or multiplied; and whether there are runs.
func fuzzRows(b []byte, n int, shape byte) *chunk.Rows {
	r := &chunk.Rows{Times: make([]int64, n)}
	t := int64(1_700_000_000_000)
	for i := range r.Times {
		r.Times[i] = t
		if len(b) > 0 {
			t += int64(b[i%len(b)]) << (shape & 7)
		}
	}
	for ; len(b) >= 8; b = b[8:] {
		v := binary.LittleEndian.Uint64(b)
		switch small := float64(int64(v) >> (shape >> 2)); shape & 3 {
		case 1:
			v = math.Float64bits(small)
		case 2:
			v = math.Float64bits(small / 1000)
		case 3:
			v = math.Float64bits(small * 0.001)
		}
		r.Values = append(r.Values, v)
	}
	r.Values = r.Values[:len(r.Values)/n*n]
	if shape&0x80 != 0 && n > 1 {
		r.Runs = []chunk.Run{{Cut: int64(shape), Rows: 1}, {Cut: 0, Rows: n - 1}}
	}
	return r
}

func floats(vs ...float64) (out []byte) {
	for _, v := range bitsOf(vs...) {
		out = binary.LittleEndian.AppendUint64(out, v)
	}
	return out
}
