package index

import (
	"fmt"
	"slices"
	"sync"

	"github.com/esolutions/esmon/services/metric"
)

// Index holds all definitions. It is safe for concurrent use.
type Index struct {
	mu       sync.RWMutex // guards all below and what other types say it guards
	entities map[metric.ID]*Entity
	schemas  map[metric.ID]*Schema
	labels   map[string]map[string][]*Entity // entities by label name and value
	shapes   map[string][]*shape             // by metric name
	byRef    []*Pair
	freeRefs []uint32
	numbers  uint64 // of schemas, given so far
	pairs    int
	series   int

	collected uint64  // how often pairs were forgotten, and one
	made      uint64  // how many pairs were made
	newest    []*Pair // the last of them, in their order; since pairs were forgotten

	dirtyEntities []*Entity // all that are not stored as they are, and some that are by now
	dirtySchemas  []*Schema
	unsaved       int // how often Unsaved was called
}

// shape is the names of the labels that columns of one metric have in some
// schema.
type shape struct {
	names []string
	keys  map[string]int // in how many schemas each such column stands, by its key
}

// New returns an empty index.
func New() *Index {
	return &Index{
		entities: map[metric.ID]*Entity{}, schemas: map[metric.ID]*Schema{},
		labels: map[string]map[string][]*Entity{}, shapes: map[string][]*shape{},
		collected: 1, // so that the zero Mark is none of it
	}
}

// Entity returns the entity, nil if it is not known.
func (x *Index) Entity(id metric.ID) *Entity {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.entities[id]
}

// Schema returns the schema, nil if it is not known.
func (x *Index) Schema(id metric.ID) *Schema {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.schemas[id]
}

// DefineEntity makes the entity known or notes that it was seen again. The text
// of the labels is kept, the definition itself is not.
func (x *Index) DefineEntity(id metric.ID, def *metric.Entity, seen int64) *Entity {
	e := x.Entity(id)
	if e != nil && !e.again(seen) {
		return e
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	e = x.addEntity(id, def)
	if e.see(seen) {
		x.dirtyEntities = append(x.dirtyEntities, e)
	}
	return e
}

// DefineSchema makes the schema known or notes that it was seen again. The
// definition is kept.
func (x *Index) DefineSchema(id metric.ID, def *metric.Schema, seen int64) *Schema {
	s := x.Schema(id)
	if s != nil && !s.again(seen) {
		return s
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s = x.addSchema(id, def)
	if s.see(seen) {
		x.dirtySchemas = append(x.dirtySchemas, s)
	}
	return s
}

// RestoreEntity makes an entity known that is stored, last seen at the time.
func (x *Index) RestoreEntity(id metric.ID, def *metric.Entity, seen int64) *Entity {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.addEntity(id, def)
	e.restore(seen)
	return e
}

// RestoreSchema makes a schema known that is stored, last seen at the time.
func (x *Index) RestoreSchema(id metric.ID, def *metric.Schema, seen int64) *Schema {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.addSchema(id, def)
	s.restore(seen)
	return s
}

// Pair returns the pair and makes it if needed. The error is a refusal: a label
// stands on both.
func (x *Index) Pair(e *Entity, s *Schema) (*Pair, error) {
	if p := e.Pair(s); p != nil {
		return p, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if p := e.Pair(s); p != nil {
		return p, nil
	}
	if x.entities[e.ID] != e || x.schemas[s.ID] != s {
		return nil, fmt.Errorf("entity %s with schema %s: collected meanwhile", e.ID, s.ID)
	}
	if r := metric.CheckPair(&e.Def, s.Def); r != nil {
		return nil, r
	}
	return x.addPair(e, s), nil
}

// ByRef returns the pair of the number, nil if there is none.
func (x *Index) ByRef(ref uint32) *Pair {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if int(ref) >= len(x.byRef) {
		return nil
	}
	return x.byRef[ref]
}

// Stats say how much is known.
type Stats struct{ Entities, Schemas, Pairs, Series int }

// Stats returns the numbers of definitions.
func (x *Index) Stats() Stats {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return Stats{len(x.entities), len(x.schemas), x.pairs, x.series}
}

// Columns calls f with every known column until it returns false. f must not call
// the index.
func (x *Index) Columns(f func(*metric.Column) bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, s := range x.schemas {
		for i := range s.Def.Columns {
			if !f(&s.Def.Columns[i]) {
				return
			}
		}
	}
}

// Twins returns the columns of the pair that are series of other pairs too. The
// list may be kept and must not be changed.
func (x *Index) Twins(p *Pair) []Twin {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return p.twins
}

func (x *Index) addEntity(id metric.ID, def *metric.Entity) *Entity {
	if e := x.entities[id]; e != nil {
		return e
	}
	e := &Entity{ID: id, Def: metric.Entity{Labels: slices.Clone(def.Labels)}}
	e.pairs.Store(&[]*Pair{})
	x.entities[id] = e
	for i, l := range e.Def.Labels {
		values := x.labels[l.Name]
		if values == nil {
			values = map[string][]*Entity{}
			x.labels[l.Name] = values
		}
		list := values[l.Value]
		if len(list) > 0 { // share the text of the first entity that had it
			e.Def.Labels[i].Value = list[0].Def.Labels.Get(l.Name)
		}
		values[l.Value] = append(list, e)
	}
	return e
}

func (x *Index) addSchema(id metric.ID, def *metric.Schema) *Schema {
	if s := x.schemas[id]; s != nil {
		return s
	}
	x.numbers++
	s := newSchema(id, def, x.numbers)
	x.schemas[id] = s
	for i := range def.Columns {
		x.addShape(&def.Columns[i], s.keys[i])
	}
	return s
}

func (x *Index) addShape(c *metric.Column, key string) {
	list := x.shapes[c.Name]
	at := slices.IndexFunc(list, func(h *shape) bool { return h.fits(c.Labels) })
	if at < 0 {
		h := &shape{keys: map[string]int{}}
		for _, l := range c.Labels {
			h.names = append(h.names, l.Name)
		}
		at, list = len(list), append(list, h)
		x.shapes[c.Name] = list
	}
	list[at].keys[key]++
}

// fits tells whether the labels have the names of the shape.
func (h *shape) fits(ls metric.Labels) bool {
	return slices.EqualFunc(h.names, ls, func(name string, l metric.Label) bool { return name == l.Name })
}

func (x *Index) addPair(e *Entity, s *Schema) *Pair {
	p := newPair(e, s, x.newRef())
	x.byRef[p.Ref] = p
	p.at = len(s.pairs)
	s.pairs = append(s.pairs, p)
	list := *e.pairs.Load()
	at, _ := slices.BinarySearchFunc(list, s, bySchema)
	list = slices.Insert(list[:len(list):len(list)], at, p)
	e.pairs.Store(&list)
	x.pairs++
	x.series += p.Width()
	x.noteMade(p)
	x.findTwins(p)
	return p
}

func (x *Index) newRef() uint32 {
	if n := len(x.freeRefs); n > 0 {
		ref := x.freeRefs[n-1]
		x.freeRefs = x.freeRefs[:n-1]
		return ref
	}
	x.byRef = append(x.byRef, nil)
	return uint32(len(x.byRef) - 1)
}
