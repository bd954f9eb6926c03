package query

import (
	"context"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/esolutions/esmon/services/metric"
)

// Restrict returns a source that has only the series that match all matchers and
// that keep accepts; a nil keep accepts all. Matchers are the cheaper way.
func Restrict(source Source, keep func(metric.Labels) bool, ms ...Matcher) Source {
	return &restricted{source, keep, [][]Matcher{ms}}
}

// Choose returns a source that has only the series that match all matchers of one of
// the alternatives, and that keep accepts. No series may match two alternatives.
func Choose(source Source, keep func(metric.Labels) bool, alternatives ...[]Matcher) Source {
	return &restricted{source, keep, alternatives}
}

// In returns a matcher for a label that has one of the values.
func In(name string, values ...string) Matcher {
	m := inMatcher{name: name, values: values}
	if len(values) > fewValues {
		m.set = make(map[string]struct{}, len(values))
		for _, v := range values {
			m.set[v] = struct{}{}
		}
	}
	return m
}

// fewValues are looked through one by one.
const fewValues = 8

type inMatcher struct {
	name   string
	values []string
	set    map[string]struct{} // the same, if they are many
}

// Name implements [Matcher].
func (m inMatcher) Name() string { return m.name }

// Matches implements [Matcher].
func (m inMatcher) Matches(value string) bool {
	if m.set == nil {
		return slices.Contains(m.values, value)
	}
	_, ok := m.set[value]
	return ok
}

// Set implements [Matcher].
func (m inMatcher) Set() []string { return m.values }

// Key tells the matcher from others.
func (m inMatcher) Key() string { return fmt.Sprintf("%q in %q", m.name, m.values) }

// Part returns a matcher for the series of one of so many parts, counted from 0, into
// which the values of a label divide them.
func Part(name string, part, parts int) Matcher { return partMatcher{name, part, parts} }

type partMatcher struct {
	name        string
	part, parts int
}

// Name implements [Matcher].
func (m partMatcher) Name() string { return m.name }

// Matches implements [Matcher].
func (m partMatcher) Matches(value string) bool {
	return xxhash.Sum64String(value)%uint64(m.parts) == uint64(m.part)
}

// Set implements [Matcher].
func (partMatcher) Set() []string { return nil }

// Key tells the matcher from others.
func (m partMatcher) Key() string { return fmt.Sprintf("%q in part %d of %d", m.name, m.part, m.parts) }

// Without returns a matcher for series that lack a label.
func Without(name string) Matcher { return withoutMatcher(name) }

type withoutMatcher string

// Name implements [Matcher].
func (m withoutMatcher) Name() string { return string(m) }

// Matches implements [Matcher].
func (withoutMatcher) Matches(value string) bool { return value == "" }

// Set implements [Matcher].
func (withoutMatcher) Set() []string { return nil }

// Key tells the matcher from others.
func (m withoutMatcher) Key() string { return fmt.Sprintf("without %q", string(m)) }

type restricted struct {
	source       Source
	keep         func(metric.Labels) bool // nil keeps all
	alternatives [][]Matcher
}

// Querier implements [Source].
func (r *restricted) Querier(ctx context.Context, mint, maxt int64) (SourceQuerier, error) {
	q, err := r.source.Querier(ctx, mint, maxt)
	if err != nil {
		return nil, err
	}
	return &restrictedQuerier{q, r}, nil
}

// Metadata implements [Source].
func (r *restricted) Metadata(yield func(c *metric.Column) bool) { r.source.Metadata(yield) }

type restrictedQuerier struct {
	SourceQuerier
	of *restricted
}

// Select implements [SourceQuerier].
func (q *restrictedQuerier) Select(ctx context.Context, ms []Matcher, opt SelectOptions) ([]Series, error) {
	limit := opt.Limit
	if q.of.keep != nil {
		opt.Limit = 0 // how many are left of those selected is known afterwards
	}
	var found []Series
	for _, alternative := range q.of.alternatives {
		some, err := q.SourceQuerier.Select(ctx, slices.Concat(ms, alternative), opt)
		if err != nil {
			return nil, err //nolint:wrapcheck // it says what failed
		}
		found = mergeSeries(found, some)
	}
	if q.of.keep != nil {
		found = kept(found, q.of.keep)
	}
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found, nil
}

// kept returns the series that keep accepts. The list may be the source's own.
func kept(found []Series, keep func(metric.Labels) bool) []Series {
	var out []Series
	for _, s := range found {
		if keep(s.Labels()) {
			out = append(out, s)
		}
	}
	return out
}

// LabelNames implements [SourceQuerier].
func (q *restrictedQuerier) LabelNames(ctx context.Context, ms []Matcher, limit int) ([]string, error) {
	return labelNames(ctx, q, ms, limit)
}

// LabelValues implements [SourceQuerier].
func (q *restrictedQuerier) LabelValues(ctx context.Context, name string, ms []Matcher, limit int) ([]string, error) {
	return labelValues(ctx, q, name, ms, limit)
}
