package query

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/esolutions/esmon/services/metric"
)

// Memory is a source in memory: for tests of rules, and for what rules have just
// recorded. It is safe for concurrent use; a querier sees what was added before it
// was opened, and may see more.
type Memory struct {
	mu     sync.RWMutex // guards all below, and the samples of the series
	series map[string]*memorySeries
	sorted *sortedSeries // nil when a series was added
	count  int           // samples
}

// sortedSeries are the series by labels, all and those of each name.
type sortedSeries struct {
	all    []*memorySeries
	byName map[string][]*memorySeries
}

type memorySeries struct {
	labels metric.Labels
	t      []int64
	v      []float64
	h      []*Histogram // empty while there is none
}

// NewMemory returns a source without series.
func NewMemory() *Memory { return &Memory{series: map[string]*memorySeries{}} }

// Add adds samples, in any order. Of two with the same labels and time the first one
// stays. The labels are kept.
func (m *Memory) Add(samples ...Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range samples {
		m.add(&samples[i])
	}
}

func (m *Memory) add(s *Sample) {
	key := labelsKey(s.Labels)
	line := m.series[key]
	if line == nil {
		line = &memorySeries{labels: s.Labels}
		m.series[key] = line
		m.sorted = nil
	}
	i := len(line.t)
	if i > 0 && line.t[i-1] >= s.T {
		at, found := slices.BinarySearch(line.t, s.T)
		if found {
			return
		}
		i = at
	}
	line.t, line.v = slices.Insert(line.t, i, s.T), slices.Insert(line.v, i, s.V)
	line.addHistogram(i, s.H)
	m.count++
}

// addHistogram notes the histogram of a sample that was inserted, if it has one.
func (s *memorySeries) addHistogram(i int, h *Histogram) {
	switch {
	case len(s.h) == 0 && h == nil:
		return
	case len(s.h) == 0:
		s.h = make([]*Histogram, len(s.t)-1, len(s.t))
	}
	if h != nil && i > 0 {
		h = h.after(s.h[i-1])
	} else if h != nil {
		h = h.after(nil)
	}
	s.h = slices.Insert(s.h, i, h)
}

// Len returns how many samples there are.
func (m *Memory) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.count
}

// labelsKey returns a text that is the same for the same labels only.
func labelsKey(ls metric.Labels) string {
	var b strings.Builder
	for _, l := range ls {
		b.WriteString(l.Name)
		b.WriteByte(0xff) // in no UTF-8 text
		b.WriteString(l.Value)
		b.WriteByte(0xff)
	}
	return b.String()
}

// inOrder returns the series sorted by labels.
func (m *Memory) inOrder() *sortedSeries {
	m.mu.RLock()
	sorted := m.sorted
	m.mu.RUnlock()
	if sorted != nil {
		return sorted
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sorted == nil {
		s := &sortedSeries{byName: map[string][]*memorySeries{}}
		s.all = slices.SortedFunc(maps.Values(m.series), func(a, b *memorySeries) int { return metric.Compare(a.labels, b.labels) })
		for _, one := range s.all {
			name := one.labels.Get(metric.NameLabel)
			s.byName[name] = append(s.byName[name], one)
		}
		m.sorted = s
	}
	return m.sorted
}

// among returns series, sorted by labels, among which are all that match.
func (s *sortedSeries) among(ms []Matcher) []*memorySeries {
	for _, m := range ms {
		if m.Name() != metric.NameLabel {
			continue
		}
		if set := m.Set(); len(set) == 1 {
			return s.byName[set[0]]
		}
	}
	return s.all
}

// Querier implements [Source].
func (m *Memory) Querier(ctx context.Context, mint, maxt int64) (SourceQuerier, error) {
	return &memoryQuerier{m, mint, maxt}, ctx.Err()
}

// Metadata implements [Source]; there is none.
func (*Memory) Metadata(func(c *metric.Column) bool) {}

type memoryQuerier struct {
	memory     *Memory
	mint, maxt int64
}

// Select implements [SourceQuerier].
func (q *memoryQuerier) Select(ctx context.Context, ms []Matcher, opt SelectOptions) ([]Series, error) {
	mint, maxt := max(q.mint, opt.Start), min(q.maxt, opt.End)
	if opt.Start == 0 && opt.End == 0 {
		mint, maxt = q.mint, q.maxt
	}
	var out []Series
	for _, s := range q.memory.inOrder().among(ms) {
		if opt.Limit > 0 && len(out) == opt.Limit {
			break
		}
		if matchesAll(ms, s.labels) {
			out = append(out, &memoryView{q.memory, s, mint, maxt})
		}
	}
	return out, ctx.Err()
}

func matchesAll(ms []Matcher, ls metric.Labels) bool {
	for _, m := range ms {
		if !m.Matches(ls.Get(m.Name())) {
			return false
		}
	}
	return true
}

// LabelNames implements [SourceQuerier].
func (q *memoryQuerier) LabelNames(ctx context.Context, ms []Matcher, limit int) ([]string, error) {
	return labelNames(ctx, q, ms, limit)
}

// LabelValues implements [SourceQuerier].
func (q *memoryQuerier) LabelValues(ctx context.Context, name string, ms []Matcher, limit int) ([]string, error) {
	return labelValues(ctx, q, name, ms, limit)
}

// Close implements [SourceQuerier].
func (*memoryQuerier) Close() error { return nil }

// labelNames returns the names of labels of what is selected.
func labelNames(ctx context.Context, q SourceQuerier, ms []Matcher, limit int) ([]string, error) {
	return collect(ctx, q, ms, limit, func(ls metric.Labels, found map[string]struct{}) {
		for _, l := range ls {
			found[l.Name] = struct{}{}
		}
	})
}

// labelValues returns the values of a label of what is selected.
func labelValues(ctx context.Context, q SourceQuerier, name string, ms []Matcher, limit int) ([]string, error) {
	return collect(ctx, q, ms, limit, func(ls metric.Labels, found map[string]struct{}) {
		if v := ls.Get(name); v != "" {
			found[v] = struct{}{}
		}
	})
}

func collect(ctx context.Context, q SourceQuerier, ms []Matcher, limit int, add func(metric.Labels, map[string]struct{})) ([]string, error) {
	selected, err := q.Select(ctx, ms, SelectOptions{SeriesOnly: true})
	if err != nil {
		return nil, err
	}
	found := map[string]struct{}{}
	for _, s := range selected {
		add(s.Labels(), found)
	}
	out := slices.Sorted(maps.Keys(found))
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, nil
}

type memoryView struct {
	memory     *Memory
	series     *memorySeries
	mint, maxt int64
}

// Labels implements [Series].
func (v *memoryView) Labels() metric.Labels { return v.series.labels }

// Samples implements [Series].
func (v *memoryView) Samples(dst *Samples) error {
	v.memory.mu.RLock()
	defer v.memory.mu.RUnlock()
	t := v.series.t
	from := sort.Search(len(t), func(i int) bool { return t[i] >= v.mint })
	to := max(from, sort.Search(len(t), func(i int) bool { return t[i] > v.maxt }))
	dst.T = append(dst.T[:0], t[from:to]...)
	dst.V = append(dst.V[:0], v.series.v[from:to]...)
	if len(v.series.h) > 0 {
		dst.H = slices.Clone(v.series.h[from:to])
	}
	return nil
}
