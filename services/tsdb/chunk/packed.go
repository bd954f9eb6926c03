package chunk

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// A packed column holds integers as residuals of order 0 (the integers), 1
// (their deltas) or 2 (the deltas' deltas), less a base, in a fixed number of
// bits each. The few that do not fit are patches, listed apart.

const (
	orderShift = 6 // the order's place in the scale byte
	widthMask  = 0x7f
	shiftFlag  = 0x80 // a byte follows: how many zero bits every residual ended in
	patchGap   = 8    // estimated bits of a patch's place
)

// appendPacked appends the integers in the order that takes the fewest bits.
func (e *Encoder) appendPacked(dst []byte, ints []int64, scale byte) []byte {
	var best plan
	last := min(2, len(ints)-1)
	for order := range last + 1 {
		rs := e.residuals(ints, order)
		if p := planFor(rs, order); order == 0 || p.cost < best.cost {
			best = p
		}
	}
	rs := e.residual[best.order]
	dst = append(dst, scale|byte(best.order)<<orderShift)
	if best.shift > 0 {
		dst = append(dst, byte(best.width)|shiftFlag, byte(best.shift))
	} else {
		dst = append(dst, byte(best.width))
	}
	if best.order > 0 {
		dst = binary.AppendVarint(dst, ints[0])
	}
	if best.order > 1 {
		dst = binary.AppendVarint(dst, ints[1]-ints[0])
	}
	dst = binary.AppendVarint(dst, best.base)
	return best.append(dst, rs)
}

// residuals leaves the residuals of the order in e.residual[order].
func (e *Encoder) residuals(ints []int64, order int) []int64 {
	if order == 0 {
		e.residual[0] = append(e.residual[0][:0], ints...)
		return e.residual[0]
	}
	lower, out := e.residual[order-1], e.residual[order][:0]
	for i := 1; i < len(lower); i++ {
		out = append(out, lower[i]-lower[i-1])
	}
	e.residual[order] = out
	return out
}

// plan says how residuals are packed.
type plan struct {
	order, width, shift int
	base                int64
	cost                int // estimated bits
}

// planFor finds the width. All arithmetic wraps, there and back.
func planFor(rs []int64, order int) plan {
	p := plan{order: order}
	low, all, zeros := int64(0), uint64(0), 0
	for i, r := range rs {
		if i == 0 || r < low {
			low = r
		}
		if r == 0 {
			zeros++
		}
		all |= uint64(r)
	}
	if all != 0 {
		p.shift = bits.TrailingZeros64(all)
	}
	if p.shift < 3 { // not worth its byte
		p.shift = 0
	}
	p.base = low >> p.shift
	if 2*zeros > len(rs) { // a value that seldom changes: patches only
		p.base = 0
	}
	p.fit(rs)
	p.cost += 8*order + 8*varintLen(p.base)
	return p
}

// fit chooses the width that costs the fewest bits, patches included.
func (p *plan) fit(rs []int64) {
	var patched [65]uint32 // bits that patches take, by the length of their offset
	widest := 0
	for _, r := range rs {
		v := p.offset(r)
		n := bits.Len64(v)
		patched[n] += uint32(patchGap + 8*varintLen(int64(v)))
		widest = max(widest, n)
	}
	p.width, p.cost = widest, widest*len(rs)
	patches := 0
	for w := widest - 1; w >= 0; w-- {
		patches += int(patched[w+1])
		if cost := w*len(rs) + patches; cost < p.cost {
			p.width, p.cost = w, cost
		}
	}
}

// offset returns how far the residual is above the base.
func (p *plan) offset(r int64) uint64 { return uint64(r>>p.shift - p.base) }

func (p *plan) patch(r int64) bool { return bits.Len64(p.offset(r)) > p.width }

