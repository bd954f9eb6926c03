package tsdb

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// Series is one matching series.
type Series struct {
	Labels metric.Labels // with the metric name as __name__

	set     *seriesSet
	at      int // place in set
	sources []source
}

// source is a column that holds samples of a series.
type source struct {
	pair   *index.Pair
	column int
}

// Samples leaves the samples of the range in dst. They are decoded here, not
// before. An error that wraps [ErrCorrupt] names the chunk; other series can be
// read all the same.
func (s *Series) Samples(dst *Samples) error {
	q, g := s.set.q, &dst.g
	g.reset(s.set.mint, s.set.maxt)
	for _, src := range s.sources {
		for _, v := range q.views {
			g.partition = v.p.id
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
		return fmt.Errorf("recent chunk of %v: %w", s.Labels, err)
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
	free       []Series // memory for the next ones
	refs       []source
}

func (set *seriesSet) add(p *index.Pair, column int) {
	if len(set.free) == 0 {
		n := min(max(len(set.list), 8), 1024)
		set.free, set.refs = make([]Series, n), make([]source, n)
	}
	s := &set.free[0]
	set.free = set.free[1:]
	s.sources = set.refs[:1:1]
	set.refs = set.refs[1:]
	s.sources[0] = source{p, column}
	s.set = set
	s.Labels = seriesLabels(p.Entity.Def.Labels, &p.Schema.Def.Columns[column])
	set.list = append(set.list, s)
}

// finish sorts the series and makes one of those with equal labels.
func (set *seriesSet) finish(opt SelectOptions) []*Series {
	slices.SortFunc(set.list, func(a, b *Series) int { return metric.Compare(a.Labels, b.Labels) })
	out := set.list[:0]
	for _, s := range set.list {
		if n := len(out); n > 0 && metric.Compare(out[n-1].Labels, s.Labels) == 0 {
			out[n-1].sources = append(out[n-1].sources, s.sources...)
			continue
		}
		if opt.Limit > 0 && len(out) == opt.Limit {
			break
		}
		s.at = len(out)
		out = append(out, s)
	}
	set.list = out
	return out
}

// seriesLabels merges three sorted lists that share no name: it is what
// [metric.SeriesLabels] returns, without sorting.
func seriesLabels(entity metric.Labels, c *metric.Column) metric.Labels {
	out := make(metric.Labels, 0, len(entity)+len(c.Labels)+1)
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
