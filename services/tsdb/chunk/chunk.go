package chunk

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Chunk reads a chunk. Open may be called again, to use its memory for another.
type Chunk struct {
	rows  int
	runs  []Run
	times section
	directory
	ints  []int64
	plain []float64
}

// Open reads header and directory and checks them. The data is kept until the
// next Open. A compact chunk is checked as a whole here, the parts of any other
// when they are read. After an error there is nothing to read.
func (c *Chunk) Open(data []byte) error { return c.open(data, all, false) }

// OpenFor is Open for a reader of one column, which is several times faster where there
// are many. No other one may be asked for. The chunk may have fewer columns than that;
// Columns tells.
func (c *Chunk) OpenFor(data []byte, column int) error { return c.open(data, column, false) }

// OpenOwn is OpenFor for a chunk that this process encoded and has kept in its memory
// since: the checksum of a compact one is not compared again each time it is read.
func (c *Chunk) OpenOwn(data []byte, column int) error { return c.open(data, column, true) }

func (c *Chunk) open(data []byte, want int, own bool) error {
	if len(data) > 0 && data[0] != version {
		return fmt.Errorf("%w: version %d", ErrVersion, data[0])
	}
	if len(data) < 2 {
		return fmt.Errorf("%w: %d bytes", ErrCorrupt, len(data))
	}
	flags := data[1]
	if flags&^byte(flagsKnown) != 0 {
		return fmt.Errorf("%w: unknown flags %#x", ErrCorrupt, flags)
	}
	compact := flags&flagCompact != 0
	body := data
	if compact {
		if len(data) < 2+crcSize {
			return fmt.Errorf("%w: %d bytes", ErrCorrupt, len(data))
		}
		body = data[:len(data)-crcSize]
		if !own {
			if err := verify(body, binary.LittleEndian.Uint32(data[len(body):]), "chunk"); err != nil {
				return err
			}
		}
	}
	in := cursor{b: body[2:]}
	c.begin(want, compact)
	if err := c.header(&in, flags); err != nil {
		return err
	}
	if !compact {
		head := data[:len(data)-len(in.b)]
		if sum := in.uint32(); in.failed {
			return fmt.Errorf("%w: header without checksum", ErrCorrupt)
		} else if err := verify(head, sum, "header"); err != nil {
			return err
		}
	}
	return c.payloads(&in)
}

// header reads up to the end of the directory.
func (c *Chunk) header(in *cursor, flags byte) error {
	c.rows = in.limited(MaxRows)
	columns := in.limited(MaxColumns)
	if c.rows == 0 || columns > len(in.b)*(tagRepeat>>repeatShift+1) {
		in.fail()
	}
	c.runs = c.runs[:0]
	if flags&flagRuns != 0 && !in.failed {
		c.readRuns(in)
	}
	if in.failed {
		return fmt.Errorf("%w: header", ErrCorrupt)
	}
	times := in.count()
	if times == 0 || c.rows > freeRows && c.rows/8 > times {
		return fmt.Errorf("%w: timestamps of %d rows in %d bytes", ErrCorrupt, c.rows, times)
	}
	c.timesLength = times
	return c.read(in, columns)
}

func (c *Chunk) readRuns(in *cursor) {
	rows, last := 0, int64(0)
	for range in.count() {
		last += in.varint()
		n := in.limited(c.rows - rows)
		if n == 0 || last < 0 {
			in.fail()
			return
		}
		rows += n
		c.runs = append(c.runs, Run{Cut: last, Rows: n})
	}
	if rows != c.rows {
		in.fail()
	}
}

// Rows returns the number of rows.
func (c *Chunk) Rows() int { return c.rows }

// Columns returns the number of columns.
func (c *Chunk) Columns() int { return c.count }

// Runs says of which cuts the rows are; none means that all are of one. They are
// valid until the next Open.
func (c *Chunk) Runs() []Run { return c.runs }

// Times appends the timestamps to dst.
func (c *Chunk) Times(dst []int64) ([]int64, error) {
	if err := c.times.check("timestamps"); err != nil {
		return dst, err
	}
	ints, scale, err := unpack(c.times.payload, c.rows, c.ints)
	if err != nil {
		return dst, fmt.Errorf("timestamps: %w", err)
	}
	c.ints = ints
	if scale != 0 || !slices.IsSorted(ints) {
		return dst, fmt.Errorf("timestamps: %w: they do not ascend", ErrCorrupt)
	}
	return append(dst, ints...), nil
}

// Column appends the values of a column to dst.
func (c *Chunk) Column(i int, dst []float64) ([]float64, error) {
	at := len(dst)
	dst = slices.Grow(dst, c.rows)[:at+c.rows]
	if err := c.column(c.section(i), dst[at:]); err != nil {
		return dst[:at], fmt.Errorf("column %d: %w", i, err)
	}
	return dst, nil
}

// Present tells whether the column may have a value that is not missing, from
// the directory alone.
func (c *Chunk) Present(i int) bool { return c.section(i).tag != kindMissing }

func (c *Chunk) column(s *section, dst []float64) error {
	if err := s.check("values"); err != nil {
		return err
	}
	if s.tag&tagSpecial == 0 {
		return c.plainValues(s, s.payload, dst)
	}
	in := cursor{b: s.payload}
	list := in
	special := in.skipSpecials(c.rows)
	if in.failed {
		return fmt.Errorf("%w: list of special values", ErrCorrupt)
	}
	c.plain = slices.Grow(c.plain[:0], c.rows)[:c.rows-special]
	if len(c.plain) > 0 {
		if err := c.plainValues(s, in.b, c.plain); err != nil {
			return err
		}
	} else if len(in.b) > 0 {
		return fmt.Errorf("%w: values where all are special", ErrCorrupt)
	}
	list.mergeSpecials(c.plain, dst)
	return nil
}

// plainValues reads as many values as dst has, which is not none.
func (c *Chunk) plainValues(s *section, b []byte, dst []float64) error {
	switch s.tag & kindMask {
	case kindPacked:
		ints, scale, err := unpack(b, len(dst), c.ints)
		if err != nil {
			return err
		}
		c.ints = ints
		if scale&exponentBits > maxExponent {
			return fmt.Errorf("%w: exponent %d", ErrCorrupt, scale&exponentBits)
		}
		unscale(scale, ints, dst)
	case kindXOR:
		return readXOR(b, dst)
	default:
		if len(b) > 0 {
			return fmt.Errorf("%w: %d bytes behind a constant", ErrCorrupt, len(b))
		}
		v := math.Float64frombits(s.bits)
		for i := range dst {
			dst[i] = v
		}
	}
	return nil
}

// check compares the checksum at the first use.
func (s *section) check(what string) error {
	if s.checked {
		return nil
	}
	if err := verify(s.payload, s.sum, what); err != nil {
		return err
	}
	s.checked = true
	return nil
}

func verify(b []byte, want uint32, what string) error {
	if got := checksum(b); got != want {
		return fmt.Errorf("%w: %s: checksum %08x, computed %08x", ErrCorrupt, what, want, got)
	}
	return nil
}
