package query_test

import (
	"context"
	"maps"
	"slices"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// memSource is a source in memory, with hooks to make it slow or fail.
type memSource struct {
	series   []memSeries
	shared   memSeries
	columns  []metric.Column
	onSelect func(ctx context.Context, ms []query.Matcher) error
	onRead   func(ctx context.Context) error
}

// memSeries is a series of a memSource. Its samples are ascending.
type memSeries struct {
	labels metric.Labels
	times  []int64
	values []float64
}

// add adds a series with a sample every step milliseconds; value gives the i-th.
func (m *memSource) add(labels metric.Labels, start, step int64, n int, value func(i int) float64) {
	s := memSeries{labels: labels}
	for i := range n {
		s.times = append(s.times, start+int64(i)*step)
		s.values = append(s.values, value(i))
	}
	m.series = append(m.series, s)
	slices.SortFunc(m.series, func(a, b memSeries) int { return metric.Compare(a.labels, b.labels) })
}

func (m *memSource) Metadata(yield func(c *metric.Column) bool) {
	for i := range m.columns {
		if !yield(&m.columns[i]) {
			return
		}
	}
}

func (m *memSource) Querier(ctx context.Context, mint, maxt int64) (query.SourceQuerier, error) {
	return &memQuerier{m, ctx, mint, maxt}, ctx.Err()
}

type memQuerier struct {
	source     *memSource
	ctx        context.Context
	mint, maxt int64
}

func (q *memQuerier) matching(ctx context.Context, ms []query.Matcher) ([]memSeries, error) {
	if hook := q.source.onSelect; hook != nil {
		if err := hook(ctx, ms); err != nil {
			return nil, err
		}
	}
	var out []memSeries
	for _, s := range q.source.series {
		if !slices.ContainsFunc(ms, func(m query.Matcher) bool { return !m.Matches(s.labels.Get(m.Name())) }) {
			out = append(out, s)
		}
	}
	return out, nil
}

func (q *memQuerier) Select(ctx context.Context, ms []query.Matcher, opt query.SelectOptions) ([]query.Series, error) {
	found, err := q.matching(ctx, ms)
	var out []query.Series
	for _, s := range found {
		if opt.Limit > 0 && len(out) == opt.Limit {
			break
		}
		out = append(out, &memView{s, q, q.mint, q.maxt}) // more than asked for, as is allowed
	}
	return out, err
}

func (q *memQuerier) LabelNames(ctx context.Context, ms []query.Matcher, limit int) ([]string, error) {
	return q.collect(ctx, ms, limit, func(ls metric.Labels, found map[string]bool) {
		for _, l := range ls {
			found[l.Name] = true
		}
	})
}

func (q *memQuerier) LabelValues(ctx context.Context, name string, ms []query.Matcher, limit int) ([]string, error) {
	return q.collect(ctx, ms, limit, func(ls metric.Labels, found map[string]bool) {
		if v := ls.Get(name); v != "" {
			found[v] = true
		}
	})
}

func (q *memQuerier) collect(ctx context.Context, ms []query.Matcher, limit int, add func(metric.Labels, map[string]bool)) ([]string, error) {
	series, err := q.matching(ctx, ms)
	found := map[string]bool{}
	for _, s := range series {
		add(s.labels, found)
	}
	out := slices.Sorted(maps.Keys(found))
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, err
}

func (*memQuerier) Close() error { return nil }

type memView struct {
	series     memSeries
	querier    *memQuerier
	start, end int64
}

func (v *memView) Labels() metric.Labels { return v.series.labels }

func (v *memView) Samples(dst *query.Samples) error {
	if hook := v.querier.source.onRead; hook != nil {
		if err := hook(v.querier.ctx); err != nil {
			return err
		}
	}
	from, _ := slices.BinarySearch(v.series.times, v.start)
	to, _ := slices.BinarySearch(v.series.times, v.end+1)
	dst.T = append(dst.T[:0], v.series.times[from:max(from, to)]...)
	dst.V = append(dst.V[:0], v.series.values[from:max(from, to)]...)
	return nil
}

// labelsOf returns a label set: the metric's name, then names and values by turns.
func labelsOf(name string, pairs ...string) metric.Labels {
	ls := []metric.Label{{Name: metric.NameLabel, Value: name}}
	for i := 0; i < len(pairs); i += 2 {
		ls = append(ls, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return metric.NewLabels(ls...)
}

// addShared appends a series with a sample every 10 seconds; all series added so
// share memory. The caller adds in the order of labels or does not care.
func (m *memSource) addShared(labels metric.Labels, samples int) {
	for i := len(m.shared.times); i < samples; i++ {
		m.shared.times = append(m.shared.times, int64(i)*10_000)
		m.shared.values = append(m.shared.values, float64(i))
	}
	m.series = append(m.series, memSeries{labels, m.shared.times[:samples], m.shared.values[:samples]})
}
