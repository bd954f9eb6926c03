package collector

import (
	"sync"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
)

// definition is a schema or an entity that at least one stream uses. Streams with
// the same one share it, so that memory grows with things and shapes.
type definition struct {
	id     metric.ID
	schema *metric.Schema // one of the two is set
	entity *metric.Entity

	// Guarded by the mutex of the gatherer that the definitions belong to.
	rode      uint64 // number of the record it rode in last
	confirmed int64  // when a record holding it was confirmed, Unix ms; 0 for never

	// Guarded by the mutex of the definitions.
	users int
	idle  int64 // since when nobody uses it, Unix ms
}

// due tells whether the definition must ride in the record: no record that holds
// it was confirmed yet, or long ago, and it is not in this one already.
func (d *definition) due(number uint64, oldest int64) bool {
	return d.rode != number && d.confirmed <= oldest
}

func (d *definition) ride(b *record.Builder, number uint64) {
	d.rode = number
	if d.schema != nil {
		b.DefineSchema(d.id, d.schema)
		return
	}
	b.DefineEntity(d.id, d.entity)
}

const (
	// definitionIdle is how long a definition nobody uses is remembered, so that
	// a stream that comes back or the next push finds it confirmed.
	definitionIdle = 10 * time.Minute
	// maxIdle bounds how many are remembered.
	maxIdle = 100_000
)

// definitions are those of one partition of the log: whether a definition was
// confirmed is known a partition, as readers follow one.
type definitions struct {
	mu   sync.Mutex // guards what follows
	byID map[metric.ID]*definition
	idle []idleDefinition // in the order of their ends
}

type idleDefinition struct {
	def   *definition
	since int64
}

func newDefinitions() *definitions { return &definitions{byID: map[metric.ID]*definition{}} }

// schema returns the shared definition of s; the caller releases it.
func (d *definitions) schema(id metric.ID, s *metric.Schema) *definition {
	return d.use(id, func() *definition { return &definition{id: id, schema: s} })
}

// entity returns the shared definition of e; the caller releases it.
func (d *definitions) entity(e *metric.Entity) *definition {
	id := e.ID()
	return d.use(id, func() *definition { return &definition{id: id, entity: e} })
}

func (d *definitions) use(id metric.ID, create func() *definition) *definition {
	d.mu.Lock()
	defer d.mu.Unlock()
	def := d.byID[id]
	if def == nil {
		def = create()
		d.byID[id] = def
	}
	def.users++
	return def
}

// release gives definitions back.
func (d *definitions) release(now time.Time, defs ...*definition) {
	ms := now.UnixMilli()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, def := range defs {
		if def.users--; def.users == 0 {
			def.idle = ms
			d.idle = append(d.idle, idleDefinition{def, ms})
		}
	}
	d.forgetLocked(ms)
}

// forgetLocked drops what nobody used for long. d.mu is held.
func (d *definitions) forgetLocked(now int64) {
	n := 0
	for n < len(d.idle) && (now-d.idle[n].since >= definitionIdle.Milliseconds() || len(d.idle)-n > maxIdle) {
		// Used again, or used and idle again with a later entry: not this one.
		if x := d.idle[n]; x.def.users == 0 && x.def.idle == x.since && d.byID[x.def.id] == x.def {
			delete(d.byID, x.def.id)
		}
		d.idle[n] = idleDefinition{}
		n++
	}
	d.idle = d.idle[n:]
}

func (d *definitions) forget(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forgetLocked(now.UnixMilli())
}

func (d *definitions) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.byID)
}
