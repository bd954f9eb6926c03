package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/esolutions/esmon/services/metric"
)

// Builder gathers the frames of one record. Its zero value is ready for use. It
// belongs to one goroutine at a time.
type Builder struct {
	schemaDefs, entityDefs   []byte // definitions in their final form
	nSchemaDefs, nEntityDefs int

	schemas  map[schemaKey]int // place in the dictionary
	entities map[metric.ID]int
	dict     []schemaKey // the dictionaries in order
	dictEnt  []metric.ID

	batches []BatchInfo
	counts  []int // frames of each batch
	open    bool  // the last batch has frames
	agents  int   // bytes of agent ids in batches

	frames   []byte
	nFrames  int
	lastTime int64
	values   []byte

	tick   int64 // Unix milliseconds; 0 for none
	marked bool  // it has watermarks

	raw []byte // body before compression
	enc *zstd.Encoder
}

type schemaKey struct {
	id    metric.ID
	width int
}

// BatchInfo says where frames came from.
type BatchInfo struct {
	AgentID  string
	Received int64 // collector's clock when the batch came, Unix milliseconds
	SkewMS   int64 // agent's clock minus the collector's
	// Complete is up to when the agent's data is complete with this batch, Unix
	// milliseconds of the agent's clock; 0 if it did not say.
	Complete int64
}

// Reset empties the builder and keeps its buffers.
func (b *Builder) Reset() {
	clear(b.schemas)
	clear(b.entities)
	clear(b.batches) // lets go of the ids' memory
	*b = Builder{
		schemaDefs: b.schemaDefs[:0], entityDefs: b.entityDefs[:0],
		schemas: b.schemas, entities: b.entities, dict: b.dict[:0], dictEnt: b.dictEnt[:0],
		batches: b.batches[:0], counts: b.counts[:0],
		frames: b.frames[:0], values: b.values[:0], raw: b.raw[:0], enc: b.enc,
	}
}

// Len returns about how many bytes the record has before compression.
func (b *Builder) Len() int {
	return len(b.schemaDefs) + len(b.entityDefs) + 18*len(b.dict) + 16*len(b.dictEnt) +
		16*len(b.batches) + b.agents + len(b.frames) + len(b.values)
}

// Frames returns how many frames the record has.
func (b *Builder) Frames() int { return b.nFrames }

// Empty tells whether there is nothing to write.
func (b *Builder) Empty() bool {
	return b.nFrames == 0 && b.nSchemaDefs == 0 && b.nEntityDefs == 0 && b.tick == 0
}

// Tick makes the record a tick: whoever reads it has read everything that was
// published to the partition before that time, Unix milliseconds.
func (b *Builder) Tick(ms int64) {
	b.tick = ms
	b.marked = true
}

// Complete says up to when the data of the agent is complete with a batch, Unix
// milliseconds of the agent's clock. The batches that have frames count from 0; it
// panics when there is no such batch.
func (b *Builder) Complete(batch int, ms int64) {
	b.batches[batch].Complete = ms
	b.marked = true
}

// Batch says where the frames that follow come from. A batch without frames
// leaves no trace.
func (b *Builder) Batch(agentID string, received time.Time, skewMS int64) {
	if n := len(b.batches); n > 0 && !b.open { // the one before stayed empty
		b.agents -= len(b.batches[n-1].AgentID)
		b.batches, b.counts = b.batches[:n-1], b.counts[:n-1]
	}
	b.batches = append(b.batches, BatchInfo{AgentID: agentID, Received: received.UnixMilli(), SkewMS: skewMS})
	b.counts = append(b.counts, 0)
	b.agents += len(agentID)
	b.open = false
}

// Frame adds a row to the batch. Values are taken by their bits. It panics when
// no batch was begun.
func (b *Builder) Frame(entity, schema metric.ID, ts int64, values []float64) {
	e, s := b.entityIndex(entity), b.schemaIndex(schemaKey{schema, len(values)})
	b.frames = binary.AppendUvarint(b.frames, uint64(e))
	b.frames = binary.AppendUvarint(b.frames, uint64(s))
	b.frames = binary.AppendVarint(b.frames, ts-b.lastTime)
	b.lastTime = ts
	for _, v := range values {
		b.values = binary.LittleEndian.AppendUint64(b.values, math.Float64bits(v))
	}
	b.nFrames++
	b.counts[len(b.counts)-1]++
	b.open = true
}

