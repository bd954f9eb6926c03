package query

import (
	"context"

	"github.com/esolutions/esmon/services/metric"
)

// Until returns a source that lacks the samples after a time of the series that are
// told by their labels. It keeps the lists that the source selects: that must not be one
// that others share.
func Until(source Source, last int64, of func(metric.Labels) bool) Source {
	return &ended{source, last, of}
}

type ended struct {
	source Source
	last   int64
	of     func(metric.Labels) bool
}

// Querier implements [Source].
func (e *ended) Querier(ctx context.Context, mint, maxt int64) (SourceQuerier, error) {
	q, err := e.source.Querier(ctx, mint, maxt)
	if err != nil {
		return nil, err
	}
	return &endedQuerier{q, e}, nil
}

// Metadata implements [Source].
func (e *ended) Metadata(yield func(c *metric.Column) bool) { e.source.Metadata(yield) }

type endedQuerier struct {
	SourceQuerier
	of *ended
}

// Select implements [SourceQuerier].
func (q *endedQuerier) Select(ctx context.Context, ms []Matcher, opt SelectOptions) ([]Series, error) {
	found, err := q.SourceQuerier.Select(ctx, ms, opt)
	for i, s := range found {
		if q.of.of(s.Labels()) {
			found[i] = &endedSeries{s, q.of.last}
		}
	}
	return found, err
}

type endedSeries struct {
	Series
	last int64
}

// Samples implements [Series].
func (s *endedSeries) Samples(dst *Samples) error {
	if err := s.Series.Samples(dst); err != nil {
		return err
	}
	n := len(dst.T)
	for n > 0 && dst.T[n-1] > s.last {
		n--
	}
	dst.T, dst.V = dst.T[:n], dst.V[:n]
	return nil
}
