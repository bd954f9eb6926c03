package chunk

import (
	"fmt"
	"math"
	"slices"
)

// all stands for every column where one could be asked for.
const all = -1

// directory knows where the columns of a chunk are: all of them, or the one that is
// wanted. Most readers want one, of a hundred.
type directory struct {
	want    int // all, or the only column that is noted
	compact bool

	timesLength   int
	count         int       // of the columns
	columns       []section // those that are noted
	lengths       []int     // of their payloads
	before, after int       // bytes of the payloads before and behind the one that is wanted
}

// section is where the bytes of the timestamps or of a column are.
type section struct {
	tag     byte
	payload []byte // nil: no payload, or not here
	bits    uint64 // value of a constant
	sum     uint32
	checked bool // sum was compared, or is part of another
}

func (d *directory) begin(want int, compact bool) {
	*d = directory{want: want, compact: compact, columns: d.columns[:0], lengths: d.lengths[:0]}
}

// section returns that of a column that is noted.
func (d *directory) section(column int) *section {
	if d.want == all {
		return &d.columns[column]
	}
	if column != d.want {
		panic(fmt.Sprintf("chunk: column %d is asked for, it was opened for column %d", column, d.want))
	}
	return &d.columns[0]
}

// read reads the entries of the columns.
func (d *directory) read(in *cursor, columns int) error {
	if d.want == all {
		d.columns = slices.Grow(d.columns, columns)
	}
	for d.count < columns && !in.failed {
		if d.skip(in, columns); d.count == columns {
			break
		}
		var s section
		n, repeat, err := s.entry(in)
		if err == nil && repeat >= columns-d.count {
			err = fmt.Errorf("%w: the entry stands for %d columns, %d are left", ErrCorrupt, repeat+1, columns-d.count)
		}
		if err != nil {
			return fmt.Errorf("column %d: %w", d.count, err)
		}
		d.note(&s, n, repeat+1)
	}
	if in.failed {
		return fmt.Errorf("%w: directory", ErrCorrupt)
	}
	return nil
}

// skip passes over the next entries that nobody wants and that are of the usual form: it
// is where a reader of one column spends its time. It leaves anything else to entry.
func (d *directory) skip(in *cursor, columns int) {
	until, skipped := columns, &d.after
	switch {
	case d.want == all:
		return
	case d.count <= d.want:
		until, skipped = min(d.want, columns), &d.before
	}
	b := in.b
	for ; d.count < until; d.count++ {
		size, length := usual(b)
		if size == 0 {
			break
		}
		*skipped += d.space(length)
		b = b[size:]
	}
	in.b = b
}

// usual returns how many bytes an entry of a usual form takes, and its payload; 0 and 0
// for any other, such as one that stands for several columns.
func usual(b []byte) (size, length int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[0] &^ tagSpecial {
	case kindPacked, kindXOR:
		if b[1]-1 < 0x7f {
			return 2, int(b[1])
		}
	case kindInteger:
		if b[0] == kindInteger && b[1] < 0x80 {
			return 2, 0
		}
	case kindZero, kindMissing:
		if b[0]&tagSpecial == 0 {
			return 1, 0
		}
	}
	return 0, 0
}

// note takes the entry of so many columns, each with a payload of the length.
func (d *directory) note(s *section, length, columns int) {
	first := d.count
	d.count += columns
	switch {
	case d.want == all:
		for range columns {
			d.columns = append(d.columns, *s)
			d.lengths = append(d.lengths, length)
		}
	case d.want >= d.count:
		d.before += d.space(length)
	case d.want < first:
		d.after += d.space(length)
	default: // entries of several columns have no payload
		d.columns = append(d.columns, *s)
		d.lengths = append(d.lengths, length)
	}
}

// space returns how many bytes a payload takes with its checksum.
func (d *directory) space(length int) int {
	if length == 0 || d.compact {
		return length
	}
	return length + crcSize
}

// payloads cuts what follows the directory into sections.
func (c *Chunk) payloads(in *cursor) error {
	c.times = section{}
	c.times.cut(in, c.timesLength, c.compact)
	in.take(c.before)
	for i := range c.columns {
		c.columns[i].cut(in, c.lengths[i], c.compact)
	}
	in.take(c.after)
	if in.failed || len(in.b) != 0 {
		return fmt.Errorf("%w: the directory does not fit the length", ErrCorrupt)
	}
	return nil
}

// cut takes the payload and its checksum.
func (s *section) cut(in *cursor, length int, compact bool) {
	s.checked = compact || length == 0
	if length == 0 {
		return
	}
	s.payload = in.take(length)
	if !compact {
		s.sum = in.uint32()
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
