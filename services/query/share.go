package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb"
)

// maxShared is how many samples a shared view keeps decoded, at 16 bytes each.
const maxShared = 8_000_000

var errShareClosed = errors.New("the shared view is closed")

// Shared is a source for queries that belong together, such as those of all rules at
// one time: they see the same state of the source beneath, and what was asked for
// twice is selected and decoded for all that ask for it after. It is safe for
// concurrent use, and must be closed.
type Shared struct {
	ctx    context.Context //nolint:containedctx // the view is opened in it when it is first needed
	source Source

	mu       sync.Mutex // guards all below
	view     SourceQuerier
	selected map[string][]Series // nil for what was asked for once
	room     int                 // samples that may still be kept
	closed   bool
}

// Share returns a shared view of a source, which ends with the context at the latest.
func Share(ctx context.Context, source Source) *Shared {
	return &Shared{ctx: ctx, source: source, selected: map[string][]Series{}, room: maxShared}
}

// Close lets go of the view. Queries that go on fail.
func (s *Shared) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.view == nil {
		return nil
	}
	view := s.view
	s.view, s.selected = nil, nil
	return view.Close() //nolint:wrapcheck // it says what failed
}

// Querier implements [Source].
func (s *Shared) Querier(ctx context.Context, mint, maxt int64) (SourceQuerier, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errShareClosed
	}
	if s.view == nil {
		view, err := s.source.Querier(s.ctx, minTime, maxTime)
		if err != nil {
			return nil, fmt.Errorf("open a shared view: %w", err)
		}
		s.view = view
	}
	return &sharedQuerier{s, mint, maxt}, ctx.Err()
}

// Metadata implements [Source].
func (s *Shared) Metadata(yield func(c *metric.Column) bool) { s.source.Metadata(yield) }

// sharedQuerier is one query's part of the view.
type sharedQuerier struct {
	shared     *Shared
	mint, maxt int64
}

// Select implements [SourceQuerier].
func (q *sharedQuerier) Select(ctx context.Context, ms []Matcher, opt SelectOptions) ([]Series, error) {
	if opt.Start == 0 && opt.End == 0 {
		opt.Start, opt.End = q.mint, q.maxt
	}
	opt.Start, opt.End = max(opt.Start, q.mint), min(opt.End, q.maxt)
	s := q.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errShareClosed
	}
	key, told := selectionKey(ms, opt)
	known, again := s.selected[key]
	if told && known != nil {
		return known, nil
	}
	found, err := s.view.Select(ctx, ms, opt)
	if err != nil || ctx.Err() != nil || !told {
		return found, err
	}
	if again { // most are asked for once, and are not worth keeping
		found = s.share(found)
		s.selected[key] = found
	} else {
		s.selected[key] = nil
	}
	return found, nil
}

// share has the series decoded once only.
func (s *Shared) share(found []Series) []Series {
	memory, out := make([]sharedSeries, len(found)), make([]Series, len(found))
	for i := range found {
		memory[i] = sharedSeries{Series: found[i], shared: s}
		out[i] = &memory[i]
	}
	return out
}

// selectionKey returns a text that is the same for the same selection only, and
// whether there is one: matchers of other kinds cannot be told apart.
func selectionKey(ms []Matcher, opt SelectOptions) (key string, told bool) {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %d %v %v", opt.Start, opt.End, opt.Limit, opt.SeriesOnly, opt.Latest)
	for _, m := range ms {
		keyed, ok := m.(tsdb.Keyed)
		if !ok {
			return "", false
		}
		b.WriteByte(0)
		b.WriteString(keyed.Key())
	}
	return b.String(), true
}

// LabelNames implements [SourceQuerier].
func (q *sharedQuerier) LabelNames(ctx context.Context, ms []Matcher, limit int) ([]string, error) {
	return labelNames(ctx, q, ms, limit)
}

// LabelValues implements [SourceQuerier].
func (q *sharedQuerier) LabelValues(ctx context.Context, name string, ms []Matcher, limit int) ([]string, error) {
	return labelValues(ctx, q, name, ms, limit)
}

// Close implements [SourceQuerier]; the view stays.
func (*sharedQuerier) Close() error { return nil }

// sharedSeries is a series that is decoded once.
type sharedSeries struct {
	Series
	shared *Shared

	mu     sync.Mutex // guards all below, and the series beneath
	known  bool
	t      []int64
	v      []float64
	labels labels.Labels // in the engine's form; empty until they are asked for
}

// converted returns the labels in the engine's form.
func (s *sharedSeries) converted(b *labels.ScratchBuilder) labels.Labels {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.labels.IsEmpty() {
		s.labels = convertLabels(s.Labels(), b)
	}
	return s.labels
}

// Samples implements [Series].
func (s *sharedSeries) Samples(dst *Samples) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		dst.T, dst.V = append(dst.T[:0], s.t...), append(dst.V[:0], s.v...)
		return nil
	}
	if err := s.Series.Samples(dst); err != nil {
		return err //nolint:wrapcheck // it says what failed
	}
	if s.shared.keep(len(dst.T)) {
		s.known, s.t, s.v = true, append([]int64(nil), dst.T...), append([]float64(nil), dst.V...)
	}
	return nil
}

// keep tells whether samples are to be kept, and takes the room for them.
func (s *Shared) keep(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.room || s.closed {
		return false
	}
	s.room -= n
	return true
}