// DefineSchema puts the definition into the record.
func (b *Builder) DefineSchema(id metric.ID, s *metric.Schema) {
	b.schemaDefs = metric.AppendSchema(append(b.schemaDefs, id[:]...), s)
	b.nSchemaDefs++
}

// DefineEntity puts the definition into the record.
func (b *Builder) DefineEntity(id metric.ID, e *metric.Entity) {
	b.entityDefs = metric.AppendEntity(append(b.entityDefs, id[:]...), e)
	b.nEntityDefs++
}

// Encode appends the finished record to dst.
func (b *Builder) Encode(dst []byte) []byte {
	b.raw = b.appendBody(b.raw[:0])
	if b.enc == nil {
		b.enc = newEncoder()
	}
	start := len(dst)
	dst = append(dst, magic...)
	version := byte(plain)
	if b.marked {
		version = marked
	}
	dst = append(dst, version, compressionZstd, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b.raw)))
	dst = append(dst, 0, 0, 0, 0)
	dst = b.enc.EncodeAll(b.raw, dst)
	rec := dst[start:]
	binary.LittleEndian.PutUint32(rec[12:], checksum(rec))
	return dst
}

func (b *Builder) appendBody(raw []byte) []byte {
	n := len(b.batches)
	if n > 0 && !b.open {
		n--
	}
	if b.marked {
		raw = binary.AppendVarint(raw, b.tick)
		raw = appendCount(raw, n)
		for i := range b.batches[:n] {
			raw = binary.AppendVarint(raw, b.batches[i].Complete)
		}
	}
	raw = append(appendCount(raw, b.nSchemaDefs), b.schemaDefs...)
	raw = append(appendCount(raw, b.nEntityDefs), b.entityDefs...)
	raw = appendCount(raw, len(b.dict))
	for i := range b.dict {
		raw = appendCount(append(raw, b.dict[i].id[:]...), b.dict[i].width)
	}
	raw = appendCount(raw, len(b.dictEnt))
	for i := range b.dictEnt {
		raw = append(raw, b.dictEnt[i][:]...)
	}
	raw = appendCount(raw, n)
	for i, bt := range b.batches[:n] {
		raw = append(appendCount(raw, len(bt.AgentID)), bt.AgentID...)
		raw = binary.AppendVarint(raw, bt.Received)
		raw = binary.AppendVarint(raw, bt.SkewMS)
		raw = appendCount(raw, b.counts[i])
	}
	raw = append(raw, b.frames...)
	return append(raw, b.values...)
}

func (b *Builder) entityIndex(id metric.ID) int {
	i, ok := b.entities[id]
	if !ok {
		if b.entities == nil {
			b.entities = map[metric.ID]int{}
		}
		i = len(b.dictEnt)
		b.entities[id] = i
		b.dictEnt = append(b.dictEnt, id)
	}
	return i
}

func (b *Builder) schemaIndex(k schemaKey) int {
	i, ok := b.schemas[k]
	if !ok {
		if b.schemas == nil {
			b.schemas = map[schemaKey]int{}
		}
		i = len(b.dict)
		b.schemas[k] = i
		b.dict = append(b.dict, k)
	}
	return i
}

func appendCount(b []byte, n int) []byte {
	return binary.AppendUvarint(b, uint64(n))
}

func checksum(rec []byte) uint32 {
	return crc32.Update(crc32.Checksum(rec[:12], castagnoli), castagnoli, rec[headerSize:])
}

const compressionZstd = 1

// newEncoder makes a compressor for one goroutine. Fastest is what a commit can
// afford; the records live for minutes.
func newEncoder() *zstd.Encoder {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(512<<10))
	if err != nil { // only options that contradict each other
		panic(fmt.Sprintf("record: compressor: %v", err))
	}
	return enc
}
