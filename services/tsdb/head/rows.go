package head

import "math"

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
