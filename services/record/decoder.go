package record

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/esolutions/esmon/services/metric"
)

// Decoder reads records. Its zero value is ready for use. It belongs to one
// goroutine.
type Decoder struct {
	dec    *zstd.Decoder
	raw    []byte
	rec    Record
	agents map[string]string // ids seen, so that a batch costs no string

	completes []int64 // of the batches of the record that is being read
}

// agentsKept bounds the decoder's memory of agent ids.
const agentsKept = 1 << 16

// Decode reads a record. What it returns, definitions and agent ids aside,
// is valid until the next call. The payload is not kept.
// The error wraps [ErrCorrupt] or [ErrVersion].
func (d *Decoder) Decode(payload []byte) (*Record, error) {
	raw, err := d.decompress(payload)
	if err != nil {
		return nil, err
	}
	d.raw = raw
	if len(d.agents) > agentsKept {
		clear(d.agents)
	}
	if err := d.parse(&cursor{b: raw}, payload[4] == marked); err != nil {
		return nil, err
	}
	return &d.rec, nil
}

func (d *Decoder) decompress(p []byte) ([]byte, error) {
	if len(p) < headerSize || string(p[:4]) != magic {
		return nil, fmt.Errorf("%w: no record begins here", ErrCorrupt)
	}
	if p[4] != plain && p[4] != marked || p[5] != compressionZstd {
		return nil, fmt.Errorf("%w: version %d, compression %d", ErrVersion, p[4], p[5])
	}
	if p[6] != 0 || p[7] != 0 {
		return nil, fmt.Errorf("%w: reserved bytes %02x %02x", ErrVersion, p[6], p[7])
	}
	if got, want := checksum(p), binary.LittleEndian.Uint32(p[12:]); got != want {
		return nil, fmt.Errorf("%w: checksum %08x, computed %08x", ErrCorrupt, want, got)
	}
	size := int(binary.LittleEndian.Uint32(p[8:]))
	if size > MaxRaw {
		return nil, fmt.Errorf("%w: claims %d bytes, the limit is %d", ErrCorrupt, size, MaxRaw)
	}
	if d.dec == nil {
		dec, err := newDecoder()
		if err != nil {
			return nil, err
		}
		d.dec = dec
	}
	raw, err := d.dec.DecodeAll(p[headerSize:], d.raw[:0])
	if err != nil {
		return nil, fmt.Errorf("%w: decompress: %w", ErrCorrupt, err)
	}
	if len(raw) != size {
		return nil, fmt.Errorf("%w: %d bytes, the header says %d", ErrCorrupt, len(raw), size)
	}
	return raw, nil
}

func (d *Decoder) parse(c *cursor, marked bool) error {
	r := &d.rec
	r.reset()
	if d.completes = d.completes[:0]; marked {
		d.parseWatermarks(c, r)
	}
	if err := parseDefinitions(c, r); err != nil {
		return err
	}
	parseDictionary(c, r)
	d.parseBatches(c, r)
	if c.failed || marked && !d.mark(r) {
		return fmt.Errorf("%w: definitions, dictionary, batches or watermarks", ErrCorrupt)
	}
	return parseFrames(c, r)
}

// parseWatermarks reads what version 2 has before all else.
func (d *Decoder) parseWatermarks(c *cursor, r *Record) {
	r.Tick = c.varint()
	for range c.count(1) {
		d.completes = append(d.completes, c.varint())
	}
}

// mark gives the batches their watermarks; false if there is not one for each.
func (d *Decoder) mark(r *Record) bool {
	if len(d.completes) != len(r.Batches) {
		return false
	}
	for i, ms := range d.completes {
		r.Batches[i].Complete = ms
	}
	return true
}

func parseDefinitions(c *cursor, r *Record) error {
	for range c.count(17) {
		def := SchemaDef{ID: c.id()}
		s, rest, err := metric.DecodeSchema(c.b)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		def.Schema, c.b = s, rest
		r.Schemas = append(r.Schemas, def)
	}
	for range c.count(17) {
		def := EntityDef{ID: c.id()}
		e, rest, err := metric.DecodeEntity(c.b)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		def.Entity, c.b = e, rest
		r.Entities = append(r.Entities, def)
	}
	return nil
}

func parseDictionary(c *cursor, r *Record) {
	for range c.count(17) {
		r.SchemaIDs = append(r.SchemaIDs, c.id())
		r.Widths = append(r.Widths, c.limited(MaxRaw/8))
	}
	for range c.count(16) {
		r.EntityIDs = append(r.EntityIDs, c.id())
	}
}

func (d *Decoder) parseBatches(c *cursor, r *Record) {
	for range c.count(4) {
		info := BatchInfo{AgentID: d.intern(c.bytes()), Received: c.varint(), SkewMS: c.varint()}
		r.Batches = append(r.Batches, info)
		r.frameCount += c.limited(MaxRaw/3 - r.frameCount)
		r.batchEnd = append(r.batchEnd, r.frameCount)
	}
	if r.frameCount > len(c.b)/3 { // a frame takes three bytes at least
		c.fail()
	}
}

func (d *Decoder) intern(b []byte) string {
	if s, ok := d.agents[string(b)]; ok {
		return s
	}
	if d.agents == nil {
		d.agents = map[string]string{}
	}
	s := string(b)
	d.agents[s] = s
	return s
}

// parseFrames reads the rows' heads and checks that the values are all there.
func parseFrames(c *cursor, r *Record) error {
	batch, values, last := 0, 0, int64(0)
	for i := range r.frameCount {
		for i >= r.batchEnd[batch] {
			batch++
		}
		e, s := c.limited(len(r.EntityIDs)-1), c.limited(len(r.SchemaIDs)-1)
		last += c.varint()
		if c.failed {
			return fmt.Errorf("%w: frame %d", ErrCorrupt, i)
		}
		r.heads = append(r.heads, head{time: last, at: values, batch: batch, entity: e, schema: s})
		if values += 8 * r.Widths[s]; values > len(c.b) {
			return fmt.Errorf("%w: frame %d: values missing", ErrCorrupt, i)
		}
	}
	if values != len(c.b) {
		return fmt.Errorf("%w: %d bytes of values, the frames take %d", ErrCorrupt, len(c.b), values)
	}
	r.values = c.b
	return nil
}

// newDecoder makes a decompressor for one goroutine.
func newDecoder() (*zstd.Decoder, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxRaw), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("make record decompressor: %w", err)
	}
	return dec, nil
}

// cursor takes values off the front of b; after the first failure all are zero.
type cursor struct {
	b      []byte
	failed bool
}

func (c *cursor) fail() { c.b, c.failed = nil, true }

func (c *cursor) uvarint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 { // the common case, without a call
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
	v := c.uvarint()
	return int64(v>>1) ^ -int64(v&1)
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

// count reads a number of items of at least size bytes each, so that a corrupt
// count cannot make the caller allocate more than the input could hold.
func (c *cursor) count(size int) int {
	v := c.uvarint() // first: it shortens what is left
	if v > uint64(len(c.b)/size) {
		c.fail()
		return 0
	}
	return int(v)
}

func (c *cursor) bytes() []byte {
	n := c.count(1)
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) id() (id metric.ID) {
	if len(c.b) < len(id) {
		c.fail()
		return id
	}
	copy(id[:], c.b)
	c.b = c.b[len(id):]
	return id
}
