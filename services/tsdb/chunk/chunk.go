package chunk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// version is the first byte of a chunk.
const version = 1

// flagSequences says that every row's sequence is kept.
const flagSequences = 1

// Bounds of what a chunk may hold, so that corrupt counts cannot make a reader
// allocate without bound.
const (
	MaxRows    = 1 << 16
	MaxColumns = 1 << 12
)

// ErrCorrupt is returned for bytes that are no whole chunk.
var ErrCorrupt = errors.New("corrupt chunk")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Rows are rows of one entity under one schema, by ascending time.
type Rows struct {
	Times     []int64   // Unix milliseconds, strictly ascending
	Sequences []int64   // order of arrival of each row; nil if it need not be kept
	Values    []float64 // row after row
	Columns   int
}

// Encoder makes chunks. It may be reused and is not safe for concurrent use.
type Encoder struct {
	col     encoder
	column  []float64
	numbers []int64
	dir     []byte
	bodies  []byte
}

// Append appends the chunk of the rows to dst. There must be at least one row.
func (e *Encoder) Append(dst []byte, rows *Rows) []byte {
	start := len(dst)
	n := len(rows.Times)
	flags := byte(0)
	if rows.Sequences != nil {
		flags |= flagSequences
	}
	dst = append(dst, version, flags)
	dst = binary.AppendUvarint(dst, uint64(n))
	dst = binary.AppendUvarint(dst, uint64(rows.Columns))
	dst = e.appendNumbers(dst, rows.Times)
	if rows.Sequences != nil {
		dst = e.appendNumbers(dst, rows.Sequences)
	}
	e.encodeColumns(rows, n)
	dst = binary.AppendUvarint(dst, uint64(len(e.dir)))
	dst = append(dst, e.dir...)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
	return append(dst, e.bodies...)
}

// appendNumbers appends the first number, the first difference, and packed
// differences of differences.
func (e *Encoder) appendNumbers(dst []byte, numbers []int64) []byte {
	e.numbers = append(e.numbers[:0], numbers...)
	ns := e.numbers
	deltas(ns)
	if len(ns) > 1 {
		deltas(ns[1:])
	}
	dst = binary.AppendUvarint(dst, zigzag(ns[0]))
	if len(ns) > 1 {
		dst = binary.AppendUvarint(dst, zigzag(ns[1]))
		dst = appendPacked(dst, ns[2:])
	}
	return dst
}

// encodeColumns fills e.dir and e.bodies.
func (e *Encoder) encodeColumns(rows *Rows, n int) {
	e.dir, e.bodies = e.dir[:0], e.bodies[:0]
	if cap(e.column) < n {
		e.column = make([]float64, n)
	}
	column := e.column[:n]
	for c := range rows.Columns {
		for r := range column {
			column[r] = rows.Values[r*rows.Columns+c]
		}
		kind, inline, body := e.col.column(column)
		e.dir = append(e.dir, kind)
		e.dir = append(e.dir, inline...)
		if body == nil {
			continue
		}
		e.dir = binary.AppendUvarint(e.dir, uint64(len(body)))
		e.bodies = append(e.bodies, body...)
		e.bodies = binary.LittleEndian.AppendUint32(e.bodies, crc32.Checksum(body, castagnoli))
	}
}

// Chunk is an opened chunk. It refers to the bytes it was opened from.
type Chunk struct {
	rows      int
	times     []byte // packed, see numbers
	sequences []byte // nil if not kept
	columns   []entry
}

// entry is one column of the directory.
type entry struct {
	kind  byte
	value float64 // of a constant
	body  []byte  // with its checksum; nil for a constant
}

