package index

import (
	"fmt"
	"math/bits"

	"github.com/esolutions/esmon/services/metric"
)

// Matcher is one condition of a selector.
type Matcher interface {
	// Name is the label's name.
	Name() string
	// Matches tells whether the value fulfils the condition; a label that is not
	// there has the value "".
	Matches(value string) bool
	// Set returns the only values that can match, nil if they are not known. It
	// may hold values that do not match.
	Set() []string
}

// MaxMatchers is how many conditions a selector may have.
const MaxMatchers = 64

// Select calls visit with every pair that has matching columns and rows between
// mint and maxt, until it returns false. A pair may come more than once, each
// time with other columns. They are valid during the call only, during which
// nothing of the index may be called and for which definitions wait.
func (x *Index) Select(ms []Matcher, mint, maxt int64, visit func(p *Pair, columns []int) bool) error {
	var some []int // scratch
	s, err := newSelection(x, ms, func(p *Pair, columns []int) bool {
		if !p.Overlaps(mint, maxt) {
			return true
		}
		if !p.full.Load() {
			some = p.having(columns, some[:0])
			columns = some
		}
		return len(columns) == 0 || visit(p, columns)
	})
	if err != nil {
		return err
	}
	defer s.release()
	x.mu.RLock()
	defer x.mu.RUnlock()
	s.all()
	return nil
}

// selection is one run of Select or Candidates.
type selection struct {
	x          *Index
	conditions []condition
	visit      func(*Pair, []int) bool // returns false to stop
	groups     []group                 // of the schema at hand
}

func newSelection(x *Index, ms []Matcher, visit func(*Pair, []int) bool) (*selection, error) {
	if len(ms) > MaxMatchers {
		return nil, fmt.Errorf("selector has %d matchers, the limit is %d", len(ms), MaxMatchers)
	}
	s := &selection{x: x, conditions: make([]condition, len(ms)), visit: visit}
	for i, m := range ms {
		s.conditions[i].init(m)
	}
	return s, nil
}

func (s *selection) release() {
	for i := range s.conditions {
		s.conditions[i].release()
	}
}

// all visits all pairs that match.
func (s *selection) all() {
	for _, schema := range s.x.schemas {
		if !s.schema(schema) {
			return
		}
	}
}

// one visits the pair if it matches.
func (s *selection) one(p *Pair) bool {
	s.group(p.Schema)
	for i := range s.groups {
		if g := &s.groups[i]; s.entity(p.Entity, g.rest) && !s.visit(p, g.columns) {
			return false
		}
	}
	return true
}

// group is the columns of a schema that leave the same conditions to the entity.
type group struct {
	rest    uint64 // one bit a condition
	columns []int
}

func (s *selection) schema(schema *Schema) bool {
	if len(schema.pairs) == 0 {
		return true
	}
	s.group(schema)
	for i := range s.groups {
		if !s.pairs(schema, &s.groups[i]) {
			return false
		}
	}
	return true
}

// group matches what the columns decide by themselves.
func (s *selection) group(schema *Schema) {
	s.groups = s.groups[:0]
	for i := range schema.Def.Columns {
		if rest, ok := s.column(&schema.Def.Columns[i]); ok {
			g := s.groupOf(rest)
			g.columns = append(g.columns, i)
		}
	}
}

// groupOf returns the group of the rest. A new one takes over the memory of one
// of an earlier schema.
func (s *selection) groupOf(rest uint64) *group {
	n := len(s.groups)
	for i := range s.groups {
		if s.groups[i].rest == rest {
			return &s.groups[i]
		}
	}
	if n == cap(s.groups) {
		s.groups = append(s.groups, group{})
	}
	s.groups = s.groups[:n+1]
	g := &s.groups[n]
	g.rest, g.columns = rest, g.columns[:0]
	return g
}

func (s *selection) column(c *metric.Column) (rest uint64, ok bool) {
	for i := range s.conditions {
		m := &s.conditions[i]
		if m.name == metric.NameLabel {
			if !m.matches(c.Name) {
				return 0, false
			}
		} else if v := c.Labels.Get(m.name); v == "" {
			rest |= 1 << i
		} else if !m.matches(v) {
			return 0, false
		}
	}
	return rest, true
}

// pairs visits the pairs of the schema whose entity fulfils the rest.
func (s *selection) pairs(schema *Schema, g *group) bool {
	best, ok := s.shortest(g.rest, len(schema.pairs))
	if !ok {
		for _, p := range schema.pairs {
			if s.entity(p.Entity, g.rest) && !s.visit(p, g.columns) {
				return false
			}
		}
		return true
	}
	rest := g.rest &^ (1 << best)
	for _, list := range s.conditions[best].lists {
		for _, e := range list {
			if p := e.Pair(schema); p != nil && s.entity(e, rest) && !s.visit(p, g.columns) {
				return false
			}
		}
	}
	return true
}

// shortest returns the condition that the fewest entities fulfil, if they are
// known to be fewer than limit.
func (s *selection) shortest(rest uint64, limit int) (best int, ok bool) {
	for i := range s.conditions {
		if m := &s.conditions[i]; rest&(1<<i) != 0 && m.find(s.x, limit) && m.entities < limit {
			best, limit, ok = i, m.entities, true
		}
	}
	return best, ok
}

func (s *selection) entity(e *Entity, rest uint64) bool {
	for ; rest != 0; rest &= rest - 1 {
		m := &s.conditions[bits.TrailingZeros64(rest)]
		if !m.matches(e.Def.Labels.Get(m.name)) {
			return false
		}
	}
	return true
}
