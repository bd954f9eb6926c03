package query

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/storage"

	"github.com/esolutions/esmon/services/metric"
)

// The bounds of time for requests that name none, as Prometheus has them.
var (
	earliest = time.Unix(math.MinInt64/1000+62135596801, 0).UTC()
	latest   = time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC()
)

// errTruncated is the warning on an answer that a limit cut.
var errTruncated = errors.New("results truncated due to limit")

// scope says which series a request is about.
type scope struct {
	sets       [][]*labels.Matcher // any of them matches; all series, if empty
	start, end time.Time
	limit      int // of results; 0 for none
	text       string
}

// hintLimit is one more than the limit, so that cutting can be noticed.
func (sc *scope) hintLimit() int {
	if sc.limit > 0 && sc.limit < math.MaxInt {
		return sc.limit + 1
	}
	return sc.limit
}

// browse opens the source for a scope and hands it to do in the request's turn.
func (s *Service) browse(ctx context.Context, kind string, sc scope, do func(context.Context, storage.Querier) error) error {
	a := &answer{}
	defer a.Close()
	return s.guard(ctx, kind, sc.text, func() error {
		return s.inTurn(ctx, a, 0, func(ctx context.Context) error {
			q, err := s.queryable(ctx, 1).Querier(timestamp.FromTime(sc.start), timestamp.FromTime(sc.end))
			if err != nil {
				return err
			}
			return errors.Join(do(ctx, q), q.Close())
		})
	})
}

// series returns the label sets in the scope, sorted and each once.
func (s *Service) series(ctx context.Context, sc scope) (found []labels.Labels, truncated bool, err error) {
	err = s.browse(ctx, "series", sc, func(ctx context.Context, q storage.Querier) error {
		hints := &storage.SelectHints{
			Start: timestamp.FromTime(sc.start), End: timestamp.FromTime(sc.end),
			Func: seriesFunc, Limit: sc.hintLimit(),
		}
		sets := make([]storage.SeriesSet, len(sc.sets))
		for i, ms := range sc.sets {
			sets[i] = q.Select(ctx, true, hints, ms...)
		}
		merged := storage.NewMergeSeriesSet(sets, 0, storage.ChainedSeriesMerge)
		for merged.Next() && ctx.Err() == nil {
			if sc.limit > 0 && len(found) == sc.limit {
				truncated = true
				return nil
			}
			found = append(found, merged.At().Labels())
		}
		return firstError(merged.Err(), ctx.Err())
	})
	return found, truncated, err
}

// labelNames returns the names of labels in the scope, sorted.
func (s *Service) labelNames(ctx context.Context, sc scope) ([]string, bool, error) {
	return s.list(ctx, "label_names", sc, func(ctx context.Context, q storage.Querier, ms []*labels.Matcher) ([]string, error) {
		names, _, err := q.LabelNames(ctx, &storage.LabelHints{Limit: sc.hintLimit()}, ms...)
		return names, err
	})
}

// labelValues returns the values of a label in the scope, sorted.
func (s *Service) labelValues(ctx context.Context, name string, sc scope) ([]string, bool, error) {
	return s.list(ctx, "label_values", sc, func(ctx context.Context, q storage.Querier, ms []*labels.Matcher) ([]string, error) {
		values, _, err := q.LabelValues(ctx, name, &storage.LabelHints{Limit: sc.hintLimit()}, ms...)
		return values, err
	})
}

type lister func(context.Context, storage.Querier, []*labels.Matcher) ([]string, error)

// list unites what get returns for each set of matchers.
func (s *Service) list(ctx context.Context, kind string, sc scope, get lister) (all []string, truncated bool, err error) {
	sets := sc.sets
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	err = s.browse(ctx, kind, sc, func(ctx context.Context, q storage.Querier) error {
		for _, ms := range sets {
			some, err := get(ctx, q, ms)
			if err != nil {
				return err
			}
			all = append(all, some...)
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if sc.limit > 0 && len(all) > sc.limit {
		return all[:sc.limit], true, nil
	}
	return all, false, nil
}

// family is what is known of a metric, under the name that Prometheus would list
// it: the parts of a histogram or summary are one.
type family struct {
	name string
	typ  string
	unit string
	help string
}

// families returns the families whose name is accepted, sorted by name, each
// distinct description once.
func (s *Service) families(accept func(name string) bool) []family {
	seen := map[family]bool{}
	var all []family
	s.source.Metadata(func(c *metric.Column) bool {
		f := family{name: familyName(c), typ: c.Type.String(), unit: c.Unit, help: c.Help}
		if !seen[f] && accept(f.name) {
			seen[f] = true
			all = append(all, f)
		}
		return true
	})
	slices.SortFunc(all, func(a, b family) int {
		return firstNonZero(strings.Compare(a.name, b.name), strings.Compare(a.typ, b.typ), strings.Compare(a.unit, b.unit), strings.Compare(a.help, b.help))
	})
	return all
}

func familyName(c *metric.Column) string {
	if c.Type != metric.Histogram && c.Type != metric.Summary {
		return c.Name
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if name, ok := strings.CutSuffix(c.Name, part); ok && name != "" {
			return name
		}
	}
	return c.Name
}

func firstNonZero(ns ...int) int {
	for _, n := range ns {
		if n != 0 {
			return n
		}
	}
	return 0
}
