package index

import "slices"

// Garbage is what can be forgotten.
type Garbage struct {
	Pairs    []*Pair
	Entities []*Entity
	Schemas  []*Schema
}

// Collect forgets the pairs whose newest row is older than before and which are
// not in use, and the definitions that then have no pair and were not seen
// since. What is not stored yet is kept. inUse must not call the index, nor wait
// for a lock that somebody may hold who does.
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
	if len(g.Pairs) > 0 {
		x.noteCollected()
	}
	for id, e := range x.entities {
		if len(*e.pairs.Load()) == 0 && e.unseen(before) {
			g.Entities = append(g.Entities, e)
			delete(x.entities, id)
		}
	}
	for id, s := range x.schemas {
		if len(s.pairs) == 0 && s.unseen(before) {
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
		c := &s.Def.Columns[i]
		list := x.shapes[c.Name]
		at := slices.IndexFunc(list, func(h *shape) bool { return h.fits(c.Labels) })
		keys := list[at].keys
		if keys[key]--; keys[key] == 0 {
			delete(keys, key)
		}
		if len(keys) > 0 {
			continue
		}
		if list = slices.Delete(list, at, at+1); len(list) == 0 {
			delete(x.shapes, c.Name)
		} else {
			x.shapes[c.Name] = list
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
