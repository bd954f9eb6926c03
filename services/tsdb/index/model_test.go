package index_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// model is an index, a store of its definitions and beside them, in the plainest
// form, what both should hold. Names and values are few, so that everything
// happens to meet everything.
type model struct {
	rng      *rand.Rand
	x        *index.Index
	now      int64
	entities []*metric.Entity // that may become known
	schemas  []*metric.Schema
	seen     map[metric.ID]int64 // of those that are known
	pairs    map[pairID]*modelPair

	kept []*keptSelection // what was selected and is brought up to date

	stored, older storedDefinitions // what is stored now, and what was one commit ago
	settled       bool              // everything was stored since the store went back in time
}

type pairID struct{ entity, schema metric.ID }

type modelPair struct {
	e           *metric.Entity
	s           *metric.Schema
	p           *index.Pair
	first, last int64
	present     []bool
}

// storedDefinitions are the last sights by id, stored at the time.
type storedDefinitions struct {
	at   int64
	seen map[metric.ID]int64
}

var (
	modelNames  = []string{"host", "disk", "mode", "site"}
	modelValues = []string{"a", "b", "a1", "größe"}
)

func newModel(rng *rand.Rand) *model {
	m := &model{
		rng: rng, x: index.New(), now: testNow,
		seen: map[metric.ID]int64{}, pairs: map[pairID]*modelPair{},
		stored: storedDefinitions{seen: map[metric.ID]int64{}}, older: storedDefinitions{seen: map[metric.ID]int64{}},
	}
	for range 1 + rng.IntN(8) {
		m.entities = append(m.entities, &metric.Entity{Labels: m.labels()})
	}
	for range 1 + rng.IntN(6) {
		m.schemas = append(m.schemas, m.schema())
	}
	return m
}

func (m *model) labels() metric.Labels {
	var labels []metric.Label
	for _, name := range modelNames {
		if m.rng.IntN(3) == 0 {
			labels = append(labels, metric.Label{Name: name, Value: m.pick(modelValues)})
		}
	}
	return metric.NewLabels(labels...)
}

func (m *model) schema() *metric.Schema {
	s := &metric.Schema{}
	known := map[string]bool{}
	columns := 1 + m.rng.IntN(5)
	if m.rng.IntN(10) == 0 {
		columns += 65
	}
	for i := range columns {
		c := metric.Column{Name: fmt.Sprint("m", m.rng.IntN(4)), Labels: m.labels()}
		if i > 5 {
			c.Name = fmt.Sprint("n", i)
		}
		if key := fmt.Sprint(c.Name, c.Labels); !known[key] {
			known[key] = true
			s.Columns = append(s.Columns, c)
		}
	}
	return s
}

func (m *model) pick(from []string) string { return from[m.rng.IntN(len(from))] }

// step does something that happens to an index.
func (m *model) step() error {
	m.now += m.rng.Int64N(2 * hour)
	switch m.rng.IntN(20) {
	case 0:
		return m.collect()
	case 1:
		return m.restart()
	case 2:
		return m.failover()
	case 3, 4, 5:
		return m.commit()
	case 6:
		m.define(m.rng.IntN(len(m.entities)), m.rng.IntN(len(m.schemas)))
		return nil
	}
	return m.row(m.rng.IntN(len(m.entities)), m.rng.IntN(len(m.schemas)))
}

func (m *model) define(entity, schema int) (*index.Entity, *index.Schema) {
	e, s := m.entities[entity], m.schemas[schema]
	m.seen[e.ID()], m.seen[s.ID()] = m.now, m.now
	return m.x.DefineEntity(e.ID(), e, m.now), m.x.DefineSchema(s.ID(), s, m.now)
}

