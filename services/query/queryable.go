package query

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/esolutions/esmon/services/metric"
)

// Bounds that times are held to, so that no arithmetic on them overflows further
// down. They lie far outside of what a sample's timestamp may be.
const (
	minTime = math.MinInt64 / 4
	maxTime = math.MaxInt64 / 4
)

func clampTime(t int64) int64 { return min(max(t, minTime), maxTime) }

// queryable is the source as the engine wants it, for one query: it carries the
// query's context and budget.
type queryable struct {
	ctx    context.Context
	source Source
	budget *budget
	// latest is the lookback of a query at one time, 0 of others. What is selected over
	// no more than that is not part of a range or a subquery: only the newest sample of
	// each series is looked at.
	latest time.Duration
}

// Querier implements [storage.Queryable].
func (q *queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	view, err := q.source.Querier(q.ctx, clampTime(mint), clampTime(maxt))
	if err != nil {
		return nil, sourceError(q.ctx, err, "open a querier")
	}
	return &querier{view: view, budget: q.budget, latest: q.latest.Milliseconds()}, nil
}

// querier implements [storage.Querier] over a view of the source.
type querier struct {
	view   SourceQuerier
	budget *budget
	latest int64 // milliseconds
}

// Select implements [storage.Querier]. The result is always sorted.
func (q *querier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	opt := SelectOptions{Limit: q.budget.left() + 1, Start: minTime, End: maxTime}
	if hints != nil {
		opt.Start, opt.End = clampTime(hints.Start), clampTime(hints.End)
		opt.SeriesOnly = hints.Func == seriesFunc
		opt.Latest = q.latest > 0 && hints.Range == 0 && opt.End-opt.Start < q.latest
		if hints.Limit > 0 {
			opt.Limit = min(opt.Limit, hints.Limit)
		}
	}
	found, err := q.view.Select(ctx, matchersOf(ctx, ms), opt)
	if ctx.Err() != nil {
		// A matcher matches nothing once the context ended, so the result is void.
		return storage.ErrSeriesSet(ctx.Err())
	}
	if err == nil {
		err = q.budget.addSeries(len(found))
	}
	if err != nil {
		return storage.ErrSeriesSet(sourceError(ctx, err, "select series"))
	}
	return &seriesSet{ctx: ctx, found: found, budget: q.budget, opt: opt, next: -1}
}

// seriesFunc in the hints says that no samples are needed, as Prometheus has it.
const seriesFunc = "series"

// LabelNames implements [storage.LabelQuerier].
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names, err := q.view.LabelNames(ctx, matchersOf(ctx, ms), limitOf(hints))
	if err = firstError(ctx.Err(), err); err != nil {
		return nil, nil, sourceError(ctx, err, "list label names")
	}
	return names, nil, nil
}

// LabelValues implements [storage.LabelQuerier].
func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	values, err := q.view.LabelValues(ctx, name, matchersOf(ctx, ms), limitOf(hints))
	if err = firstError(ctx.Err(), err); err != nil {
		return nil, nil, sourceError(ctx, err, "list label values")
	}
	return values, nil, nil
}

// Close implements [storage.LabelQuerier].
func (q *querier) Close() error { return q.view.Close() }

func limitOf(hints *storage.LabelHints) int {
	if hints == nil {
		return 0
	}
	return hints.Limit
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// matcher is a matcher of the engine as the source wants it.
type matcher struct {
	*labels.Matcher
	ctx context.Context
}

func matchersOf(ctx context.Context, ms []*labels.Matcher) []Matcher {
	out := make([]Matcher, len(ms))
	for i, m := range ms {
		out[i] = matcher{m, ctx}
	}
	return out
}

// Name implements [Matcher].
func (m matcher) Name() string { return m.Matcher.Name }

// Key tells the matcher from others.
func (m matcher) Key() string { return m.String() }

// Matches implements [Matcher]. Once the context ended nothing matches: a slow
// regular expression over many values then stops at the next value.
func (m matcher) Matches(value string) bool {
	return m.ctx.Err() == nil && m.Matcher.Matches(value)
}

// Set implements [Matcher].
func (m matcher) Set() []string {
	switch m.Type {
	case labels.MatchEqual:
		return []string{m.Value}
	case labels.MatchRegexp:
		return m.SetMatches()
	}
	return nil // of a negation, SetMatches returns what does not match
}

// convertLabels returns the engine's form of a label set.
func convertLabels(ls metric.Labels, b *labels.ScratchBuilder) labels.Labels {
	b.Reset()
	for _, l := range ls {
		b.Add(l.Name, l.Value)
	}
	return b.Labels()
}
