package query

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// OverlayConfig bounds what an overlay keeps.
type OverlayConfig struct {
	// Age is how long samples are kept, reckoned from the newest one.
	Age time.Duration
	// MaxSamples is how many samples are kept; of more, the oldest are dropped.
	MaxSamples int
}

// DefaultOverlayConfig returns bounds for what rules record until it comes back from
// the ingest log.
func DefaultOverlayConfig() OverlayConfig {
	return OverlayConfig{Age: 15 * time.Minute, MaxSamples: 1_000_000}
}

// Overlay is a source with samples laid over it that it may not have yet: what a
// rule has just recorded is there for the next one. Where both have a sample of a
// time, that of the source counts. It is safe for concurrent use.
type Overlay struct {
	source Source
	cfg    OverlayConfig
	memory *Memory
	newest int64
}

// NewOverlay returns an overlay without samples.
func NewOverlay(source Source, cfg OverlayConfig) *Overlay {
	return &Overlay{source: source, cfg: cfg, memory: NewMemory()}
}

// Add lays samples over the source. The labels are kept. Only one goroutine at a
// time may add.
func (o *Overlay) Add(samples []Sample) {
	for i := range samples {
		o.newest = max(o.newest, samples[i].T)
	}
	o.memory.Add(samples...)
	o.memory.Trim(o.newest - o.cfg.Age.Milliseconds())
	for age := o.cfg.Age / 2; o.memory.Len() > o.cfg.MaxSamples && age > time.Millisecond; age /= 2 {
		o.memory.Trim(o.newest - age.Milliseconds())
	}
}

// Over returns a source with the same samples laid over another one, such as a shared
// view of the overlay's own. It has what is added later, too.
func (o *Overlay) Over(source Source) Source { return &overlaidSource{source, o.memory} }

// Len returns how many samples are laid over the source.
func (o *Overlay) Len() int { return o.memory.Len() }

// Querier implements [Source].
func (o *Overlay) Querier(ctx context.Context, mint, maxt int64) (SourceQuerier, error) {
	return o.Over(o.source).Querier(ctx, mint, maxt)
}

// Metadata implements [Source].
func (o *Overlay) Metadata(yield func(c *metric.Column) bool) { o.source.Metadata(yield) }

type overlaidSource struct {
	Source
	memory *Memory
}

// Querier implements [Source].
func (o *overlaidSource) Querier(ctx context.Context, mint, maxt int64) (SourceQuerier, error) {
	below, err := o.Source.Querier(ctx, mint, maxt)
	if err != nil {
		return nil, err
	}
	above, err := o.memory.Querier(ctx, mint, maxt)
	if err != nil {
		return nil, errors.Join(err, below.Close())
	}
	return &overlayQuerier{below, above}, nil
}

type overlayQuerier struct{ below, above SourceQuerier }

// Select implements [SourceQuerier].
func (q *overlayQuerier) Select(ctx context.Context, ms []Matcher, opt SelectOptions) ([]Series, error) {
	below, err := q.below.Select(ctx, ms, opt)
	if err != nil {
		return nil, err
	}
	above, err := q.above.Select(ctx, ms, opt)
	if err != nil || len(above) == 0 {
		return below, err
	}
	merged := mergeSeries(below, above)
	if opt.Limit > 0 && len(merged) > opt.Limit {
		merged = merged[:opt.Limit]
	}
	return merged, nil
}

// mergeSeries merges two lists that are sorted by labels.
func mergeSeries(below, above []Series) []Series {
	out := make([]Series, 0, len(below)+len(above))
	for len(below) > 0 && len(above) > 0 {
		switch c := metric.Compare(below[0].Labels(), above[0].Labels()); {
		case c < 0:
			out, below = append(out, below[0]), below[1:]
		case c > 0:
			out, above = append(out, above[0]), above[1:]
		default:
			out, below, above = append(out, &overlaid{below[0], above[0]}), below[1:], above[1:]
		}
	}
	return append(append(out, below...), above...)
}

// LabelNames implements [SourceQuerier].
func (q *overlayQuerier) LabelNames(ctx context.Context, ms []Matcher, limit int) ([]string, error) {
	return labelNames(ctx, q, ms, limit)
}

// LabelValues implements [SourceQuerier].
func (q *overlayQuerier) LabelValues(ctx context.Context, name string, ms []Matcher, limit int) ([]string, error) {
	return labelValues(ctx, q, name, ms, limit)
}

// Close implements [SourceQuerier].
func (q *overlayQuerier) Close() error { return errors.Join(q.below.Close(), q.above.Close()) }

// overlaid is a series that both have.
type overlaid struct{ below, above Series }

// Labels implements [Series].
func (s *overlaid) Labels() metric.Labels { return s.below.Labels() }

// Samples implements [Series].
func (s *overlaid) Samples(dst *Samples) error {
	var above Samples
	if err := s.above.Samples(&above); err != nil {
		return err
	}
	if err := s.below.Samples(dst); err != nil {
		return err
	}
	if len(above.T) == 0 {
		return nil
	}
	// What dst has now may be memory of the source: it is not appended to.
	dst.T, dst.V = slices.Clone(dst.T), slices.Clone(dst.V)
	for i, t := range above.T {
		at, found := slices.BinarySearch(dst.T, t)
		if !found {
			dst.T, dst.V = slices.Insert(dst.T, at, t), slices.Insert(dst.V, at, above.V[i])
		}
	}
	return nil
}
