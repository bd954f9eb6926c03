package chunk

import (
	"encoding/binary"
	"math"
)

// Encodings of a column: the low three bits of its kind byte. Bit 3 says that
// exceptions follow; the high four bits are the decimal exponent.
const (
	encConstBits    = 0 // one value, 8 bytes, in the directory
	encConstDecimal = 1 // one value, varint, in the directory
	encDelta        = 2 // first value, then packed differences
	encDeltaDelta   = 3 // first value, first difference, then packed differences of differences
	encXOR          = 4

	encMask       = 0x07
	exceptionsBit = 0x08
)

// maxExponent is the largest power of ten a column is scaled by; values with
// more decimals go to XOR.
const maxExponent = 9

var pow10 = [maxExponent + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// maxScaled keeps scaled values exact in a float64, and their second
// differences within an int64.
const maxScaled = 1 << 53

// encoder holds what encoding a column needs, to be reused.
type encoder struct {
	ints, dd   []int64
	exceptions []int // rows whose value is none that can be scaled
	body       []byte
}

// scale returns v times ten to the e as an integer, if that is exact in both
// directions.
func scale(v float64, e int) (int64, bool) {
	s := math.Round(v * pow10[e])
	if !(math.Abs(s) < maxScaled) { // also for NaN
		return 0, false
	}
	n := int64(s)
	return n, math.Float64bits(float64(n)/pow10[e]) == math.Float64bits(v)
}

// special tells whether a value is a marker or an infinity: in a column of
// numbers these are exceptions.
func special(v float64) bool { return v != v || math.IsInf(v, 0) }

// column encodes values and returns the kind byte, what stands in the directory
// for a constant, and the body otherwise. Both are valid until the next call.
func (e *encoder) column(values []float64) (kind byte, inline, body []byte) {
	if constant(values) {
		for exp := range pow10 {
			if n, ok := scale(values[0], exp); ok {
				return encConstDecimal | byte(exp<<4), binary.AppendUvarint(e.body[:0], zigzag(n)), nil
			}
		}
		return encConstBits, binary.LittleEndian.AppendUint64(e.body[:0], math.Float64bits(values[0])), nil
	}
	exp, ok := e.scaleAll(values)
	if !ok {
		e.body = appendXOR(e.body[:0], values)
		return encXOR, nil, e.body
	}
	return e.integers(values, exp)
}

func constant(values []float64) bool {
	first := math.Float64bits(values[0])
	for _, v := range values[1:] {
		if math.Float64bits(v) != first {
			return false
		}
	}
	return true
}

// scaleAll finds the smallest exponent that makes integers of all values and
// fills e.ints and e.exceptions. A column that is mostly exceptions is left to
// XOR.
func (e *encoder) scaleAll(values []float64) (exponent int, ok bool) {
	e.ints, e.exceptions = e.ints[:0], e.exceptions[:0]
	prev := int64(0)
	for i, v := range values {
		if special(v) {
			e.exceptions = append(e.exceptions, i)
			e.ints = append(e.ints, prev)
			continue
		}
		n, exact := scale(v, exponent)
		for !exact {
			if exponent++; exponent > maxExponent {
				return 0, false
			}
			n, exact = scale(v, exponent)
			if exact && !e.rescale(values[:i], exponent) {
				return 0, false
			}
		}
		prev = n
		e.ints = append(e.ints, n)
	}
	e.fillLeading()
	return exponent, len(e.exceptions)*2 <= len(values)
}

// rescale scales what came before by the larger exponent.
func (e *encoder) rescale(values []float64, exponent int) bool {
	prev := int64(0)
	for i, v := range values {
		if !special(v) {
			n, exact := scale(v, exponent)
			if !exact {
				return false
			}
			prev = n
		}
		e.ints[i] = prev
	}
	return true
}

// fillLeading gives exceptions at the front the first number, so that they cost
// nothing in the differences.
func (e *encoder) fillLeading() {
	lead := 0
	for lead < len(e.exceptions) && e.exceptions[lead] == lead {
		lead++
	}
	if lead < len(e.ints) {
		for i := range lead {
			e.ints[i] = e.ints[lead]
		}
	}
}

// integers packs e.ints in the smaller of the two ways.
func (e *encoder) integers(values []float64, exponent int) (kind byte, inline, body []byte) {
	e.dd = append(e.dd[:0], e.ints...)
	deltas(e.ints)
	copy(e.dd, e.ints)
	deltas(e.dd[1:])
	kind = byte(exponent << 4)
	body = e.body[:0]
	if len(e.exceptions) > 0 {
		kind |= exceptionsBit
		body = binary.AppendUvarint(body, uint64(len(e.exceptions)))
		last := 0
		for _, i := range e.exceptions {
			body = binary.AppendUvarint(body, uint64(i-last))
			body = binary.LittleEndian.AppendUint64(body, math.Float64bits(values[i]))
			last = i
		}
	}
	body = binary.AppendUvarint(body, zigzag(e.ints[0]))
	if len(values) > 2 && packedSize(e.dd[2:])+varintLen(e.dd[1]) < packedSize(e.ints[1:]) {
		kind |= encDeltaDelta
		body = binary.AppendUvarint(body, zigzag(e.dd[1]))
		body = appendPacked(body, e.dd[2:])
	} else {
		kind |= encDelta
		body = appendPacked(body, e.ints[1:])
	}
	e.body = body
	return kind, nil, body
}

func varintLen(v int64) int { return len(binary.AppendUvarint(nil, zigzag(v))) }

// decodeColumn fills values from a column's body.
func decodeColumn(kind byte, body []byte, values []float64, ints []int64) bool {
	if kind&encMask == encXOR {
		return readXOR(body, values)
	}
	r := byteReader{b: body}
	var exceptions byteReader
	if kind&exceptionsBit != 0 {
		exceptions = skipExceptions(&r, len(values))
	}
	ints = ints[:len(values)]
	ints[0] = r.varint()
	switch kind & encMask {
	case encDelta:
		readPacked(&r, ints[1:])
	case encDeltaDelta:
		if len(ints) < 3 {
			return false
		}
		ints[1] = r.varint()
		readPacked(&r, ints[2:])
		sums(ints[1:])
	default:
		return false
	}
	sums(ints)
	scaleDown(ints, kind>>4, values)
	if kind&exceptionsBit != 0 {
		applyExceptions(exceptions, values)
	}
	return !r.failed
}

func scaleDown(ints []int64, exponent byte, values []float64) {
	if exponent == 0 {
		for i, n := range ints {
			values[i] = float64(n)
		}
		return
	}
	p := pow10[min(exponent, maxExponent)]
	for i, n := range ints {
		values[i] = float64(n) / p
	}
}

// skipExceptions moves r behind the exceptions and returns a reader at them.
func skipExceptions(r *byteReader, rows int) byteReader {
	at := *r
	n := r.uvarint()
	if n > uint64(rows) {
		r.failed = true
		return byteReader{}
	}
	row := uint64(0)
	for range n {
		row += r.uvarint()
		r.uint64()
		if row >= uint64(rows) {
			r.failed = true
			return byteReader{}
		}
	}
	return at
}

func applyExceptions(r byteReader, values []float64) {
	n := r.uvarint()
	row := uint64(0)
	for range n {
		row += r.uvarint()
		if v := r.uint64(); row < uint64(len(values)) {
			values[row] = math.Float64frombits(v)
		}
	}
}
