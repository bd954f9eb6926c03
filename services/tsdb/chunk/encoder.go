package chunk

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/esolutions/esmon/services/metric"
)

// Rows are what a chunk is made of.
type Rows struct {
	Times []int64 // one a row, ascending; equal ones are allowed
	// Values holds the bits of all values, column by column.
	Values []uint64
	// Runs says of which cuts the rows are, in the order of the rows. None means
	// that all are of one.
	Runs []Run
}

// Encoder makes chunks. Its zero value is ready for use; it keeps its buffers
// and belongs to one goroutine.
type Encoder struct {
	dir      []byte
	lastTag  int // place of the last entry's tag in dir
	payload  []byte
	inline   []byte
	ends     []int // of each column's payload; equal to the one before if it has none
	ints     []int64
	plain    []uint64 // values of a column without the special ones
	special  []byte   // list of special values
	residual [3][]int64
}

// Encode appends the chunk to dst. It panics if the rows are not rectangular or
// beyond MaxRows or MaxColumns: the caller has counted them.
func (e *Encoder) Encode(dst []byte, r *Rows) []byte {
	n := len(r.Times)
	if n == 0 || n > MaxRows || len(r.Values)%n != 0 || len(r.Values)/n > MaxColumns {
		panic(fmt.Sprintf("chunk: %d rows with %d values", n, len(r.Values)))
	}
	columns := len(r.Values) / n
	e.dir, e.payload, e.ends = e.dir[:0], e.payload[:0], e.ends[:0]
	e.lastTag = 0
	e.payload = e.appendPacked(e.payload, r.Times, 0)
	times := len(e.payload)
	for c := range columns {
		e.column(r.Values[c*n : (c+1)*n])
	}
	compact := len(e.dir)+len(e.payload) <= compactSize
	return e.assemble(dst, r, columns, times, compact)
}

func (e *Encoder) assemble(dst []byte, r *Rows, columns, times int, compact bool) []byte {
	start, flags := len(dst), byte(0)
	if compact {
		flags |= flagCompact
	}
	if len(r.Runs) > 0 {
		flags |= flagRuns
	}
	dst = append(dst, version, flags)
	dst = appendCount(dst, len(r.Times))
	dst = appendCount(dst, columns)
	if len(r.Runs) > 0 {
		dst = appendRuns(dst, r.Runs)
	}
	dst = appendCount(dst, times)
	dst = append(dst, e.dir...)
	if compact {
		dst = append(dst, e.payload...)
		return binary.LittleEndian.AppendUint32(dst, checksum(dst[start:]))
	}
	dst = binary.LittleEndian.AppendUint32(dst, checksum(dst[start:]))
	dst = appendChecked(dst, e.payload[:times])
	from := times
	for _, end := range e.ends {
		if end > from {
			dst = appendChecked(dst, e.payload[from:end])
		}
		from = end
	}
	return dst
}

func appendChecked(dst, b []byte) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, b...), checksum(b))
}

func appendRuns(dst []byte, runs []Run) []byte {
	dst = appendCount(dst, len(runs))
	last := int64(0)
	for _, r := range runs {
		dst = binary.AppendVarint(dst, r.Cut-last)
		dst = appendCount(dst, r.Rows)
		last = r.Cut
	}
	return dst
}

// column adds a column's directory entry and payload.
func (e *Encoder) column(vs []uint64) {
	from := len(e.payload)
	e.inline = e.inline[:0]
	tag := e.body(vs)
	e.ends = append(e.ends, len(e.payload))
	if e.repeats(tag) {
		e.dir[len(e.dir)-1] += 1 << repeatShift
		return
	}
	e.lastTag = len(e.dir)
	e.dir = append(append(e.dir, tag), e.inline...)
	if hasPayload(tag) {
		e.dir = appendCount(e.dir, len(e.payload)-from)
	}
}

// repeats tells whether the last directory entry can stand for one more column
// with the tag.
func (e *Encoder) repeats(tag byte) bool {
	if !repeatable(tag) || e.lastTag >= len(e.dir) {
		return false
	}
	last := e.dir[e.lastTag]
	return last&^tagRepeat == tag && last&tagRepeat != tagRepeat
}

// body picks the encoding and writes payload and inline bytes.
func (e *Encoder) body(vs []uint64) (tag byte) {
	if allEqual(vs) {
		return e.constant(vs[0])
	}
	plain := e.split(vs)
	if len(plain) < len(vs) {
		if len(plain) <= len(vs)/2 && len(plain) > 0 {
			e.payload = appendXOR(e.payload, vs)
			return kindXOR
		}
		tag = tagSpecial
		e.payload = append(e.payload, e.special...)
	}
	switch {
	case len(plain) == 0:
		return tag | kindZero
	case allEqual(plain):
		return tag | e.constant(plain[0])
	}
	if scale, ok := e.scale(plain); ok {
		e.payload = e.appendPacked(e.payload, e.ints, scale)
		return tag | kindPacked
	}
	e.payload = appendXOR(e.payload, plain)
	return tag | kindXOR
}

func (e *Encoder) constant(v uint64) byte {
	if v == 0 {
		return kindZero
	}
	if v == missing {
		return kindMissing
	}
	if i, ok := asInteger(v); ok {
		e.inline = binary.AppendVarint(e.inline, i)
		return kindInteger
	}
	e.inline = binary.LittleEndian.AppendUint64(e.inline, v)
	return kindConstant
}

// Codes of special values.
const (
	specialMissing byte = iota
	specialStale
	specialNaN
	specialBits // 8 bytes follow
)

var (
	missing = math.Float64bits(metric.Missing())
	stale   = math.Float64bits(metric.Stale())
	nan     = math.Float64bits(metric.NaN())
)

const (
	exponentMask = uint64(0x7ff) << 52
	minusZero    = uint64(1) << 63
)

// split takes what no number encoding can hold out of the values: it writes the
// list of special values and returns the others.
func (e *Encoder) split(vs []uint64) []uint64 {
	count := 0
	for _, v := range vs {
		if isSpecial(v) {
			count++
		}
	}
	if count == 0 {
		return vs
	}
	e.plain = e.plain[:0]
	e.special = appendCount(e.special[:0], count)
	next := 0
	for i, v := range vs {
		if !isSpecial(v) {
			e.plain = append(e.plain, v)
			continue
		}
		e.special = appendCount(e.special, i-next)
		next = i + 1
		switch v {
		case missing:
			e.special = append(e.special, specialMissing)
		case stale:
			e.special = append(e.special, specialStale)
		case nan:
			e.special = append(e.special, specialNaN)
		default:
			e.special = binary.LittleEndian.AppendUint64(append(e.special, specialBits), v)
		}
	}
	return e.plain
}

// isSpecial tells whether the bits are a NaN, an infinity or minus zero.
func isSpecial(v uint64) bool { return v&exponentMask == exponentMask || v == minusZero }

func allEqual(vs []uint64) bool {
	for _, v := range vs {
		if v != vs[0] {
			return false
		}
	}
	return true
}

// hasPayload tells whether a directory entry with the tag is followed by the
// length of a payload.
func hasPayload(tag byte) bool {
	return tag&tagSpecial != 0 || tag&kindMask == kindPacked || tag&kindMask == kindXOR
}

// repeatable tells whether a directory entry with the tag can stand for several
// columns.
func repeatable(tag byte) bool { return tag == kindZero || tag == kindMissing }

func appendCount(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }
