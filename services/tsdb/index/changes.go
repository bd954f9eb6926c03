package index

import "slices"

// Changes are definitions to be stored: new ones, and those whose last sight is
// stored too stale.
type Changes struct {
	Entities []*Entity
	Schemas  []*Schema
	Seen     []int64 // what will be stored, entities first

	unsaved int // of Index
}

// Changes returns all that is not stored yet. It goes on returning them until
// [Index.Saved] is called, so that a commit that failed loses nothing.
func (x *Index) Changes() *Changes {
	x.mu.RLock()
	defer x.mu.RUnlock()
	c := &Changes{unsaved: x.unsaved}
	for _, e := range x.dirtyEntities {
		if e.stale() {
			c.Entities, c.Seen = append(c.Entities, e), append(c.Seen, e.seen.Load())
		}
	}
	for _, s := range x.dirtySchemas {
		if s.stale() {
			c.Schemas, c.Seen = append(c.Schemas, s), append(c.Seen, s.seen.Load())
		}
	}
	return c
}

// Saved says that the changes are stored.
func (x *Index) Saved(c *Changes) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c.unsaved != x.unsaved {
		return // it may be this that got lost
	}
	for i, e := range c.Entities {
		e.save(c.Seen[i])
	}
	for i, s := range c.Schemas {
		s.save(c.Seen[len(c.Entities)+i])
	}
	x.dirtyEntities = slices.DeleteFunc(x.dirtyEntities, func(e *Entity) bool { return e.unlist() })
	x.dirtySchemas = slices.DeleteFunc(x.dirtySchemas, func(s *Schema) bool { return s.unlist() })
}

// Unsaved says that nothing is known of what is stored: the database may have
// gone back in time. What is stored nevertheless is restored after it; all else
// will be stored again.
func (x *Index) Unsaved() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.unsaved++
	for _, e := range x.entities {
		e.saved, e.stored = 0, false
		if e.list() {
			x.dirtyEntities = append(x.dirtyEntities, e)
		}
	}
	for _, s := range x.schemas {
		s.saved, s.stored = 0, false
		if s.list() {
			x.dirtySchemas = append(x.dirtySchemas, s)
		}
	}
}