func (p *plan) append(dst []byte, rs []int64) []byte {
	count := 0
	for _, r := range rs {
		if p.patch(r) {
			count++
		}
	}
	dst = appendCount(dst, count)
	next := 0
	for i, r := range rs {
		if count > 0 && p.patch(r) {
			dst = appendCount(dst, i-next)
			dst = binary.AppendVarint(dst, int64(p.offset(r)))
			next = i + 1
		}
	}
	return p.pack(dst, rs)
}

// pack writes the offsets, lowest bit first; patches are zero.
func (p *plan) pack(dst []byte, rs []int64) []byte {
	w := p.width
	if w == 0 {
		return dst
	}
	var acc uint64
	have := 0
	for _, r := range rs {
		v := p.offset(r)
		if bits.Len64(v) > w {
			v = 0
		}
		acc |= v << have
		if have+w < 64 {
			have += w
			continue
		}
		dst = binary.LittleEndian.AppendUint64(dst, acc)
		acc = v >> (64 - have) // a shift by 64 is zero
		have += w - 64
	}
	for ; have > 0; have -= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

func varintLen(v int64) int {
	return (bits.Len64(uint64(v<<1)^uint64(v>>63)|1) + 6) / 7
}

// unpack reads n integers that appendPacked wrote, into dst, and returns them
// with the scale.
func unpack(b []byte, n int, dst []int64) (ints []int64, scale byte, err error) {
	c := cursor{b: b}
	head, width := c.byte(), c.byte()
	order, shift := int(head>>orderShift), byte(0)
	if width&shiftFlag != 0 {
		shift = c.byte()
	}
	w := int(width & widthMask)
	if c.failed || order > min(2, n-1) || w > 64 || shift > 63 {
		return nil, 0, fmt.Errorf("%w: packed integers of order %d, %d bits, shifted by %d", ErrCorrupt, order, w, shift)
	}
	var first [2]int64
	for i := range order {
		first[i] = c.varint()
	}
	base := c.varint()
	dst = slices.Grow(dst[:0], n)[:n]
	rs := dst[order:]
	patches := c
	patches.skipPatches(len(rs))
	if patches.failed || len(patches.b) != (len(rs)*w+7)/8 {
		return nil, 0, fmt.Errorf("%w: %d packed integers of %d bits in %d bytes", ErrCorrupt, len(rs), w, len(patches.b))
	}
	unpackBits(patches.b, w, rs)
	c.patches(rs)
	for i := range rs {
		rs[i] = (rs[i] + base) << shift
	}
	integrate(dst, order, first)
	return dst, head & (1<<orderShift - 1), nil
}

// integrate sums residuals up to integers.
func integrate(dst []int64, order int, first [2]int64) {
	switch order {
	case 1:
		dst[0] = first[0]
		for i := 1; i < len(dst); i++ {
			dst[i] += dst[i-1]
		}
	case 2:
		v, d := first[0]+first[1], first[1]
		dst[0], dst[1] = first[0], v
		for i := 2; i < len(dst); i++ {
			d += dst[i]
			v += d
			dst[i] = v
		}
	}
}

// unpackBits reads w bits for each of dst. The caller has checked the length.
func unpackBits(b []byte, w int, dst []int64) {
	if w == 0 {
		clear(dst)
		return
	}
	mask := ^uint64(0) >> (64 - w)
	i := 0
	if w <= 56 { // eight bytes from any bit's byte on hold a value
		for at := 0; i < len(dst) && at>>3+8 <= len(b); i, at = i+1, at+w {
			dst[i] = int64(binary.LittleEndian.Uint64(b[at>>3:]) >> (at & 7) & mask)
		}
	}
	for ; i < len(dst); i++ {
		dst[i] = int64(loadBits(b, i*w) & mask)
	}
}

// loadBits returns 64 bits from the bit on; those behind the end are zero.
func loadBits(b []byte, at int) uint64 {
	var buf [9]byte
	copy(buf[:], b[at>>3:])
	low := binary.LittleEndian.Uint64(buf[:]) >> (at & 7)
	return low | uint64(buf[8])<<(64-(at&7)) // by 64, and so nothing, at a byte's start
}
