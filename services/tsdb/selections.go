package tsdb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// Keyed is a matcher with a text that no other has unless it matches the same.
type Keyed interface {
	Matcher
	Key() string
}

// Bounds of what is remembered of selectors.
const (
	// mostCandidates takes 16 MB.
	mostCandidates = 1 << 20
	// longestKey is for selectors that people and rules write, not for those with long
	// lists of agents, which differ from time to time.
	longestKey = 2048
)

// selections remembers what selectors select: rules and dashboards ask for the same
// again and again, while definitions change rarely. What was not asked for in a while is
// forgotten as a generation.
type selections struct {
	mu         sync.Mutex // guards all below
	young, old map[string]*selection
	size       int // cost of the young ones
}

// selection is what one selector selects.
type selection struct {
	cost int // guarded by selections.mu

	mu   sync.Mutex // guards all below
	mark index.Mark
	list []candidate // replaced when it changes
}

// candidate is a column that matches, whether there are samples of it or not.
type candidate struct {
	pair   *index.Pair
	column int32
	again  bool // the same series as the one before
}

// candidates returns the columns that match, sorted by the labels of their series.
func (db *DB) candidates(ctx context.Context, ms []Matcher) ([]candidate, error) {
	one := &selection{}
	key, keyed := selectorKey(ms)
	if keyed {
		one = db.selections.get(key)
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	changed, err := one.update(ctx, db.index, ms)
	if err != nil {
		return nil, err
	}
	if changed && keyed {
		db.selections.resized(key, one, len(one.list))
	}
	return one.list, nil
}

// update brings the selection up to date. Once the context ended a matcher may match
// nothing, so what was found then is not kept.
func (s *selection) update(ctx context.Context, x *index.Index, ms []Matcher) (changed bool, err error) {
	var found []candidate
	mark, all, err := x.Candidates(ms, s.mark, func(p *index.Pair, columns []int) {
		for _, c := range columns {
			found = append(found, candidate{pair: p, column: int32(c)})
		}
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return false, fmt.Errorf("select series: %w", err)
	}
	s.mark = mark
	if !all && len(found) == 0 {
		return false, nil
	}
	if !all {
		found = append(found, s.list...)
	}
	sortCandidates(found)
	s.list = found
	return true, nil
}

// sortCandidates sorts by labels, and notes which have the same.
func sortCandidates(list []candidate) {
	type labelled struct {
		candidate
		labels metric.Labels
	}
	all := make([]labelled, len(list))
	for i, c := range list {
		all[i] = labelled{c, appendLabelsOf(nil, c.pair, int(c.column))}
	}
	slices.SortFunc(all, func(a, b labelled) int { return metric.Compare(a.labels, b.labels) })
	for i := range all {
		list[i] = all[i].candidate
		list[i].again = i > 0 && metric.Compare(all[i-1].labels, all[i].labels) == 0
	}
}

// selectorKey returns a text that is the same for equal selectors only, if there is one.
func selectorKey(ms []Matcher) (string, bool) {
	var b strings.Builder
	for _, m := range ms {
		k, ok := m.(Keyed)
		if !ok {
			return "", false
		}
		b.WriteString(k.Key())
		b.WriteByte(0)
	}
	return b.String(), b.Len() <= longestKey
}

// get returns the selection of the key, an empty one if it is not remembered.
func (s *selections) get(key string) *selection {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.young[key]; one != nil {
		return one
	}
	one := s.old[key]
	if one == nil {
		one = &selection{cost: costOf(key, 0)}
	}
	delete(s.old, key)
	s.young[key] = one
	s.size += one.cost
	s.ageLocked()
	return one
}

// resized notes how many candidates the selection of the key has now. One that would
// push out most others is not remembered.
func (s *selections) resized(key string, one *selection, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cost := costOf(key, n)
	switch one {
	case s.young[key]:
		s.size += cost - one.cost
		if cost > mostCandidates/4 {
			delete(s.young, key)
			s.size -= cost
		}
	case s.old[key]:
		if cost > mostCandidates/4 {
			delete(s.old, key)
		}
	}
	one.cost = cost
	s.ageLocked()
}

// ageLocked makes the young ones old, and forgets those that are, when they are many.
func (s *selections) ageLocked() {
	if s.size > mostCandidates/2 {
		s.young, s.old, s.size = map[string]*selection{}, s.young, 0
	}
}

// costOf returns the memory of a selection, in candidates.
func costOf(key string, n int) int { return n + len(key)/16 + 16 }
