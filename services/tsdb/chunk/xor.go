package chunk

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// An XOR column holds the first value's bits, then for each further value the
// XOR with the one before: a bit 0 if they are equal; bits 10 and the XOR's
// meaningful bits if they lie where the last ones lay; bits 11, five bits of
// leading zeros, six bits of length less one and the meaningful bits. The stream
// is filled from the highest bit of each byte.

const maxLeading = 31

func appendXOR(dst []byte, vs []uint64) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, vs[0])
	w := bitWriter{b: dst}
	leading, length := 0, 0 // of the last window; length 0 is none
	for i := 1; i < len(vs); i++ {
		x := vs[i] ^ vs[i-1]
		if x == 0 {
			w.write(0, 1)
			continue
		}
		lead, trail := min(bits.LeadingZeros64(x), maxLeading), bits.TrailingZeros64(x)
		if length > 0 && lead >= leading && trail >= 64-leading-length {
			w.write(0b10, 2)
			w.write(x>>(64-leading-length), length)
			continue
		}
		leading, length = lead, 64-lead-trail
		w.write(0b11, 2)
		w.write(uint64(leading), 5)
		w.write(uint64(length-1), 6)
		w.write(x>>trail, length)
	}
	return w.finish()
}

// readXOR reads as many values as dst has.
func readXOR(b []byte, dst []float64) error {
	if len(b) < 8 {
		return fmt.Errorf("%w: XOR column of %d bytes", ErrCorrupt, len(b))
	}
	v := binary.LittleEndian.Uint64(b)
	r := bitReader{b: b[8:]}
	leading, length := 0, 0
	dst[0] = math.Float64frombits(v)
	for i := 1; i < len(dst); i++ {
		if r.read(1) == 1 {
			if r.read(1) == 1 {
				leading = int(r.read(5))
				length = int(r.read(6)) + 1
			}
			if length == 0 || leading+length > 64 {
				return fmt.Errorf("%w: XOR column: value %d has %d bits after %d", ErrCorrupt, i, length, leading)
			}
			v ^= r.read(length) << (64 - leading - length)
		}
		dst[i] = math.Float64frombits(v)
	}
	if r.at > 8*len(r.b) || 8*len(r.b)-r.at >= 8 {
		return fmt.Errorf("%w: XOR column: %d values in %d bytes", ErrCorrupt, len(dst), len(b))
	}
	return nil
}

type bitWriter struct {
	b    []byte
	acc  uint64 // its lowest have bits are not written yet
	have int
}

// write appends the lowest n bits of v.
func (w *bitWriter) write(v uint64, n int) {
	if n > 32 {
		w.write(v>>32, n-32)
		n = 32
	}
	w.acc = w.acc<<n | v&(1<<n-1)
	for w.have += n; w.have >= 8; w.have -= 8 {
		w.b = append(w.b, byte(w.acc>>(w.have-8)))
	}
}

func (w *bitWriter) finish() []byte {
	if w.have > 0 {
		w.b = append(w.b, byte(w.acc<<(8-w.have)))
	}
	return w.b
}

// bitReader reads zeros behind the end; at tells that it did.
type bitReader struct {
	b  []byte
	at int // bits read
}

// read returns the next n bits, at most 64.
func (r *bitReader) read(n int) uint64 {
	from := r.at >> 3
	skip := r.at & 7
	r.at += n
	var v, next uint64
	if from+9 <= len(r.b) {
		v, next = binary.BigEndian.Uint64(r.b[from:]), uint64(r.b[from+8])
	} else if from < len(r.b) {
		var buf [9]byte
		copy(buf[:], r.b[from:])
		v, next = binary.BigEndian.Uint64(buf[:]), uint64(buf[8])
	}
	v = v<<skip | next>>(8-skip)
	return v >> (64 - n)
}
