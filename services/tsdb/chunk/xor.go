package chunk

import (
	"math"
	"math/bits"
)

// appendXOR appends floats as Facebook's Gorilla does (Pelkonen et al., VLDB
// 2015, section 4.1.2): the exclusive or with the value before, without its
// leading and trailing zeros.
func appendXOR(b []byte, values []float64) []byte {
	w := bitWriter{b: b}
	prev := math.Float64bits(values[0])
	w.write(prev, 64)
	lead, trail := uint(255), uint(0) // no window yet
	for _, v := range values[1:] {
		cur := math.Float64bits(v)
		x := cur ^ prev
		prev = cur
		if x == 0 {
			w.write(0, 1)
			continue
		}
		l, t := min(uint(bits.LeadingZeros64(x)), 31), uint(bits.TrailingZeros64(x))
		if lead != 255 && l >= lead && t >= trail {
			w.write(0b10, 2)
		} else {
			lead, trail = l, t
			w.write(0b11, 2)
			w.write(uint64(lead), 5)
			w.write(uint64(64-lead-trail-1), 6)
		}
		w.write(x>>trail, 64-lead-trail)
	}
	return w.flush()
}

func readXOR(body []byte, values []float64) bool {
	r := bitReader{b: body}
	prev := r.read(64)
	values[0] = math.Float64frombits(prev)
	var lead, length uint
	for i := 1; i < len(values); i++ {
		if r.read(1) == 1 {
			if r.read(1) == 1 {
				lead, length = uint(r.read(5)), uint(r.read(6))+1
			}
			if length == 0 || lead+length > 64 {
				return false
			}
			prev ^= r.read(length) << (64 - lead - length)
		}
		values[i] = math.Float64frombits(prev)
	}
	return !r.over
}
