package chunk_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/big"
	"slices"

	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// A decoder written from FORMAT.md alone: slow, bit by bit, with nothing in
// common with the package. It refuses by a panic, which [refused] catches.

var errReference = errors.New("refused by the reference decoder")

func refuse(format string, args ...any) {
	panic(fmt.Errorf("%w: "+format, append([]any{errReference}, args...)...))
}

func check(ok bool, format string, args ...any) {
	if !ok {
		refuse(format, args...)
	}
}

func refused(f func()) (err error) {
	defer func() {
		if e, ok := recover().(error); ok {
			if err = e; !errors.Is(e, errReference) {
				panic(e)
			}
		}
	}()
	f()
	return nil
}

type bytesIn struct{ b []byte }

func (in *bytesIn) take(n uint64) []byte {
	check(n <= uint64(len(in.b)), "%d bytes wanted, %d left", n, len(in.b))
	b := in.b[:n]
	in.b = in.b[n:]
	return b
}

func (in *bytesIn) u8() uint64 { return uint64(in.take(1)[0]) }

func (in *bytesIn) little(n uint64) (v uint64) {
	for i, b := range in.take(n) {
		v |= uint64(b) << (8 * i)
	}
	return v
}

func (in *bytesIn) uv() uint64 {
	v := new(big.Int)
	for i := range 10 {
		b := in.u8()
		v.Or(v, new(big.Int).Lsh(big.NewInt(int64(b&0x7f)), uint(7*i)))
		if b < 0x80 {
			check(v.BitLen() <= 64, "a varint of %d bits", v.BitLen())
			return v.Uint64()
		}
	}
	refuse("a varint of more than 10 bytes")
	return 0
}

func (in *bytesIn) zv() int64 {
	n := in.uv()
	if n%2 == 0 {
		return int64(n / 2)
	}
	return -int64(n/2) - 1
}

// below reads a number of at most limit.
func (in *bytesIn) below(limit uint64, what string) uint64 {
	v := in.uv()
	check(v <= limit, "%s: %d, at most %d", what, v, limit)
	return v
}

// reference is what the slow decoder makes of a chunk.
type reference struct {
	compact   bool
	rows      uint64
	runs      []chunk.Run
	headerEnd int
	times     part
	columns   []part
}

// part is the timestamps or a column.
type part struct {
	tag    uint64
	inline uint64 // bits
	length uint64
	bytes  []byte
	intact bool
}

func crc32c(b []byte) uint64 {
	return uint64(crc32.Checksum(b, crc32.MakeTable(0x82f63b78)))
}

// layout reads header and directory. No checksum is looked at.
func layout(data []byte) *reference {
	r := &reference{}
	in := &bytesIn{data}
	check(in.u8() == 1, "version")
	flags := in.u8()
	check(flags < 4, "flags %d", flags)
	r.compact = flags&1 != 0
	r.rows = in.below(8_388_607, "rows")
	check(r.rows > 0, "no rows")
	columns := in.below(65_535, "columns")
	if flags&2 != 0 {
		r.readRuns(in)
	}
	r.times.length = in.uv()
	check(r.times.length > 0, "no timestamps")
	check(r.rows <= 65_536 || r.times.length >= r.rows/8, "%d rows in %d bytes", r.rows, r.times.length)
	for uint64(len(r.columns)) < columns {
		p, further := entry(in)
		check(further < columns-uint64(len(r.columns)), "more entries than columns")
		for range further + 1 {
			r.columns = append(r.columns, p)
		}
	}
	r.headerEnd = len(data) - len(in.b)
	return r
}

func (r *reference) readRuns(in *bytesIn) {
	cut, left := int64(0), r.rows
	for range in.uv() {
		cut += in.zv()
		n := in.below(left, "rows of a run")
		check(cut >= 0 && n > 0, "a run of %d rows of cut %d", n, cut)
		r.runs = append(r.runs, chunk.Run{Cut: cut, Rows: int(n)})
		left -= n
	}
	check(left == 0, "%d rows without a run", left)
}

func entry(in *bytesIn) (p part, further uint64) {
	p.tag = in.u8()
	kind, special := p.tag&15, p.tag&128 != 0
	check(kind <= 5, "kind %d", kind)
	further = p.tag >> 4 & 7
	check(further == 0 || kind <= 1 && !special, "tag %#x", p.tag)
	switch kind {
	case 1:
		p.inline = 0x7ff0000000000e50
	case 2:
		p.inline = in.little(8)
	case 3:
		p.inline = math.Float64bits(float64(in.zv()))
	}
	if kind >= 4 || special {
		p.length = in.uv()
		check(p.length > 0, "a section of no bytes")
	}
	return p, further
}

// refOpen reads what stands before the sections and cuts the sections out.
func refOpen(data []byte) (r *reference, err error) {
	err = refused(func() {
		body := data
		if len(data) > 1 && data[0] == 1 && data[1]%2 == 1 {
			check(len(data) >= 6, "%d bytes", len(data))
			body = data[:len(data)-4]
			check((&bytesIn{data[len(body):]}).little(4) == crc32c(body), "checksum of the chunk")
		}
		r = layout(body)
		in := &bytesIn{body[r.headerEnd:]}
		if !r.compact {
			check(in.little(4) == crc32c(body[:r.headerEnd]), "checksum of the header")
		}
		for _, p := range r.parts() {
			p.bytes, p.intact = in.take(p.length), true
			if !r.compact {
				p.intact = in.little(4) == crc32c(p.bytes)
			}
		}
		check(len(in.b) == 0, "%d bytes left over", len(in.b))
	})
	return r, err
}

