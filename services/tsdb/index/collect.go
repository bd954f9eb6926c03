package index

import "slices"

// Changes are definitions to be stored: new ones, and those whose last sight is
// stored too stale.
type Changes struct {
	Entities []*Entity
	Schemas  []*Schema
	Seen     []int64 // what will be stored, entities first
}

// Changes returns all that is not stored yet. It goes on returning them until
// [Index.Saved] is called, so that a commit that failed loses nothing.
func (x *Index) Changes() *Changes {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c := &Changes{Entities: slices.Clone(x.dirtyEntities), Schemas: slices.Clone(x.dirtySchemas)}
	for _, e := range c.Entities {
		c.Seen = append(c.Seen, e.seen.Load())
	}
	for _, s := range c.Schemas {
		c.Seen = append(c.Seen, s.seen.Load())
	}
	return c
}

// Saved says that the changes are stored.
func (x *Index) Saved(c *Changes) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, e := range c.Entities {
		e.saved, e.dirty = max(e.saved, c.Seen[i]), false
	}
	for i, s := range c.Schemas {
		s.saved, s.dirty = max(s.saved, c.Seen[len(c.Entities)+i]), false
	}
	x.dirtyEntities = slices.DeleteFunc(x.dirtyEntities, func(e *Entity) bool { return !e.dirty })
	x.dirtySchemas = slices.DeleteFunc(x.dirtySchemas, func(s *Schema) bool { return !s.dirty })
}

// Garbage is what can be forgotten.
type Garbage struct {
	Pairs    []*Pair
	Entities []*Entity
	Schemas  []*Schema
}

// Collect forgets the pairs whose newest row is older than before and which are
// not in use, and the definitions that then have no pair and were not seen
// since.
func (x *Index) Collect(before int64, inUse func(*Pair) bool) Garbage {
	x.mu.Lock()
	defer x.mu.Unlock()
	var g Garbage
	for _, p := range x.byRef {
		if p != nil && p.maxT.Load() < before && !inUse(p) {
			g.Pairs = append(g.Pairs, p)
		}
	}
	for _, p := range g.Pairs {
		x.dropPair(p)
	}
	for id, e := range x.entities {
		if len(*e.pairs.Load()) == 0 && e.seen.Load() < before && !e.dirty {
			g.Entities = append(g.Entities, e)
			delete(x.entities, id)
		}
	}
	for id, s := range x.schemas {
		if len(s.pairs) == 0 && s.seen.Load() < before && !s.dirty {
			g.Schemas = append(g.Schemas, s)
			delete(x.schemas, id)
			x.dropShapes(s)
		}
	}
	if len(g.Entities) > 0 {
		x.dropPostings()
	}
	return g
}

func (x *Index) dropPair(p *Pair) {
	s, last := p.Schema, len(p.Schema.pairs)-1
	s.pairs[p.at] = s.pairs[last]
	s.pairs[p.at].at = p.at
	s.pairs[last] = nil
	s.pairs = s.pairs[:last]
	list := slices.DeleteFunc(slices.Clone(*p.Entity.pairs.Load()), func(q *Pair) bool { return q == p })
	p.Entity.pairs.Store(&list)
	for _, t := range p.twins {
		t.Pair.twins = slices.DeleteFunc(slices.Clone(t.Pair.twins), func(u Twin) bool { return u.Pair == p })
	}
	x.byRef[p.Ref] = nil
	x.freeRefs = append(x.freeRefs, p.Ref)
	x.pairs--
	x.series -= p.Width()
}

func (x *Index) dropShapes(s *Schema) {
	for i, key := range s.keys {
		name := s.Def.Columns[i].Name
		list := x.shapes[name]
		at := slices.IndexFunc(list, func(h *shape) bool { return h.key == key })
		if list[at].schemas--; list[at].schemas == 0 {
			list = slices.Delete(list, at, at+1)
		}
		if len(list) == 0 {
			delete(x.shapes, name)
		} else {
			x.shapes[name] = list
		}
	}
}

// dropPostings takes the entities that are gone out of all lists.
func (x *Index) dropPostings() {
	gone := func(e *Entity) bool { return x.entities[e.ID] != e }
	for name, values := range x.labels {
		for v, list := range values {
			if list = slices.DeleteFunc(list, gone); len(list) == 0 {
				delete(values, v)
			} else {
				values[v] = list
			}
		}
		if len(values) == 0 {
			delete(x.labels, name)
		}
	}
}
