package index

import (
	"fmt"
	"slices"

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
// mint and maxt, until it returns false. The columns are valid during the call
// only, during which nothing of the index may be called.
func (x *Index) Select(ms []Matcher, mint, maxt int64, visit func(p *Pair, columns []int) bool) error {
	if len(ms) > MaxMatchers {
		return fmt.Errorf("selector has %d matchers, the limit is %d", len(ms), MaxMatchers)
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := &selection{x: x, ms: ms, mint: mint, maxt: maxt, memo: make([]map[string]bool, len(ms)), visit: visit}
	for _, schema := range x.schemas {
		if !s.schema(schema) {
			break
		}
	}
	return nil
}

// selection is one run of Select.
type selection struct {
	x          *Index
	ms         []Matcher
	mint, maxt int64
	memo       []map[string]bool // results by value, for matchers that are dear
	visit      func(*Pair, []int) bool
	columns    []int // scratch
}

// group is the columns of a schema that leave the same matchers to the entity.
type group struct {
	rest    uint64 // one bit a matcher
	columns []int
}

func (s *selection) schema(schema *Schema) bool {
	if len(schema.pairs) == 0 {
		return true
	}
	for _, g := range s.groups(schema) {
		if !s.pairs(schema, g) {
			return false
		}
	}
	return true
}

// groups matches what the columns decide by themselves.
func (s *selection) groups(schema *Schema) []group {
	var groups []group
	for i := range schema.Def.Columns {
		rest, ok := s.column(&schema.Def.Columns[i])
		if !ok {
			continue
		}
		at := slices.IndexFunc(groups, func(g group) bool { return g.rest == rest })
		if at < 0 {
			at, groups = len(groups), append(groups, group{rest: rest})
		}
		groups[at].columns = append(groups[at].columns, i)
	}
	return groups
}

func (s *selection) column(c *metric.Column) (rest uint64, ok bool) {
	for i, m := range s.ms {
		if m.Name() == metric.NameLabel {
			if !s.matches(i, c.Name) {
				return 0, false
			}
		} else if v := c.Labels.Get(m.Name()); v == "" {
			rest |= 1 << i
		} else if !s.matches(i, v) {
			return 0, false
		}
	}
	return rest, true
}

// pairs visits the pairs of the schema whose entity fulfils the rest.
func (s *selection) pairs(schema *Schema, g group) bool {
	lists, ok := s.shortest(g.rest, len(schema.pairs))
	if !ok {
		for _, p := range schema.pairs {
			if s.entity(p.Entity, g.rest) && !s.emit(p, g.columns) {
				return false
			}
		}
		return true
	}
	for _, list := range lists {
		for _, e := range list {
			if p := e.Pair(schema); p != nil && s.entity(e, g.rest) && !s.emit(p, g.columns) {
				return false
			}
		}
	}
	return true
}

// shortest returns the entities that the most selective of the matchers leaves,
// if they are fewer than limit. A value's list holds each entity once and an
// entity has one value a label, so the lists share none.
func (s *selection) shortest(rest uint64, limit int) (best [][]*Entity, ok bool) {
	for i, m := range s.ms {
		if rest&(1<<i) == 0 || m.Set() == nil || m.Matches("") {
			continue
		}
		total := 0
		var lists [][]*Entity
		values := s.x.labels[m.Name()]
		for _, v := range unique(m.Set()) {
			lists = append(lists, values[v])
			total += len(values[v])
		}
		if total < limit {
			best, limit, ok = lists, total, true
		}
	}
	return best, ok
}

func (s *selection) entity(e *Entity, rest uint64) bool {
	for i, m := range s.ms {
		if rest&(1<<i) != 0 && !s.matches(i, e.Def.Labels.Get(m.Name())) {
			return false
		}
	}
	return true
}

func (s *selection) matches(i int, value string) bool {
	m := s.ms[i]
	if set := m.Set(); len(set) == 1 && set[0] != "" && value != set[0] {
		return false
	}
	if len(s.memo[i]) > 0 {
		if ok, known := s.memo[i][value]; known {
			return ok
		}
	} else {
		s.memo[i] = map[string]bool{}
	}
	ok := m.Matches(value)
	s.memo[i][value] = ok
	return ok
}

func (s *selection) emit(p *Pair, columns []int) bool {
	if !p.overlaps(s.mint, s.maxt) {
		return true
	}
	if p.full.Load() {
		return s.visit(p, columns)
	}
	s.columns = s.columns[:0]
	for _, c := range columns {
		if p.has(c) {
			s.columns = append(s.columns, c)
		}
	}
	return len(s.columns) == 0 || s.visit(p, s.columns)
}

func unique(values []string) []string {
	if len(values) < 2 {
		return values
	}
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}
