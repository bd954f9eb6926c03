package query

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// OverlayConfig bounds what an overlay keeps.
type OverlayConfig struct {
	// Age is for how long samples are kept at least after they were added, whatever
	// time they are of: what is recorded in a catch-up is old when it is new.
	Age time.Duration
	// MaxSamples is how many samples are kept; of more, those added first are dropped.
	MaxSamples int
}

// generations is about how many parts an overlay has. Each is dropped as a whole.
const generations = 4

// DefaultOverlayConfig returns bounds for what rules record until it comes back from
// the ingest log.
func DefaultOverlayConfig() OverlayConfig {
	return OverlayConfig{Age: 15 * time.Minute, MaxSamples: 1_000_000}
}

// Overlay is a source with samples laid over it that it may not have yet: what a
// rule has just recorded is there for the next one. Where there are several samples
// of a time, that of the source counts, else the one that was added first, as the
// source will have it. It is safe for concurrent use.
type Overlay struct {
	source Source
	layers *layers
}

// layers are the samples of an overlay by when they were added.
type layers struct {
	cfg OverlayConfig

	mu   sync.RWMutex  // guards what follows, and the times of the generations
	list []*generation // oldest first; the slice that was read is not changed
}

// generation is what was added in a while.
type generation struct {
	memory      *Memory
	first, last time.Time // when something was added
}

// NewOverlay returns an overlay without samples.
func NewOverlay(source Source, cfg OverlayConfig) *Overlay {
	return &Overlay{source: source, layers: &layers{cfg: cfg}}
}

// Add lays samples over the source. The labels are kept. now does not go back from
// call to call, save when a clock is set.
func (o *Overlay) Add(now time.Time, samples []Sample) { o.layers.add(now, samples) }

// Over returns a source with the same samples laid over another one, such as a shared
// view of the overlay's own. It has what is added later, too.
func (o *Overlay) Over(source Source) Source { return &overlaidSource{source, o.layers} }

// Len returns how many samples are laid over the source.
func (o *Overlay) Len() int { return o.layers.len() }

// Querier implements [Source].
func (o *Overlay) Querier(ctx context.Context, mint, maxt int64) (SourceQuerier, error) {
	return o.Over(o.source).Querier(ctx, mint, maxt)
}

// Metadata implements [Source].
func (o *Overlay) Metadata(yield func(c *metric.Column) bool) { o.source.Metadata(yield) }

func (l *layers) add(now time.Time, samples []Sample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(samples) > 0 {
		n := min(len(samples), l.roomLocked(now))
		last := l.list[len(l.list)-1]
		last.last = now
		last.memory.Add(samples[:n]...)
		samples = samples[n:]
	}
}

// roomLocked returns how many samples the last generation takes, at least one. When it
// is full or old, another begins and those go that nobody needs any more.
func (l *layers) roomLocked(now time.Time) int {
	most := max(1, l.cfg.MaxSamples/generations)
	if n := len(l.list); n > 0 {
		last := l.list[n-1]
		age := now.Sub(last.first)
		if room := most - last.memory.Len(); room > 0 && age >= 0 && age < l.cfg.Age/generations {
			return room
		}
	}
	l.list = append(slices.Clip(l.list), &generation{memory: NewMemory(), first: now, last: now})
	sum := most
	for i := len(l.list) - 2; i >= 0; i-- {
		g := l.list[i]
		if sum += g.memory.Len(); sum > l.cfg.MaxSamples || now.Sub(g.last) >= l.cfg.Age {
			l.list = slices.Clone(l.list[i+1:])
			break
		}
	}
	return most
}

func (l *layers) len() (n int) {
	for _, g := range l.read() {
		n += g.memory.Len()
	}
	return n
}

func (l *layers) read() []*generation {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.list
}

type overlaidSource struct {
	Source
	layers *layers
}

// Querier implements [Source].
func (o *overlaidSource) Querier(ctx context.Context, mint, maxt int64) (SourceQuerier, error) {
	q, err := o.Source.Querier(ctx, mint, maxt)
	if err != nil {
		return nil, err
	}
	for _, g := range o.layers.read() {
		q = &overlayQuerier{q, &memoryQuerier{g.memory, mint, maxt}}
	}
	return q, nil
}

// overlayQuerier is a view with one more layer.
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
	switch {
	case len(below) == 0:
		return above
	case len(above) == 0:
		return below
	}
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
	dst.T, dst.V = mergeSamples(dst.T, dst.V, above.T, above.V)
	return nil
}

// mergeSamples returns the samples of both. Where both have one of a time, that of the
// first counts.
func mergeSamples(t1 []int64, v1 []float64, t2 []int64, v2 []float64) (t []int64, v []float64) {
	t, v = make([]int64, 0, len(t1)+len(t2)), make([]float64, 0, len(t1)+len(t2))
	for i, j := 0, 0; i < len(t1) || j < len(t2); {
		switch {
		case j == len(t2) || i < len(t1) && t1[i] < t2[j]:
			t, v, i = append(t, t1[i]), append(v, v1[i]), i+1
		case i < len(t1) && t1[i] == t2[j]:
			j++
		default:
			t, v, j = append(t, t2[j]), append(v, v2[j]), j+1
		}
	}
	return t, v
}
