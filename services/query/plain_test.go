package query_test

import (
	"context"
	"maps"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/esolutions/esmon/services/metric"
)

// plainStore is the simplest store there can be, and shares nothing with the real
// one but the definition of a series: samples by label set and time, the one of
// the lowest place in the ingest log kept.
type plainStore struct {
	series map[string]*plainSeries
}

type plainSeries struct {
	labels labels.Labels
	at     map[int64]placed
}

// placed is a value and where in the ingest log it stood.
type placed struct {
	partition     int
	offset, frame int64
	value         float64
}

func (p placed) before(q placed) bool {
	if p.partition != q.partition {
		return p.partition < q.partition
	}
	if p.offset != q.offset {
		return p.offset < q.offset
	}
	return p.frame < q.frame
}

func newPlainStore() *plainStore { return &plainStore{series: map[string]*plainSeries{}} }

// add takes the samples of a frame.
func (p *plainStore) add(f *metric.Frame, partition int, offset, frame int64) {
	for i, v := range f.Values {
		if metric.IsMissing(v) {
			continue
		}
		s := p.of(f.Entity, &f.Schema.Columns[i])
		sample := placed{partition, offset, frame, v}
		if have, taken := s.at[f.Time]; !taken || sample.before(have) {
			s.at[f.Time] = sample
		}
	}
}

func (p *plainStore) of(e *metric.Entity, c *metric.Column) *plainSeries {
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set(metric.NameLabel, c.Name)
	for _, l := range slices.Concat(e.Labels, c.Labels) {
		b.Set(l.Name, l.Value)
	}
	ls := b.Labels()
	s := p.series[ls.String()]
	if s == nil {
		s = &plainSeries{labels: ls, at: map[int64]placed{}}
		p.series[ls.String()] = s
	}
	return s
}

// Querier implements [storage.Queryable].
func (p *plainStore) Querier(mint, maxt int64) (storage.Querier, error) {
	return &plainQuerier{p, mint, maxt}, nil
}

type plainQuerier struct {
	store      *plainStore
	mint, maxt int64
}

func (q *plainQuerier) matching(ms []*labels.Matcher) (found []*plainSeries) {
	for _, s := range q.store.series {
		if !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(s.labels.Get(m.Name)) }) {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b *plainSeries) int { return labels.Compare(a.labels, b.labels) })
	return found
}

// Select implements [storage.Querier]. As in Prometheus, samples outside of what the
// hints name are left out.
func (q *plainQuerier) Select(_ context.Context, _ bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	set := &plainSet{next: -1}
	mint, maxt := q.mint, q.maxt
	if hints != nil {
		mint, maxt = max(mint, hints.Start), min(maxt, hints.End)
	}
	for _, s := range q.matching(ms) {
		var list []chunks.Sample
		for _, t := range slices.Sorted(maps.Keys(s.at)) {
			if t >= mint && t <= maxt {
				list = append(list, plainSample{t, s.at[t].value})
			}
		}
		set.list = append(set.list, storage.NewListSeries(s.labels, list))
	}
	return set
}

// LabelNames implements [storage.LabelQuerier].
func (q *plainQuerier) LabelNames(_ context.Context, _ *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names := map[string]bool{}
	for _, s := range q.matching(ms) {
		s.labels.Range(func(l labels.Label) { names[l.Name] = true })
	}
	return slices.Sorted(maps.Keys(names)), nil, nil
}

// LabelValues implements [storage.LabelQuerier].
func (q *plainQuerier) LabelValues(_ context.Context, name string, _ *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	values := map[string]bool{}
	for _, s := range q.matching(ms) {
		if v := s.labels.Get(name); v != "" {
			values[v] = true
		}
	}
	return slices.Sorted(maps.Keys(values)), nil, nil
}

// Close implements [storage.LabelQuerier].
func (*plainQuerier) Close() error { return nil }

type plainSet struct {
	list []storage.Series
	next int
}

func (s *plainSet) Next() bool                      { s.next++; return s.next < len(s.list) }
func (s *plainSet) At() storage.Series              { return s.list[s.next] }
func (*plainSet) Err() error                        { return nil }
func (*plainSet) Warnings() annotations.Annotations { return nil }

type plainSample struct {
	t int64
	v float64
}

func (s plainSample) T() int64                    { return s.t }
func (plainSample) ST() int64                     { return 0 }
func (s plainSample) F() float64                  { return s.v }
func (plainSample) H() *histogram.Histogram       { return nil }
func (plainSample) FH() *histogram.FloatHistogram { return nil }
func (plainSample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s plainSample) Copy() chunks.Sample         { return s }

func bitsOf(v float64) uint64 { return math.Float64bits(v) }