// parts are those that have a section.
func (r *reference) parts() []*part {
	all := []*part{&r.times}
	for i := range r.columns {
		if r.columns[i].length > 0 {
			all = append(all, &r.columns[i])
		}
	}
	return all
}

func (r *reference) readTimes() (times []int64, err error) {
	err = refused(func() {
		check(r.times.intact, "checksum of the timestamps")
		in := &bytesIn{r.times.bytes}
		var scale uint64
		times, scale = integers(in, r.rows)
		check(scale == 0, "timestamps with a scale")
		check(slices.IsSorted(times), "timestamps that do not ascend")
	})
	return times, err
}

func (r *reference) readColumn(i int) (values []uint64, err error) {
	p := &r.columns[i]
	err = refused(func() {
		check(p.length == 0 || p.intact, "checksum of column %d", i)
		in := &bytesIn{p.bytes}
		special := map[uint64]uint64{} // by row
		if p.tag&128 != 0 {
			special = specials(in, r.rows)
		}
		plain := plainValues(in, p, r.rows-uint64(len(special)))
		for row := range r.rows {
			if v, ok := special[row]; ok {
				values = append(values, v)
				continue
			}
			values = append(values, plain[0])
			plain = plain[1:]
		}
	})
	return values, err
}

func specials(in *bytesIn, rows uint64) map[uint64]uint64 {
	out, next := map[uint64]uint64{}, uint64(0)
	for range in.uv() {
		check(next < rows, "more special values than rows")
		row := next + in.below(rows-1-next, "gap")
		switch code := in.u8(); code {
		case 0:
			out[row] = 0x7ff0000000000e50
		case 1:
			out[row] = 0x7ff0000000000002
		case 2:
			out[row] = 0x7ff8000000000001
		default:
			check(code == 3, "code %d", code)
			out[row] = in.little(8)
		}
		next = row + 1
	}
	return out
}

func plainValues(in *bytesIn, p *part, n uint64) (out []uint64) {
	kind := p.tag & 15
	switch {
	case n == 0 || kind < 4:
		for range n {
			out = append(out, p.inline)
		}
		check(len(in.b) == 0, "bytes left over")
	case kind == 4:
		ints, scale := integers(in, n)
		exponent := scale & 31
		check(exponent <= 12, "exponent %d", exponent)
		for _, i := range ints {
			out = append(out, math.Float64bits(descale(i, int(exponent), scale&32 != 0)))
		}
	default:
		out = xored(in, n)
	}
	return out
}

// descale computes with exact numbers, rounded once an operation.
func descale(i int64, exponent int, multiply bool) float64 {
	v := new(big.Float).SetMode(big.ToNearestEven).SetPrec(53).SetInt64(i)
	if exponent == 0 || i == 0 {
		f, _ := v.Float64()
		return f
	}
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
	power := new(big.Float).SetPrec(53).SetInt(ten)
	if multiply {
		tenth := new(big.Float).SetPrec(53).Quo(big.NewFloat(1), power) // correctly rounded: power is exact
		v.Mul(v, tenth)
	} else {
		v.Quo(v, power)
	}
	f, _ := v.Float64()
	return f
}

func integers(in *bytesIn, n uint64) (out []int64, scale uint64) {
	scale = in.u8()
	order := scale >> 6
	check(order < 3 && order < n, "order %d of %d integers", order, n)
	width, shift := in.u8(), uint64(0)
	if width&128 != 0 {
		shift = in.u8()
		check(shift < 64, "shift %d", shift)
	}
	var first, delta int64
	if order > 0 {
		first = in.zv()
	}
	if order > 1 {
		delta = in.zv()
	}
	base := in.zv()
	residuals := n - order
	patches, next := map[uint64]int64{}, uint64(0)
	if width&64 != 0 {
		for range in.uv() {
			check(next < residuals, "more patches than residuals")
			at := next + in.below(residuals-1-next, "gap")
			patches[at], next = in.zv(), at+1
		}
	}
	w := width & 63
	check(uint64(len(in.b)) == (residuals*w+7)/8, "%d bytes of offsets, %d of %d bits", len(in.b), residuals, w)
	if order > 0 {
		out = append(out, first)
	}
	if order > 1 {
		out = append(out, first+delta)
	}
	for i := range residuals {
		var offset int64
		for bit := range w {
			at := i*w + bit
			offset |= int64(in.b[at/8]>>(at%8)&1) << bit
		}
		if p, ok := patches[i]; ok {
			offset = p
		}
		residual := (offset + base) << shift
		switch k := len(out); order {
		case 0:
			out = append(out, residual)
		case 1:
			out = append(out, out[k-1]+residual)
		case 2:
			out = append(out, out[k-1]+(out[k-1]-out[k-2])+residual)
		}
	}
	return out, scale & 63
}

func xored(in *bytesIn, n uint64) []uint64 {
	v := in.little(8)
	out := []uint64{v}
	at := uint64(0)
	bits := func(n uint64) (v uint64) {
		for range n {
			check(at/8 < uint64(len(in.b)), "the stream ends")
			v = v<<1 | uint64(in.b[at/8]>>(7-at%8)&1)
			at++
		}
		return v
	}
	var lead, length uint64
	for range n - 1 {
		if bits(1) == 1 {
			if bits(1) == 1 {
				lead, length = bits(5), bits(6)+1
			}
			check(length > 0 && lead+length <= 64, "a window of %d bits behind %d", length, lead)
			v ^= bits(length) << (64 - lead - length)
		}
		out = append(out, v)
	}
	check((at+7)/8 == uint64(len(in.b)), "%d bits in %d bytes", at, len(in.b))
	return out
}