// Open checks header and directory. Columns are checked when they are read.
func Open(b []byte) (*Chunk, error) {
	r := byteReader{b: b}
	if v := r.byte(); v != version {
		return nil, fmt.Errorf("%w: version %d, this program reads %d", ErrCorrupt, v, version)
	}
	flags := r.byte()
	rows, columns := r.uvarint(), r.uvarint()
	if r.failed || rows == 0 || rows > MaxRows || columns > MaxColumns || flags&^flagSequences != 0 {
		return nil, fmt.Errorf("%w: header", ErrCorrupt)
	}
	c := &Chunk{rows: int(rows)}
	c.times = skipNumbers(&r, c.rows)
	if flags&flagSequences != 0 {
		c.sequences = skipNumbers(&r, c.rows)
	}
	dir := r.take(r.uvarint())
	head := len(b) - len(r.b)
	sum := r.take(4)
	if r.failed || binary.LittleEndian.Uint32(sum) != crc32.Checksum(b[:head], castagnoli) {
		return nil, fmt.Errorf("%w: checksum of header and directory", ErrCorrupt)
	}
	if err := c.readDirectory(dir, r.b, int(columns)); err != nil {
		return nil, err
	}
	return c, nil
}

// skipNumbers moves r behind a list of numbers and returns the bytes from its
// start on.
func skipNumbers(r *byteReader, n int) []byte {
	at := r.b
	r.uvarint()
	if n == 1 {
		return at
	}
	r.uvarint()
	for left := n - 2; left > 0; left -= groupLen {
		width := uint64(r.byte())
		if width > 64 {
			r.failed = true
			return nil
		}
		r.take((width*uint64(min(left, groupLen)) + 7) / 8)
	}
	return at
}

func (c *Chunk) readDirectory(dir, bodies []byte, columns int) error {
	d, b := byteReader{b: dir}, byteReader{b: bodies}
	c.columns = make([]entry, columns)
	for i := range c.columns {
		e := &c.columns[i]
		e.kind = d.byte()
		switch e.kind & encMask {
		case encConstBits:
			e.value = math.Float64frombits(d.uint64())
		case encConstDecimal:
			e.value = float64(d.varint()) / pow10[min(e.kind>>4, maxExponent)]
		default:
			size := d.uvarint()
			if size > uint64(len(bodies)) {
				return fmt.Errorf("%w: column %d reaches past the end", ErrCorrupt, i)
			}
			e.body = b.take(size + 4)
		}
	}
	if d.failed || b.failed || len(d.b) != 0 || len(b.b) != 0 {
		return fmt.Errorf("%w: directory", ErrCorrupt)
	}
	return nil
}

// Rows returns how many rows there are.
func (c *Chunk) Rows() int { return c.rows }

// Columns returns how many columns there are.
func (c *Chunk) Columns() int { return len(c.columns) }

// HasSequences tells whether each row's sequence is kept.
func (c *Chunk) HasSequences() bool { return c.sequences != nil }

// Times appends the times of all rows to dst.
func (c *Chunk) Times(dst []int64) []int64 { return appendNumbers(dst, c.times, c.rows) }

// Sequences appends the sequences of all rows to dst, nothing if not kept.
func (c *Chunk) Sequences(dst []int64) []int64 {
	if c.sequences == nil {
		return dst
	}
	return appendNumbers(dst, c.sequences, c.rows)
}

func appendNumbers(dst []int64, packed []byte, rows int) []int64 {
	start := len(dst)
	dst = append(dst, make([]int64, rows)...)
	ns := dst[start:]
	r := byteReader{b: packed}
	ns[0] = r.varint()
	if rows > 1 {
		ns[1] = r.varint()
		readPacked(&r, ns[2:])
		sums(ns[1:])
	}
	sums(ns)
	return dst
}

// Column appends the values of a column to dst.
func (c *Chunk) Column(i int, dst []float64) ([]float64, error) {
	if i < 0 || i >= len(c.columns) {
		return dst, fmt.Errorf("%w: no column %d of %d", ErrCorrupt, i, len(c.columns))
	}
	e := &c.columns[i]
	start := len(dst)
	dst = append(dst, make([]float64, c.rows)...)
	values := dst[start:]
	if e.body == nil {
		for r := range values {
			values[r] = e.value
		}
		return dst, nil
	}
	body, sum := e.body[:len(e.body)-4], e.body[len(e.body)-4:]
	if binary.LittleEndian.Uint32(sum) != crc32.Checksum(body, castagnoli) {
		return dst[:start], fmt.Errorf("%w: checksum of column %d", ErrCorrupt, i)
	}
	if !decodeColumn(e.kind, body, values, make([]int64, c.rows)) {
		return dst[:start], fmt.Errorf("%w: column %d", ErrCorrupt, i)
	}
	return dst, nil
}
