package index_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// collect forgets, and checks that nothing goes too early or stays too long.
func (m *model) collect() error {
	before := m.now - m.rng.Int64N(60*hour)
	used := m.rng.IntN(4)
	inUse := func(p *index.Pair) bool { return used == 0 && p.Entity.ID[0]%2 == 0 }
	unstored := map[metric.ID]bool{}
	for c, i := m.x.Changes(), 0; i < len(c.Seen); i++ {
		if i < len(c.Entities) {
			unstored[c.Entities[i].ID] = true
		} else {
			unstored[c.Schemas[i-len(c.Entities)].ID] = true
		}
	}
	g := m.x.Collect(before, inUse)
	for _, p := range g.Pairs {
		known := m.pairs[pairID{p.Entity.ID, p.Schema.ID}]
		if known == nil || known.p != p || known.last >= before || inUse(p) {
			return fmt.Errorf("pair %d (%+v) was collected, before %d", p.Ref, known, before)
		}
		delete(m.pairs, pairID{p.Entity.ID, p.Schema.ID})
	}
	hasPair := map[metric.ID]bool{}
	for id, known := range m.pairs {
		hasPair[id.entity], hasPair[id.schema] = true, true
		if known.last < before && !inUse(known.p) {
			return fmt.Errorf("pair %d with a last row at %d was not collected, before %d", known.p.Ref, known.last, before)
		}
	}
	gone := map[metric.ID]bool{}
	for _, e := range g.Entities {
		gone[e.ID] = true
	}
	for _, s := range g.Schemas {
		gone[s.ID] = true
	}
	for id, seen := range m.seen {
		switch {
		case gone[id] && (seen >= before || hasPair[id] || unstored[id]):
			return fmt.Errorf("definition %s, seen at %d, was collected, before %d", id, seen, before)
		case gone[id]:
			delete(m.seen, id)
			delete(m.stored.seen, id)
			delete(m.older.seen, id)
		case !hasPair[id] && !unstored[id] && seen < before-index.SightLag && m.settled:
			return fmt.Errorf("definition %s, seen at %d, was not collected, before %d", id, seen, before)
		}
	}
	return nil
}

// check compares the index with the model by some questions.
func (m *model) check() error {
	if err := index.Consistent(m.x); err != nil {
		return err
	}
	for range 6 {
		if err := m.checkSelect(); err != nil {
			return err
		}
	}
	if err := m.checkKept(); err != nil {
		return err
	}
	series := 0
	for _, known := range m.pairs {
		series += len(known.present)
		if got := m.x.ByRef(known.p.Ref); got != known.p {
			return fmt.Errorf("pair %d is not found by its number", known.p.Ref)
		}
		if first, last := known.p.Times(); first != known.first || last != known.last {
			return fmt.Errorf("pair %d from %d to %d, want %d to %d", known.p.Ref, first, last, known.first, known.last)
		}
		if got, want := m.twins(known), m.wantTwins(known); !slices.Equal(got, want) {
			return fmt.Errorf("twins of %v with %v: %v, want %v", known.e, known.s, got, want)
		}
	}
	if got := m.x.Stats(); got.Pairs != len(m.pairs) || got.Series != series || got.Entities+got.Schemas != len(m.seen) {
		return fmt.Errorf("stats %v, want %d pairs, %d series and %d definitions", got, len(m.pairs), series, len(m.seen))
	}
	return nil
}

type columnID struct {
	pair   pairID
	column int
}

func (m *model) checkSelect() error {
	ms := make([]*condition, m.rng.IntN(4))
	for i := range ms {
		ms[i] = m.condition()
	}
	mint := m.now - m.rng.Int64N(80*hour)
	maxt := mint + m.rng.Int64N(80*hour)
	if m.rng.IntN(3) == 0 {
		mint, maxt = math.MinInt64, math.MaxInt64
	}
	want := m.wantSelect(ms, mint, maxt)
	got, _, err := m.sel(ms, mint, maxt, math.MaxInt)
	if err == nil && !maps.Equal(got, want) {
		err = fmt.Errorf("%d columns, want %d", len(got), len(want))
	}
	if err != nil {
		return fmt.Errorf("select %v from %d to %d: %w", ms, mint, maxt, err)
	}
	limit := 1 + m.rng.IntN(3)
	some, visits, err := m.sel(ms, mint, maxt, limit)
	if err != nil {
		return err
	}
	if visits > limit || len(some) == 0 != (len(want) == 0) {
		return fmt.Errorf("select %v from %d to %d, to stop after %d visits: %d visits, %d columns", ms, mint, maxt, limit, visits, len(some))
	}
	for id := range some {
		if !want[id] {
			return fmt.Errorf("select %v from %d to %d stopped early: column %v is not wanted", ms, mint, maxt, id)
		}
	}
	return nil
}

