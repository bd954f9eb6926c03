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

// Select implements [SourceQuerier].
func (q tsdbQuerier) Select(ctx context.Context, ms []Matcher, opt SelectOptions) ([]Series, error) {
	found, err := q.Querier.Select(ctx, tsdbMatchers(ms), tsdb.SelectOptions(opt))
	if err != nil {
		return nil, err
	}
	out := make([]Series, len(found))
	for i, s := range found {
		out[i] = tsdbSeries{s}
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

type tsdbSeries struct{ series *tsdb.Series }

// Labels implements [Series].
func (s tsdbSeries) Labels() metric.Labels { return s.series.Labels }

// Samples implements [Series].
func (s tsdbSeries) Samples(dst *Samples) error {
	own, ok := dst.Memory.(*tsdb.Samples)
	if !ok {
		own = &tsdb.Samples{}
		dst.Memory = own
	}
	if err := s.series.Samples(own); err != nil {
		return err
	}
	dst.T, dst.V = own.T, own.V
	return nil
}
