package query

import (
	"context"
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/esolutions/esmon/services/metric"
)

// seriesSet implements [storage.SeriesSet] over selected series.
type seriesSet struct {
	ctx    context.Context
	found  []Series
	budget *budget
	opt    SelectOptions
	next   int

	memory  []series // of all, in one piece: there may be many
	builder labels.ScratchBuilder
	names   metric.Labels // scratch
}

// Next implements [storage.SeriesSet].
func (s *seriesSet) Next() bool {
	s.next++
	return s.next < len(s.found)
}

// At implements [storage.SeriesSet].
func (s *seriesSet) At() storage.Series {
	if s.memory == nil {
		s.memory = make([]series, len(s.found))
	}
	one := &s.memory[s.next]
	*one = series{of: s, labels: s.labels(), source: s.found[s.next]}
	return one
}

// labels returns the labels of the series at hand in the engine's form.
func (s *seriesSet) labels() labels.Labels {
	switch found := s.found[s.next].(type) {
	case *sharedSeries:
		return found.converted(&s.builder)
	case interface {
		AppendLabels(to metric.Labels) metric.Labels
	}:
		s.names = found.AppendLabels(s.names[:0])
		return convertLabels(s.names, &s.builder)
	default:
		return convertLabels(found.Labels(), &s.builder)
	}
}

// Err implements [storage.SeriesSet].
func (*seriesSet) Err() error { return nil }

// Warnings implements [storage.SeriesSet].
func (*seriesSet) Warnings() annotations.Annotations { return nil }

// series implements [storage.Series]. Its samples are decoded when an iterator is
// first moved, into the memory of the iterator it follows.
type series struct {
	of     *seriesSet
	labels labels.Labels
	source Series
}

// Labels implements [storage.Series].
func (s *series) Labels() labels.Labels { return s.labels }

// Iterator implements [storage.Series].
func (s *series) Iterator(reuse chunkenc.Iterator) chunkenc.Iterator {
	it, ok := reuse.(*iterator)
	if !ok {
		it = &iterator{}
	}
	it.series, it.loaded, it.at, it.err = s, false, -1, nil
	return it
}

// iterator implements [chunkenc.Iterator] over the decoded samples of a series.
type iterator struct {
	series  *series
	memory  Samples // what was decoded
	samples Samples // the part of it between the bounds of the select
	held    int     // samples that the budget counts for this iterator
	loaded  bool
	at      int // index of the current sample; -1 before the first
	err     error
}

func (it *iterator) load() bool {
	if it.loaded {
		return it.err == nil
	}
	it.loaded = true
	it.err = it.decode()
	return it.err == nil
}

func (it *iterator) decode() error {
	s := it.series
	if err := s.of.ctx.Err(); err != nil {
		return err
	}
	it.memory.H = nil
	if err := s.source.Samples(&it.memory); err != nil {
		return sourceError(s.of.ctx, err, "read samples")
	}
	it.samples = it.memory.between(s.of.opt.Start, s.of.opt.End)
	before := it.held
	it.held = len(it.memory.T)
	return s.of.budget.hold(it.held, before)
}

// between returns the samples from start to end, both included, in the same memory.
// Prometheus' database leaves out the others, so the engine is shown no more here.
func (s *Samples) between(start, end int64) Samples {
	from := sort.Search(len(s.T), func(i int) bool { return s.T[i] >= start })
	to := from + sort.Search(len(s.T)-from, func(i int) bool { return s.T[from+i] > end })
	out := Samples{T: s.T[from:to], V: s.V[from:to]}
	if s.H != nil {
		out.H = s.H[from:to]
	}
	return out
}

// Next implements [chunkenc.Iterator].
func (it *iterator) Next() chunkenc.ValueType {
	if !it.load() || it.at >= len(it.samples.T) {
		return chunkenc.ValNone
	}
	it.at++
	return it.kind()
}

// Seek implements [chunkenc.Iterator].
func (it *iterator) Seek(t int64) chunkenc.ValueType {
	if !it.load() {
		return chunkenc.ValNone
	}
	from := max(it.at, 0)
	if from < len(it.samples.T) && it.samples.T[from] < t {
		rest := it.samples.T[from:]
		from += sort.Search(len(rest), func(i int) bool { return rest[i] >= t })
	}
	it.at = from
	return it.kind()
}

func (it *iterator) kind() chunkenc.ValueType {
	switch {
	case it.at >= len(it.samples.T):
		return chunkenc.ValNone
	case it.samples.H != nil && it.samples.H[it.at] != nil:
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

// At implements [chunkenc.Iterator].
func (it *iterator) At() (int64, float64) { return it.samples.T[it.at], it.samples.V[it.at] }

// AtT implements [chunkenc.Iterator].
func (it *iterator) AtT() int64 { return it.samples.T[it.at] }

// AtST implements [chunkenc.Iterator]; start timestamps are not kept.
func (*iterator) AtST() int64 { return 0 }

// AtHistogram implements [chunkenc.Iterator]; there are none with whole numbers only.
func (it *iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	return it.AtT(), nil
}

// AtFloatHistogram implements [chunkenc.Iterator].
func (it *iterator) AtFloatHistogram(into *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	h := it.samples.H[it.at].native
	if into == nil {
		return it.AtT(), h.Copy()
	}
	h.CopyTo(into)
	return it.AtT(), into
}

// Err implements [chunkenc.Iterator].
func (it *iterator) Err() error { return it.err }
