package record

import (
	"encoding/binary"
	"math"

	"github.com/esolutions/esmon/services/metric"
)

// Record is a decoded record.
type Record struct {
	// Tick is not 0 if the record is a tick: everything published to the partition
	// before that time, Unix milliseconds of its sender, stands before it.
	Tick int64

	Schemas  []SchemaDef // definitions that ride along
	Entities []EntityDef

	SchemaIDs []metric.ID // what Frame.Schema points into
	Widths    []int       // number of values of a frame of the schema at the same place
	EntityIDs []metric.ID // what Frame.Entity points into

	Batches []BatchInfo // what Frame.Batch points into

	batchEnd   []int // index of the first frame behind each batch
	frameCount int
	heads      []head
	values     []byte
	next       int
	frame      Frame
}

// SchemaDef is a schema with its identity.
type SchemaDef struct {
	ID     metric.ID
	Schema *metric.Schema
}

// EntityDef is an entity with its identity.
type EntityDef struct {
	ID     metric.ID
	Entity *metric.Entity
}

// Frame is one row of a record.
type Frame struct {
	Batch  int       // index into Record.Batches
	Entity int       // index into Record.EntityIDs
	Schema int       // index into Record.SchemaIDs
	Time   int64     // Unix milliseconds
	Values []float64 // valid until the next call of Next
}

// head is a frame without its values.
type head struct {
	time                  int64
	at                    int // offset of its values
	batch, entity, schema int
}

// Len returns how many frames the record has.
func (r *Record) Len() int { return len(r.heads) }

// Samples returns how many values the record has, missing ones included.
func (r *Record) Samples() int { return len(r.values) / 8 }

// Next moves to the next frame, in the order they were added. It returns false
// behind the last one. The record was checked as a whole by Decode: no error is
// left to find here.
func (r *Record) Next() bool {
	if r.next >= len(r.heads) {
		return false
	}
	h := &r.heads[r.next]
	r.next++
	r.frame.Batch, r.frame.Entity, r.frame.Schema, r.frame.Time = h.batch, h.entity, h.schema, h.time
	vs := r.frame.Values[:0]
	for b := r.values[h.at : h.at+8*r.Widths[h.schema]]; len(b) >= 8; b = b[8:] {
		vs = append(vs, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	r.frame.Values = vs
	return true
}

// Frame returns the frame that Next moved to.
func (r *Record) Frame() *Frame { return &r.frame }

// Rewind lets Next begin again with the first frame.
func (r *Record) Rewind() { r.next = 0 }

func (r *Record) reset() {
	clear(r.Schemas) // lets go of the definitions
	clear(r.Entities)
	*r = Record{
		Schemas: r.Schemas[:0], Entities: r.Entities[:0],
		SchemaIDs: r.SchemaIDs[:0], Widths: r.Widths[:0], EntityIDs: r.EntityIDs[:0],
		Batches: r.Batches[:0], batchEnd: r.batchEnd[:0], heads: r.heads[:0],
		frame: Frame{Values: r.frame.Values[:0]},
	}
}

// Times returns the times of the oldest and the newest frame of a batch, by its place
// in Batches; false if it has no frames.
func (r *Record) Times(batch int) (oldest, newest int64, ok bool) {
	first := 0
	if batch > 0 {
		first = r.batchEnd[batch-1]
	}
	frames := r.heads[first:r.batchEnd[batch]]
	if len(frames) == 0 {
		return 0, 0, false
	}
	oldest, newest = frames[0].time, frames[0].time
	for i := range frames[1:] {
		t := frames[1+i].time
		oldest, newest = min(oldest, t), max(newest, t)
	}
	return oldest, newest, true
}
