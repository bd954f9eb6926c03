package query

import (
	"context"

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
	found, err := q.find(ctx, ms, opt)
	if err != nil {
		return nil, err
	}
	out := make([]Series, len(found))
	if !opt.Latest || opt.End-opt.Start <= latestSpan {
		for i, s := range found {
			out[i] = tsdbSeries{s, nil}
		}
		return out, nil
	}
	opt.Start = opt.End - latestSpan
	recent, err := q.find(ctx, ms, opt)
	if err != nil {
		return nil, err
	}
	for i, s := range found {
		one := tsdbSeries{s, nil}
		for len(recent) > 0 && metric.Compare(recent[0].Labels, s.Labels) < 0 {
			recent = recent[1:]
		}
		if len(recent) > 0 && metric.Compare(recent[0].Labels, s.Labels) == 0 {
			one.recent, recent = recent[0], recent[1:]
		}
		out[i] = one
	}
	return out, nil
}

func (q tsdbQuerier) find(ctx context.Context, ms []Matcher, opt SelectOptions) ([]*tsdb.Series, error) {
	return q.Querier.Select(ctx, tsdbMatchers(ms), tsdb.SelectOptions{SeriesOnly: opt.SeriesOnly, Limit: opt.Limit, Start: opt.Start, End: opt.End})
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

// tsdbSeries is a series of the database. recent is the same with its newest samples
// only, if those may do; else nil.
type tsdbSeries struct{ series, recent *tsdb.Series }

// Labels implements [Series].
func (s tsdbSeries) Labels() metric.Labels { return s.series.Labels }

// Samples implements [Series].
func (s tsdbSeries) Samples(dst *Samples) error {
	own, ok := dst.Memory.(*tsdb.Samples)
	if !ok {
		own = &tsdb.Samples{}
		dst.Memory = own
	}
	if s.recent != nil {
		if err := s.recent.Samples(own); err != nil {
			return err
		}
		if dst.T, dst.V = own.T, own.V; len(dst.T) > 0 {
			return nil
		}
	}
	if err := s.series.Samples(own); err != nil {
		return err
	}
	dst.T, dst.V = own.T, own.V
	return nil
}
