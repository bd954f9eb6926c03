package chunk

import "encoding/binary"

// bitWriter appends bits, the most significant of a value first.
type bitWriter struct {
	b    []byte
	acc  uint64 // bits not yet in b, right-aligned
	bits uint   // how many, below 8 between calls
}

func (w *bitWriter) write(v uint64, n uint) {
	if n > 32 {
		w.write(v>>32, n-32)
		v, n = v&0xffffffff, 32
	}
	w.acc = w.acc<<n | v&(1<<n-1)
	w.bits += n
	for w.bits >= 8 {
		w.bits -= 8
		w.b = append(w.b, byte(w.acc>>w.bits))
	}
}

// flush pads the last byte with zeros.
func (w *bitWriter) flush() []byte {
	if w.bits > 0 {
		w.b = append(w.b, byte(w.acc<<(8-w.bits)))
		w.acc, w.bits = 0, 0
	}
	return w.b
}

// bitReader takes bits off the front; past the end it reads zeros and remembers
// that it did.
type bitReader struct {
	b    []byte
	acc  uint64
	bits uint
	over bool
}

func (r *bitReader) read(n uint) uint64 {
	if n > 32 {
		high := r.read(n - 32)
		return high<<32 | r.read(32)
	}
	for r.bits < n {
		var c byte
		if len(r.b) == 0 {
			r.over = true
		} else {
			c, r.b = r.b[0], r.b[1:]
		}
		r.acc = r.acc<<8 | uint64(c)
		r.bits += 8
	}
	r.bits -= n
	return r.acc >> r.bits & (1<<n - 1)
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// byteReader takes values off the front; after the first failure all are zero.
type byteReader struct {
	b      []byte
	failed bool
}

func (r *byteReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.failed = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *byteReader) varint() int64 { return unzigzag(r.uvarint()) }

func (r *byteReader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.b, r.failed = nil, true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *byteReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *byteReader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