// sel stops after so many visits.
func (m *model) sel(ms []*condition, mint, maxt int64, limit int) (map[columnID]bool, int, error) {
	list := make([]index.Matcher, len(ms))
	for i := range ms {
		list[i] = ms[i]
	}
	found, visits := map[columnID]bool{}, 0
	var twice error
	err := m.x.Select(list, mint, maxt, func(p *index.Pair, columns []int) bool {
		visits++
		for _, c := range columns {
			id := columnID{pairID{p.Entity.ID, p.Schema.ID}, c}
			if found[id] {
				twice = fmt.Errorf("column %v came twice", id)
			}
			found[id] = true
		}
		return visits < limit
	})
	return found, visits, cmp.Or(err, twice)
}

// keptSelection is what somebody remembers of a selector.
type keptSelection struct {
	ms    []*condition
	mark  index.Mark
	found map[columnID]*index.Pair
}

// checkKept brings what is remembered up to date, or begins to remember.
func (m *model) checkKept() error {
	if len(m.kept) < 4 {
		k := &keptSelection{ms: make([]*condition, m.rng.IntN(3))}
		for i := range k.ms {
			k.ms[i] = m.condition()
		}
		m.kept = append(m.kept, k)
	}
	k := m.kept[m.rng.IntN(len(m.kept))]
	list := make([]index.Matcher, len(k.ms))
	for i := range k.ms {
		list[i] = k.ms[i]
	}
	found := map[columnID]*index.Pair{}
	var twice error
	mark, all, err := m.x.Candidates(list, k.mark, func(p *index.Pair, columns []int) {
		for _, c := range columns {
			id := columnID{pairID{p.Entity.ID, p.Schema.ID}, c}
			if found[id] != nil || k.found[id] == p {
				twice = fmt.Errorf("column %v came twice", id)
			}
			found[id] = p
		}
	})
	if k.mark = mark; all {
		k.found, twice = found, nil
	} else {
		maps.Copy(k.found, found)
	}
	want := m.matching(k.ms)
	if err == nil && twice == nil && !maps.Equal(k.found, want) {
		err = fmt.Errorf("%d columns, want %d; all of them came: %t", len(k.found), len(want), all)
	}
	if err = cmp.Or(err, twice); err != nil {
		return fmt.Errorf("candidates of %v: %w", k.ms, err)
	}
	return nil
}

// matching returns the columns that match, whether they have rows or not.
func (m *model) matching(ms []*condition) map[columnID]*index.Pair {
	want := map[columnID]*index.Pair{}
	for id, known := range m.pairs {
		for i := range known.s.Columns {
			series := metric.SeriesLabels(known.e, &known.s.Columns[i])
			if !slices.ContainsFunc(ms, func(c *condition) bool { return !c.matches(series.Get(c.name)) }) {
				want[columnID{id, i}] = known.p
			}
		}
	}
	return want
}

func (m *model) wantSelect(ms []*condition, mint, maxt int64) map[columnID]bool {
	want := map[columnID]bool{}
	for id := range m.matching(ms) {
		known := m.pairs[id.pair]
		if known.last >= mint && known.first <= maxt && known.present[id.column] {
			want[id] = true
		}
	}
	return want
}

func (m *model) condition() *condition {
	name, values := m.pick(append([]string{"nowhere"}, modelNames...)), modelValues
	if m.rng.IntN(3) == 0 {
		name, values = metric.NameLabel, []string{"m0", "m1", "m2", "n7"}
	}
	one, two := m.pick(values), m.pick(append([]string{"", "elsewhere"}, values...))
	switch m.rng.IntN(12) {
	case 0:
		return equal(name, "")
	case 1:
		return notEqual(name, "")
	case 2, 3:
		return notEqual(name, two)
	case 4:
		return pattern(name, "["+one[:1]+"].*")
	case 5:
		return pattern(name, ".*")
	case 6:
		return notPattern(name, one+"|"+two)
	case 7, 8:
		return oneOf(name, []string{one, two, one}, "b", "m3", "")
	case 9:
		return &condition{name, "=~nothing", func(string) bool { return false }, []string{}}
	}
	return equal(name, two)
}

type twinID struct{ text string }

func (m *model) twins(known *modelPair) []twinID {
	var list []twinID
	for _, t := range m.x.Twins(known.p) {
		list = append(list, twinOf(t.Column, t.Pair.Entity.ID, t.Pair.Schema.ID, t.Other))
	}
	slices.SortFunc(list, func(a, b twinID) int { return cmp.Compare(a.text, b.text) })
	return list
}

func twinOf(column int, e, s metric.ID, other int) twinID {
	return twinID{fmt.Sprintf("%d is %s/%s/%d", column, e, s, other)}
}

// wantTwins compares the series of the pair with all others.
func (m *model) wantTwins(known *modelPair) []twinID {
	var list []twinID
	for id, other := range m.pairs {
		if other == known {
			continue
		}
		for i := range known.s.Columns {
			for j := range other.s.Columns {
				a, b := metric.SeriesLabels(known.e, &known.s.Columns[i]), metric.SeriesLabels(other.e, &other.s.Columns[j])
				if metric.Compare(a, b) == 0 {
					list = append(list, twinOf(i, id.entity, id.schema, j))
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b twinID) int { return cmp.Compare(a.text, b.text) })
	return list
}
