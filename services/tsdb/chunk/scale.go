package chunk

import "math"

// Most values of metrics are integers or decimals with few digits: ticks of a
// hundredth, microseconds as seconds. The scale byte of a packed column says how
// to get from the integer back to the value: the low bits hold a decimal
// exponent; with scaleMultiply the integer is multiplied by 10^-exponent, else
// divided by 10^exponent. The two differ in the last bit of the result, and
// programs do both.
const (
	scaleMultiply = 0x20
	exponentBits  = 0x1f
	maxExponent   = 12
)

var powers = [maxExponent + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12}

var fractions = [maxExponent + 1]float64{1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12}

// maxScaled bounds the integers: beyond it neighbouring doubles are more than
// one apart, and decimals mean nothing.
const maxScaled = 1 << 53

// scale turns all values into integers, from which they come back to the bit,
// and leaves them in e.ints.
func (e *Encoder) scale(vs []uint64) (scale byte, ok bool) {
	if cap(e.ints) < len(vs) {
		e.ints = make([]int64, max(len(vs), 128))
	}
	e.ints = e.ints[:len(vs)]
	if e.integers(vs) {
		return 0, true
	}
	for _, way := range [...]byte{0, scaleMultiply} {
		for exp := e.decimals(vs, 1, way); exp <= maxExponent; exp = e.decimals(vs, exp+1, way) {
			if e.decimals(vs, exp, way) == exp { // the same for all values
				return byte(exp) | way, true
			}
		}
	}
	return 0, false
}

func (e *Encoder) integers(vs []uint64) bool {
	for i, v := range vs {
		n, ok := asInteger(v)
		if !ok {
			return false
		}
		e.ints[i] = n
	}
	return true
}

// asInteger returns the value as an integer if it is one.
func asInteger(v uint64) (int64, bool) {
	f := math.Float64frombits(v)
	if !(f > -(1<<63) && f < 1<<63) {
		return 0, false
	}
	n := int64(f)
	return n, math.Float64bits(float64(n)) == v
}

// decimals scales from the exponent on and raises it where a value needs more
// digits. It returns the exponent it came to, above maxExponent if a value
// cannot be scaled. Values before the last rise were scaled by a lower one.
func (e *Encoder) decimals(vs []uint64, exp int, way byte) int {
	if exp > maxExponent {
		return exp
	}
	power, fraction := powers[exp], fractions[exp]
	for i := 0; i < len(vs); {
		f := math.Float64frombits(vs[i])
		x := math.RoundToEven(f * power)
		if math.Abs(x) > maxScaled {
			return maxExponent + 1
		}
		back := x
		if way == scaleMultiply {
			back *= fraction
		} else {
			back /= power
		}
		if math.Float64bits(back) == vs[i] {
			e.ints[i] = int64(x)
			i++
			continue
		}
		if exp++; exp > maxExponent {
			return exp
		}
		power, fraction = powers[exp], fractions[exp]
	}
	return exp
}

// unscale turns integers into the values they came from.
func unscale(scale byte, ints []int64, dst []float64) {
	exp := scale & exponentBits
	switch {
	case exp == 0:
		for i, n := range ints {
			dst[i] = float64(n)
		}
	case scale&scaleMultiply == 0:
		p := powers[exp]
		for i, n := range ints {
			dst[i] = float64(n) / p
		}
	default:
		p := fractions[exp]
		for i, n := range ints {
			dst[i] = float64(n) * p
		}
	}
}
