package metric

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// ID identifies a definition by its content: the first 128 bits of SHA-256 over
// its canonical form. Only the server computes it, so that no sender can claim
// another's.
type ID [16]byte

// String returns the ID in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// The first byte of a canonical form: what it is, and the version of the form.
// The two never collide because they differ here.
const (
	schemaForm byte = 'S'
	entityForm byte = 'E'
)

// ID returns the identity of the schema: the names, types and labels of its
// columns in their order. Unit and help do not count: a reworded sentence does
// not make a new metric.
func (s *Schema) ID() ID {
	b := binary.AppendUvarint([]byte{schemaForm}, uint64(len(s.Columns)))
	for i := range s.Columns {
		c := &s.Columns[i]
		b = appendString(b, c.Name)
		b = append(b, byte(c.Type))
		b = appendLabels(b, c.Labels)
	}
	return hash(b)
}

// ID returns the identity of the entity: its labels.
func (e *Entity) ID() ID { return hash(appendLabels([]byte{entityForm}, e.Labels)) }

func hash(b []byte) ID {
	sum := sha256.Sum256(b)
	return ID(sum[:16])
}

// AppendSchema appends the definition in full, unit and help included.
// [DecodeSchema] reads it back.
func AppendSchema(b []byte, s *Schema) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.Columns)))
	for i := range s.Columns {
		c := &s.Columns[i]
		b = appendString(b, c.Name)
		b = append(b, byte(c.Type))
		b = appendString(b, c.Unit)
		b = appendString(b, c.Help)
		b = appendLabels(b, c.Labels)
	}
	return b
}

// AppendEntity appends the definition in full. [DecodeEntity] reads it back.
func AppendEntity(b []byte, e *Entity) []byte { return appendLabels(b, e.Labels) }

// ErrCorrupt is returned for bytes that are no definition.
var ErrCorrupt = errors.New("corrupt definition")

// DecodeSchema reads a definition off the front of b and returns what follows
// it. The schema shares no memory with b.
func DecodeSchema(b []byte) (*Schema, []byte, error) {
	r := reader{b: b}
	n := r.count(5) // a column takes five bytes at least
	s := &Schema{Columns: make([]Column, n)}
	for i := range s.Columns {
		s.Columns[i] = Column{Name: r.string(), Type: Type(r.byte()), Unit: r.string(), Help: r.string(), Labels: r.labels()}
	}
	if r.failed {
		return nil, nil, fmt.Errorf("schema: %w", ErrCorrupt)
	}
	return s, r.b, nil
}

// DecodeEntity reads a definition off the front of b and returns what follows
// it. The entity shares no memory with b.
func DecodeEntity(b []byte) (*Entity, []byte, error) {
	r := reader{b: b}
	e := &Entity{Labels: r.labels()}
	if r.failed {
		return nil, nil, fmt.Errorf("entity: %w", ErrCorrupt)
	}
	return e, r.b, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendLabels(b []byte, ls Labels) []byte {
	b = binary.AppendUvarint(b, uint64(len(ls)))
	for _, l := range ls {
		b = appendString(appendString(b, l.Name), l.Value)
	}
	return b
}

// reader takes values off the front of b; after the first failure all are zero.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) fail() { r.b, r.failed = nil, true }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of items of at least size bytes each, so that a corrupt
// count cannot make the caller allocate more than the input could hold.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) string() string {
	n := r.count(1)
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) labels() Labels {
	n := r.count(2)
	if n == 0 {
		return nil
	}
	ls := make(Labels, n)
	for i := range ls {
		ls[i] = Label{r.string(), r.string()}
	}
	return ls
}
