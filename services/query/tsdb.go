package query

import (
	"context"
	"math"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// TSDB returns the time series database as a source.
func TSDB(db *tsdb.DB) Source { return tsdbSource{db} }

type tsdbSource struct{ db *tsdb.DB }

// Querier implements [Source].
func (s tsdbSource) Querier(ctx context.Context, mint, maxt int64) (SourceQuerier, error) {
	q, err := s.db.Querier(ctx, mint, maxt)
	if err != nil {
		return nil, err
	}
	return tsdbQuerier{q}, nil
}

// Metadata implements [Source].
func (s tsdbSource) Metadata(yield func(*metric.Column) bool) { s.db.Metadata(yield) }

type tsdbQuerier struct{ *tsdb.Querier }

// latestSpan is how far back the newest sample of a series is looked for first. Those
// so new are in memory as they came, while older ones have to be decoded.
const latestSpan = 25_000

// Select implements [SourceQuerier].
func (q tsdbQuerier) Select(ctx context.Context, ms []Matcher, opt SelectOptions) ([]Series, error) {
	found, err := q.Querier.Select(ctx, tsdbMatchers(ms), tsdb.SelectOptions{SeriesOnly: opt.SeriesOnly, Limit: opt.Limit, Start: opt.Start, End: opt.End})
	if err != nil {
		return nil, err
	}
	recent := int64(math.MinInt64)
	if opt.Latest && opt.End-opt.Start > latestSpan {
		recent = opt.End - latestSpan
	}
	out, memory := make([]Series, len(found)), make([]tsdbSeries, len(found))
	for i, s := range found {
		memory[i] = tsdbSeries{s, recent}
		out[i] = &memory[i]
	}
	return out, nil
}

// LabelNames implements [SourceQuerier].
func (q tsdbQuerier) LabelNames(ctx context.Context, ms []Matcher, limit int) ([]string, error) {
	return q.Querier.LabelNames(ctx, tsdbMatchers(ms), limit)
}

// LabelValues implements [SourceQuerier].
func (q tsdbQuerier) LabelValues(ctx context.Context, name string, ms []Matcher, limit int) ([]string, error) {
	return q.Querier.LabelValues(ctx, name, tsdbMatchers(ms), limit)
}

func tsdbMatchers(ms []Matcher) []tsdb.Matcher {
	out := make([]tsdb.Matcher, len(ms))
	for i, m := range ms {
		out[i] = m
	}
	return out
}

// tsdbSeries is a series of the database. Samples from recent on will do, if there
// are any.
type tsdbSeries struct {
	series *tsdb.Series
	recent int64
}

// Labels implements [Series].
func (s *tsdbSeries) Labels() metric.Labels { return s.series.Labels() }

// AppendLabels is for those who turn the labels into something else.
func (s *tsdbSeries) AppendLabels(to metric.Labels) metric.Labels { return s.series.AppendLabels(to) }

// Samples implements [Series].
func (s *tsdbSeries) Samples(dst *Samples) error {
	own, ok := dst.Memory.(*tsdb.Samples)
	if !ok {
		own = &tsdb.Samples{}
		dst.Memory = own
	}
	err := s.series.SamplesSince(s.recent, own)
	if err == nil && len(own.T) == 0 && s.recent > math.MinInt64 {
		err = s.series.Samples(own)
	}
	if err != nil {
		return err
	}
	dst.T, dst.V = own.T, own.V
	return nil
}
