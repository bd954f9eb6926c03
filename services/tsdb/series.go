package tsdb

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// Series is one matching series. It is safe for concurrent use.
type Series struct {
	set     *seriesSet
	at      int // place in set
	sources []source
}

// source is a column that holds samples of a series.
type source struct {
	pair   *index.Pair
	column int
}

// Labels returns the labels of the series, with the metric name as __name__.
func (s *Series) Labels() metric.Labels { return s.AppendLabels(nil) }

// AppendLabels appends the labels that [Series.Labels] returns.
func (s *Series) AppendLabels(to metric.Labels) metric.Labels {
	return appendLabelsOf(to, s.sources[0].pair, s.sources[0].column)
}

// appendLabelsOf appends the labels of the series of a pair's column.
func appendLabelsOf(to metric.Labels, p *index.Pair, column int) metric.Labels {
	return appendSeriesLabels(to, p.Entity.Def.Labels, &p.Schema.Def.Columns[column])
}

// Samples leaves the samples of the range in dst. They are decoded here, not
// before. An error that wraps [ErrCorrupt] names the chunk; other series can be
// read all the same.
func (s *Series) Samples(dst *Samples) error { return s.SamplesSince(s.set.mint, dst) }

// SamplesSince is Samples for the part of the range from a time on.
func (s *Series) SamplesSince(mint int64, dst *Samples) error {
	q, g := s.set.q, &dst.g
	g.reset(max(mint, s.set.mint), s.set.maxt)
	for _, src := range s.sources {
		for _, v := range q.views {
			g.of(v.p.id)
			if err := s.read(v, src, g); err != nil {
				return err
			}
		}
	}
	g.finish(dst)
	return nil
}

func (s *Series) read(v *view, src source, g *gatherer) error {
	q := s.set.q
	if v.coldMaxT >= g.mint {
		chunks, err := q.chunks(v, s.set, s.at, src.pair)
		if err != nil {
			return err
		}
		for _, c := range chunks {
			if err := g.chunk(c, src.column); err != nil {
				return q.db.corrupt(err, v.p.id, c, src.pair)
			}
		}
	}
	if err := v.cuts(src.pair.Ref, src.column, g); err != nil {
		return fmt.Errorf("recent chunk of %v: %w", s.Labels(), err)
	}
	v.head(src.pair.Ref, src.column, g)
	return nil
}

// corrupt names the chunk in the error and counts it.
func (db *DB) corrupt(err error, partition int, c Chunk, p *index.Pair) error {
	if errors.Is(err, ErrCorrupt) {
		db.metrics.corrupt.Inc()
	}
	return fmt.Errorf("chunk of block %s, partition %d, pair %d, cut %d (entity %v, metric %s and others): %w",
		formatTime(c.Block), partition, c.Pair, c.Cut, p.Entity.Def.Labels, p.Schema.Def.Columns[0].Name, err)
}

// seriesSet is the result of one Select.
type seriesSet struct {
	q          *Querier
	mint, maxt int64
	list       []*Series
}

// take makes series of the candidates, at most limit unless it is 0.
func (set *seriesSet) take(list []candidate, limit int) []*Series {
	sources, starts := set.sources(list, limit)
	memory := make([]Series, len(starts)) // in one piece: rules ask for many
	set.list = make([]*Series, len(starts))
	for i, from := range starts {
		to := len(sources)
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		memory[i] = Series{set: set, at: i, sources: sources[from:to:to]}
		set.list[i] = &memory[i]
	}
	return set.list
}

// sources returns the columns that may have samples in the range, and where in them
// those of each series begin.
func (set *seriesSet) sources(list []candidate, limit int) (sources []source, starts []int) {
	sources, starts = make([]source, 0, len(list)), make([]int, 0, len(list))
	series, last := 0, 0 // numbers of series, counting those that have nothing, too
	for i := range list {
		c := &list[i]
		if !c.again {
			series++
		}
		if !c.pair.Overlaps(set.mint, set.maxt) || !c.pair.Has(int(c.column)) {
			continue
		}
		if series != last {
			if limit > 0 && len(starts) == limit {
				break
			}
			starts, last = append(starts, len(sources)), series
		}
		sources = append(sources, source{c.pair, int(c.column)})
	}
	return sources, starts
}

// appendSeriesLabels merges three sorted lists that share no name: it appends what
// [metric.SeriesLabels] returns, without sorting.
func appendSeriesLabels(out, entity metric.Labels, c *metric.Column) metric.Labels {
	out = slices.Grow(out, len(entity)+len(c.Labels)+1)
	column, named := c.Labels, false
	for len(entity) > 0 || len(column) > 0 || !named {
		next := ""
		if len(entity) > 0 {
			next = entity[0].Name
		}
		fromColumn := len(column) > 0 && (next == "" || strings.Compare(column[0].Name, next) < 0)
		if fromColumn {
			next = column[0].Name
		}
		switch {
		case !named && (next == "" || strings.Compare(metric.NameLabel, next) < 0):
			out, named = append(out, metric.Label{Name: metric.NameLabel, Value: c.Name}), true
		case fromColumn:
			out, column = append(out, column[0]), column[1:]
		default:
			out, entity = append(out, entity[0]), entity[1:]
		}
	}
	return out
}
