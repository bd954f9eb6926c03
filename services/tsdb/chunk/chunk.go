package chunk

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Chunk reads a chunk. Open may be called again, to use its memory for another.
type Chunk struct {
	rows    int
	runs    []Run
	times   section
	columns []section
	lengths []int // of the payloads, that of the timestamps first
	ints    []int64
	plain   []float64
}

// section is where the bytes of the timestamps or of a column are.
type section struct {
	tag     byte
	payload []byte // nil: no payload, or not here
	bits    uint64 // value of a constant
	sum     uint32
	checked bool // sum was compared, or is part of another
}

// Open reads header and directory and checks them. The data is kept until the
// next Open. A compact chunk is checked as a whole here, the parts of any other
// when they are read. After an error there is nothing to read.
func (c *Chunk) Open(data []byte) error {
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
		if err := verify(body, binary.LittleEndian.Uint32(data[len(body):]), "chunk"); err != nil {
			return err
		}
	}
	in := cursor{b: body[2:]}
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
	return c.payloads(&in, compact)
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
	c.lengths = append(c.lengths[:0], times)
	return c.directory(in, columns)
}

// directory reads the entries of the columns.
func (c *Chunk) directory(in *cursor, columns int) error {
	c.columns = slices.Grow(c.columns[:0], columns)
	for len(c.columns) < columns && !in.failed {
		var s section
		n, repeat, err := s.entry(in)
		if err == nil && repeat >= columns-len(c.columns) {
			err = fmt.Errorf("%w: the entry stands for %d columns, %d are left", ErrCorrupt, repeat+1, columns-len(c.columns))
		}
		if err != nil {
			return fmt.Errorf("column %d: %w", len(c.columns), err)
		}
		for range repeat + 1 {
			c.columns = append(c.columns, s)
			c.lengths = append(c.lengths, n)
		}
	}
	if in.failed {
		return fmt.Errorf("%w: directory", ErrCorrupt)
	}
	return nil
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

// entry reads a directory entry and returns the payload's length and how many
// further columns it stands for.
func (s *section) entry(in *cursor) (length, repeat int, err error) {
	s.tag = in.byte()
	if repeatable(s.tag &^ tagRepeat) {
		repeat = int(s.tag&tagRepeat) >> repeatShift
		s.tag &^= tagRepeat
	}
	switch kind := s.tag & kindMask; {
	case kind >= kinds || s.tag&tagRepeat != 0:
		return 0, 0, fmt.Errorf("%w: unknown encoding %#x", ErrCorrupt, s.tag)
	case kind == kindMissing:
		s.bits = missing
	case kind == kindConstant:
		s.bits = in.uint64()
	case kind == kindInteger:
		s.bits = math.Float64bits(float64(in.varint()))
	}
	if !hasPayload(s.tag) {
		return 0, repeat, nil
	}
	length = in.count()
	if length == 0 {
		in.fail()
	}
	return length, 0, nil
}

// payloads cuts what follows the directory into sections.
func (c *Chunk) payloads(in *cursor, compact bool) error {
	for i, n := range c.lengths {
		s := &c.times
		if i > 0 {
			s = &c.columns[i-1]
		} else {
			*s = section{}
		}
		if n == 0 {
			s.checked = true
			continue
		}
		s.payload, s.checked = in.take(n), compact
		if !compact {
			s.sum = in.uint32()
		}
	}
	if in.failed || len(in.b) != 0 {
		return fmt.Errorf("%w: the directory does not fit the length", ErrCorrupt)
	}
	return nil
}

// Rows returns the number of rows.
func (c *Chunk) Rows() int { return c.rows }

// Columns returns the number of columns.
func (c *Chunk) Columns() int { return len(c.columns) }

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
	if err := c.column(&c.columns[i], dst[at:]); err != nil {
		return dst[:at], fmt.Errorf("column %d: %w", i, err)
	}
	return dst, nil
}

// Present tells whether the column may have a value that is not missing, from
// the directory alone.
func (c *Chunk) Present(i int) bool { return c.columns[i].tag != kindMissing }

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
