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
	orderShift = 6    // the order's place in the scale byte
	maxWidth   = 0x3f // the low bits of the byte behind it; what is wider is a patch
	patchFlag  = 0x40 // a list of patches follows the base
	shiftFlag  = 0x80 // a byte follows: how many zero bits every residual ended in
	patchGap   = 8    // estimated bits of a patch's place
)

// appendPacked appends the integers in the order that takes the fewest bits.
func (e *Encoder) appendPacked(dst []byte, ints []int64, scale byte) []byte {
	narrow := 0
	if len(ints) > freeRows {
		narrow = 1
	}
	var best plan
	last := min(2, len(ints)-1)
	for order := range last + 1 {
		rs := e.residuals(ints, order)
		if p := planFor(rs, order, narrow); order == 0 || p.cost < best.cost {
			best = p
		}
	}
	dst = append(dst, scale|byte(best.order)<<orderShift)
	dst = best.appendHead(dst)
	if best.order > 0 {
		dst = binary.AppendVarint(dst, ints[0])
	}
	if best.order > 1 {
		dst = binary.AppendVarint(dst, ints[1]-ints[0])
	}
	dst = binary.AppendVarint(dst, best.base)
	rs := e.residual[best.order]
	if best.patches > 0 {
		dst = best.appendPatches(dst, rs)
	}
	return best.pack(dst, rs)
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
	patches             int // residuals that do not fit the width
	base                int64
	cost                int // estimated bits
}

// planFor finds the width, at least narrow. All arithmetic wraps, there and back.
func planFor(rs []int64, order, narrow int) plan {
	p := plan{order: order}
	low, all, zeros := rs[0], uint64(0), 0
	for _, r := range rs {
		low = min(low, r)
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
	p.fit(rs, narrow)
	p.cost += 8*order + 8*varintLen(p.base)
	return p
}

// fit chooses the width that costs the fewest bits, patches included.
func (p *plan) fit(rs []int64, narrow int) {
	var counts [65]int         // of offsets, by their length
	all, below := uint64(0), 0 // bits that patches take which are below the base
	for _, r := range rs {
		v := p.offset(r)
		counts[bits.Len64(v)]++
		all |= v
		if int64(v) < 0 {
			below += patchGap + 8*varintLen(int64(v))
		}
	}
	w := max(narrow, min(bits.Len64(all), maxWidth))
	p.width, p.patches, p.cost = w, counts[64], w*len(rs)+below
	patches, listed := p.patches, below+8
	for w--; w >= narrow; w-- {
		if n := counts[w+1]; n > 0 {
			patches += n
			listed += n * (patchGap + 8*((w+8)/7)) // a varint of w+1 bits and the sign
		}
		if cost := w*len(rs) + listed; cost < p.cost {
			p.width, p.patches, p.cost = w, patches, cost
		}
	}
}

// offset returns how far the residual is above the base.
func (p *plan) offset(r int64) uint64 { return uint64(r>>p.shift - p.base) }

// appendHead writes the width and what it says of the rest.
func (p *plan) appendHead(dst []byte) []byte {
	head := byte(p.width)
	if p.patches > 0 {
		head |= patchFlag
	}
	if p.shift > 0 {
		return append(dst, head|shiftFlag, byte(p.shift))
	}
	return append(dst, head)
}

func (p *plan) appendPatches(dst []byte, rs []int64) []byte {
	dst = appendCount(dst, p.patches)
	next := 0
	for i, r := range rs {
		if v := p.offset(r); bits.Len64(v) > p.width {
			dst = appendCount(dst, i-next)
			dst = binary.AppendVarint(dst, int64(v))
			next = i + 1
		}
	}
	return dst
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
	scale, head := c.byte(), c.byte()
	order, w, shift := int(scale>>orderShift), int(head&maxWidth), byte(0)
	if head&shiftFlag != 0 {
		shift = c.byte()
	}
	if c.failed || order > min(2, n-1) || shift > 63 {
		return nil, 0, fmt.Errorf("%w: packed integers of order %d, %d bits, shifted by %d", ErrCorrupt, order, w, shift)
	}
	var first [2]int64
	for i := range order {
		first[i] = c.varint()
	}
	base := c.varint()
	patches := c
	if head&patchFlag != 0 {
		c.skipPatches(n - order)
	}
	if c.failed || len(c.b) != ((n-order)*w+7)/8 {
		return nil, 0, fmt.Errorf("%w: %d packed integers of %d bits in %d bytes", ErrCorrupt, n-order, w, len(c.b))
	}
	dst = slices.Grow(dst[:0], n)[:n]
	rs := dst[order:]
	unpackBits(c.b, w, rs)
	if head&patchFlag != 0 {
		patches.patches(rs)
	}
	for i := range rs {
		rs[i] = (rs[i] + base) << shift
	}
	integrate(dst, order, first)
	return dst, scale & (1<<orderShift - 1), nil
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
	i, at := 0, 0
	if w > 56 {
		for ; i < len(dst); i, at = i+1, at+w {
			dst[i] = int64(loadBits(b, at) & mask)
		}
		return
	}
	// Eight bytes from any bit's byte on hold a value.
	for ; i < len(dst) && at>>3+8 <= len(b); i, at = i+1, at+w {
		dst[i] = int64(binary.LittleEndian.Uint64(b[at>>3:]) >> (at & 7) & mask)
	}
	var tail [16]byte // fewer than eight bytes are left; zeros stand behind them
	copy(tail[:], b[at>>3:])
	for at &= 7; i < len(dst); i, at = i+1, at+w {
		dst[i] = int64(binary.LittleEndian.Uint64(tail[at>>3:]) >> (at & 7) & mask)
	}
}

// loadBits returns 64 bits from the bit on; those behind the end are zero.
func loadBits(b []byte, at int) uint64 {
	var buf [9]byte
	copy(buf[:], b[at>>3:])
	low := binary.LittleEndian.Uint64(buf[:]) >> (at & 7)
	return low | uint64(buf[8])<<(64-(at&7)) // by 64, and so nothing, at a byte's start
}