// row is one row of a pair, with values missing.
func (m *model) row(entity, schema int) error {
	e, s := m.define(entity, schema)
	p, err := m.x.Pair(e, s)
	refused := metric.CheckPair(&e.Def, s.Def) != nil
	if refused != (err != nil) {
		return fmt.Errorf("pair of %v and %v: refused is %t, want %t", e.Def, s.Def, err != nil, refused)
	}
	if refused {
		return nil //nolint:nilerr // as it should be
	}
	known := m.pairs[pairID{e.ID, s.ID}]
	if known == nil {
		known = &modelPair{m.entities[entity], m.schemas[schema], p, math.MaxInt64, math.MinInt64, make([]bool, p.Width())}
		m.pairs[pairID{e.ID, s.ID}] = known
	}
	if known.p != p {
		return fmt.Errorf("pair %d became pair %d", known.p.Ref, p.Ref)
	}
	t, missing := m.now-m.rng.Int64N(3*hour), m.rng.IntN(3)
	values := make([]float64, p.Width())
	for i := range values {
		if m.rng.IntN(3) < missing {
			values[i] = metric.Missing()
		} else {
			known.present[i] = true
		}
	}
	p.Note(t, values)
	known.first, known.last = min(known.first, t), max(known.last, t)
	return nil
}

// commit stores what is to be stored, unless that fails.
func (m *model) commit() error {
	c := m.x.Changes()
	if m.rng.IntN(4) == 0 {
		return nil
	}
	m.older = m.stored
	m.stored, m.settled = storedDefinitions{m.now, maps.Clone(m.older.seen)}, true
	for i, e := range c.Entities {
		m.stored.seen[e.ID] = c.Seen[i]
	}
	for i, s := range c.Schemas {
		m.stored.seen[s.ID] = c.Seen[len(c.Entities)+i]
	}
	m.x.Saved(c)
	if again := m.x.Changes(); len(again.Seen) > 0 {
		return fmt.Errorf("%d definitions are to be stored right after all were", len(again.Seen))
	}
	return m.complete()
}

// complete tells whether all that is known is stored, and its sight not too
// stale. Just now everything was.
func (m *model) complete() error {
	for id, seen := range m.seen {
		stored, ok := m.stored.seen[id]
		if !ok {
			return fmt.Errorf("definition %s is not stored", id)
		}
		if stored > seen || stored <= seen-index.SightLag {
			return fmt.Errorf("definition %s was seen at %d, stored is %d", id, seen, stored)
		}
	}
	return nil
}

// restart makes a new index of what is stored. What is not comes again from the
// ingest log.
func (m *model) restart() error {
	m.x, m.settled, m.kept = index.New(), true, nil
	m.restore()
	for id, seen := range m.seen {
		if _, ok := m.stored.seen[id]; seen > m.stored.at {
			m.seen[id] = m.now
			m.redefine(id)
		} else if !ok {
			return fmt.Errorf("definition %s, seen at %d, is lost", id, seen)
		}
	}
	for id, known := range m.pairs {
		p, err := m.x.Pair(m.x.Entity(id.entity), m.x.Schema(id.schema))
		if err != nil {
			return err
		}
		bits := make([]uint64, (len(known.present)+63)/64)
		for i, there := range known.present {
			if there {
				bits[i/64] |= 1 << (i % 64)
			}
		}
		p.Restore(known.first, known.last, bits)
		known.p = p
	}
	return nil
}

// restore hands the index what is stored.
func (m *model) restore() {
	for _, e := range m.entities {
		if seen, ok := m.stored.seen[e.ID()]; ok {
			m.x.RestoreEntity(e.ID(), e, seen)
			m.seen[e.ID()] = max(m.seen[e.ID()], seen)
		}
	}
	for _, s := range m.schemas {
		if seen, ok := m.stored.seen[s.ID()]; ok {
			m.x.RestoreSchema(s.ID(), s, seen)
			m.seen[s.ID()] = max(m.seen[s.ID()], seen)
		}
	}
}

func (m *model) redefine(id metric.ID) {
	for _, e := range m.entities {
		if e.ID() == id {
			m.x.DefineEntity(id, e, m.now)
		}
	}
	for _, s := range m.schemas {
		if s.ID() == id {
			m.x.DefineSchema(id, s, m.now)
		}
	}
}

// failover takes the store back in time, while a commit is under way.
func (m *model) failover() error {
	late := m.x.Changes()
	m.stored, m.settled = storedDefinitions{m.older.at, maps.Clone(m.older.seen)}, false
	m.x.Unsaved()
	m.restore()
	m.x.Saved(late)
	return nil
}
