package query

import (
	"context"
	"fmt"
	"slices"

	"github.com/esolutions/esmon/services/metric"
)

// Restrict returns a source that has only the series that match all matchers and
// that keep accepts; a nil keep accepts all. Matchers are the cheaper way.
func Restrict(source Source, keep func(metric.Labels) bool, ms ...Matcher) Source {
	return &restricted{source, keep, ms}
}

// In returns a matcher for a label that has one of the values.
func In(name string, values ...string) Matcher { return inMatcher{name, values} }

type inMatcher struct {
	name   string
	values []string
}

// Name implements [Matcher].
func (m inMatcher) Name() string { return m.name }

// Matches implements [Matcher].
func (m inMatcher) Matches(value string) bool { return slices.Contains(m.values, value) }

// Set implements [Matcher].
func (m inMatcher) Set() []string { return m.values }

// String tells the matcher from others.
func (m inMatcher) String() string { return fmt.Sprintf("%q in %q", m.name, m.values) }

type restricted struct {
	source Source
	keep   func(metric.Labels) bool
	ms     []Matcher
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
	found, err := q.SourceQuerier.Select(ctx, slices.Concat(ms, q.of.ms), opt)
	if err != nil || q.of.keep == nil {
		return found, err
	}
	kept := slices.DeleteFunc(found, func(s Series) bool { return !q.of.keep(s.Labels()) })
	if limit > 0 && len(kept) > limit {
		kept = kept[:limit]
	}
	return kept, nil
}

// LabelNames implements [SourceQuerier].
func (q *restrictedQuerier) LabelNames(ctx context.Context, ms []Matcher, limit int) ([]string, error) {
	return labelNames(ctx, q, ms, limit)
}

// LabelValues implements [SourceQuerier].
func (q *restrictedQuerier) LabelValues(ctx context.Context, name string, ms []Matcher, limit int) ([]string, error) {
	return labelValues(ctx, q, name, ms, limit)
}
