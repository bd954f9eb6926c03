package head

import (
	"math"
	"sort"
)

// Rows are rows of one pair in the order they came. They stay as they are while
// the table is held.
type Rows struct {
	first    *block
	n        int
	stride   int
	Unsorted bool // times do not ascend strictly
}

// Len returns the number of rows.
func (r Rows) Len() int { return r.n }

// Cursor returns a cursor before the first row.
func (r Rows) Cursor() Cursor { return Cursor{b: r.first, left: r.n, stride: r.stride} }

// From returns a cursor before the first row at a time or later, or before the first of
// all where times do not ascend. Of rows before it hardly any memory is touched.
func (r Rows) From(t int64) Cursor {
	c := r.Cursor()
	if r.Unsorted {
		return c
	}
	for c.left > 0 {
		n := min(len(c.b.data)/c.stride, c.left)
		if c.time(n-1) >= t {
			before := sort.Search(n-1, func(i int) bool { return c.time(i) >= t })
			c.at, c.left = before*c.stride, c.left-before
			break
		}
		if c.left -= n; c.left > 0 {
			c.b = c.b.next
		}
	}
	return c
}

// time returns the time of a row of the block at hand.
func (c *Cursor) time(row int) int64 { return int64(c.b.data[row*c.stride]) }

// Cursor walks over rows.
type Cursor struct {
	b      *block
	left   int
	stride int
	at     int // words of b already passed
	row    []uint64
}

// Next moves to the next row and returns false behind the last.
func (c *Cursor) Next() bool {
	if c.left == 0 {
		return false
	}
	if c.at+c.stride > len(c.b.data) {
		c.b, c.at = c.b.next, 0
	}
	c.row = c.b.data[c.at : c.at+c.stride]
	c.at += c.stride
	c.left--
	return true
}

// Time returns the row's timestamp.
func (c *Cursor) Time() int64 { return int64(c.row[0]) }

// Rank returns what orders rows of equal time: the lowest wins.
func (c *Cursor) Rank() uint64 { return c.row[1] }

// Value returns the value of a column.
func (c *Cursor) Value(column int) float64 { return math.Float64frombits(c.row[rowHeader+column]) }

// Bits returns the bits of all values, one a column. They must not be changed.
func (c *Cursor) Bits() []uint64 { return c.row[rowHeader:] }
