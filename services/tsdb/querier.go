package tsdb

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// Querier answers selectors over a fixed state of the DB and a range of time,
// both ends included. It must be closed. It is safe for concurrent use.
type Querier struct {
	db         *DB
	ctx        context.Context //nolint:containedctx // a query's parts are asked for lazily, in its context
	mint, maxt int64
	views      []*view

	mu     sync.Mutex // guards all below
	snap   Snapshot   // opened when first needed
	fetch  fetcher
	closed bool
}

// Querier pins the state that a query sees: everything appended so far.
func (db *DB) Querier(ctx context.Context, mint, maxt int64) (*Querier, error) {
	q := &Querier{db: db, ctx: ctx, mint: mint, maxt: maxt}
	for _, p := range db.all() {
		q.views = append(q.views, p.pin())
	}
	q.fetch.init(q)
	return q, nil
}

// Close lets go of the state. Series of the querier cannot be read any more.
func (q *Querier) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	for _, v := range q.views {
		v.release()
	}
	if q.snap == nil {
		return nil
	}
	if err := q.snap.Close(); err != nil {
		return fmt.Errorf("close snapshot: %w", err)
	}
	return nil
}

// SelectOptions narrow a Select.
type SelectOptions struct {
	SeriesOnly bool // samples will not be asked for
	Limit      int  // return at most so many series; 0 is no limit
	// Start and End narrow the querier's range, both included; nothing outside of
	// that is returned. Both 0 leave it as it is.
	Start, End int64
}

// Select returns the series that match and may have samples in the range, sorted
// by their labels, each label set once.
func (q *Querier) Select(ctx context.Context, ms []Matcher, opt SelectOptions) ([]*Series, error) {
	set := &seriesSet{q: q, mint: q.mint, maxt: q.maxt}
	if opt.Start != 0 || opt.End != 0 {
		set.mint, set.maxt = max(q.mint, opt.Start), min(q.maxt, opt.End)
	}
	list, err := q.db.candidates(ctx, ms)
	if err != nil {
		return nil, err
	}
	return set.take(list, opt.Limit), nil
}

// LabelNames returns the names of the labels that the matching series have,
// sorted, at most limit unless it is 0.
func (q *Querier) LabelNames(ctx context.Context, ms []Matcher, limit int) ([]string, error) {
	names := map[string]struct{}{}
	err := q.db.index.Select(ms, q.mint, q.maxt, func(p *index.Pair, columns []int) bool {
		names[metric.NameLabel] = struct{}{}
		for _, l := range p.Entity.Def.Labels {
			names[l.Name] = struct{}{}
		}
		for _, c := range columns {
			for _, l := range p.Schema.Def.Columns[c].Labels {
				names[l.Name] = struct{}{}
			}
		}
		return ctx.Err() == nil
	})
	return sortedKeys(ctx, names, limit, err)
}

// LabelValues returns the values that the label has on the matching series,
// sorted, at most limit unless it is 0.
func (q *Querier) LabelValues(ctx context.Context, name string, ms []Matcher, limit int) ([]string, error) {
	values := map[string]struct{}{}
	err := q.db.index.Select(ms, q.mint, q.maxt, func(p *index.Pair, columns []int) bool {
		if v := p.Entity.Def.Labels.Get(name); v != "" {
			values[v] = struct{}{}
			return ctx.Err() == nil
		}
		for _, c := range columns {
			column := &p.Schema.Def.Columns[c]
			if name == metric.NameLabel {
				values[column.Name] = struct{}{}
			} else if v := column.Labels.Get(name); v != "" {
				values[v] = struct{}{}
			}
		}
		return ctx.Err() == nil
	})
	return sortedKeys(ctx, values, limit, err)
}

func sortedKeys(ctx context.Context, set map[string]struct{}, limit int, err error) ([]string, error) {
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("select labels: %w", err)
	}
	list := slices.Sorted(maps.Keys(set))
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	return list, nil
}
