package chunk

import (
	"encoding/binary"
	"math"

	"github.com/esolutions/esmon/services/metric"
)

// cursor takes values off the front of b; after the first failure all are zero.
type cursor struct {
	b      []byte
	failed bool
}

func (c *cursor) fail() { c.b, c.failed = nil, true }

func (c *cursor) byte() byte {
	if len(c.b) == 0 {
		c.fail()
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.fail()
		return nil
	}
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) uint32() uint32 {
	b := c.take(4)
	if c.failed {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

func (c *cursor) uint64() uint64 {
	b := c.take(8)
	if c.failed {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (c *cursor) uvarint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 { // as most are
		v := c.b[0]
		c.b = c.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

// limited reads a number of at most limit.
func (c *cursor) limited(limit int) int {
	v := c.uvarint()
	if limit < 0 || v > uint64(limit) {
		c.fail()
		return 0
	}
	return int(v)
}

// count reads a number of things of at least a byte each, which bounds it.
func (c *cursor) count() int { return c.limited(len(c.b)) }

// skipPatches moves behind the list of patches.
func (c *cursor) skipPatches(rows int) {
	at := 0
	for range c.count() {
		at += c.limited(rows-1-at) + 1
		c.varint()
	}
}

// patches reads the list that skipPatches has checked.
func (c *cursor) patches(dst []int64) {
	at := 0
	for range c.count() {
		at += c.limited(len(dst))
		dst[at] = c.varint()
		at++
	}
}

// skipSpecials moves behind the list of special values and returns how many
// there are.
func (c *cursor) skipSpecials(rows int) int {
	at, n := 0, c.count()
	for range n {
		at += c.limited(rows-1-at) + 1
		switch code := c.byte(); {
		case code == specialBits:
			c.take(8)
		case code > specialBits:
			c.fail()
		}
	}
	return n
}

// mergeSpecials reads the list that skipSpecials has checked and fills dst from
// it and from the plain values.
func (c *cursor) mergeSpecials(plain, dst []float64) {
	at := 0
	for range c.count() {
		gap := c.limited(len(dst))
		copy(dst[at:at+gap], plain)
		plain, at = plain[gap:], at+gap
		switch c.byte() {
		case specialMissing:
			dst[at] = metric.Missing()
		case specialStale:
			dst[at] = metric.Stale()
		case specialNaN:
			dst[at] = metric.NaN()
		default:
			dst[at] = math.Float64frombits(c.uint64())
		}
		at++
	}
	copy(dst[at:], plain)
}
