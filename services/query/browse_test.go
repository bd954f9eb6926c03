package query_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"google.golang.org/protobuf/types/known/timestamppb"

	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	"github.com/esolutions/esmon/services/query"
)

// labelNames are what label values are asked for, one that no series has included.
var labelNames = []string{"__name__", "host_name", "os_type", "mode", "device", "le", "zone", "kind", "direction", "none"}

// browse compares lists of series, label names and label values.
func (n *tally) browse(t *testing.T, where string, g *generator, plain *plainStore, s *query.Service) {
	t.Helper()
	match := []string{g.browsable()}
	if g.IntN(2) == 0 {
		match = append(match, g.browsable())
	}
	check := func(what string, want, got []string, err error) {
		t.Helper()
		if err != nil || !slices.Equal(want, got) {
			t.Errorf("%s: %s of %q: %v\nplain %v\nreal  %v", where, what, match, err, want, got)
		}
		n.browsed++
		n.found += len(got)
	}
	want := plain.union(t, match, func(ls labels.Labels) []string { return []string{fmt.Sprint(ls.Map())} })
	series, err := s.ListSeries(t.Context(), &queryv1.ListSeriesRequest{Match: match, End: timestamppb.New(time.UnixMilli(g.end + 86_400_000))})
	got := seriesTexts(series)
	check("series", want, got, err)
	n.within(t, where, g, plain, s, match, got)

	names, err := s.ListLabelNames(t.Context(), &queryv1.ListLabelNamesRequest{Match: match})
	want = plain.union(t, match, func(ls labels.Labels) (list []string) {
		ls.Range(func(l labels.Label) { list = append(list, l.Name) })
		return list
	})
	check("label names", want, names.GetNames(), err)

	name := pick(g.Rand, labelNames...)
	if g.IntN(3) == 0 {
		match = nil
	}
	values, err := s.ListLabelValues(t.Context(), &queryv1.ListLabelValuesRequest{Name: name, Match: match})
	want = plain.union(t, match, func(ls labels.Labels) []string {
		if ls.Has(name) {
			return []string{ls.Get(name)}
		}
		return nil
	})
	check("values of "+name, want, values.GetValues(), err)
}

// within checks the series of a part of the time. They are those that may have
// samples there: all that have, and none that does not match.
func (n *tally) within(t *testing.T, where string, g *generator, plain *plainStore, s *query.Service, match, all []string) {
	t.Helper()
	start := g.start + g.Int64N(g.end-g.start)
	end := start + g.Int64N(7_200_000)
	resp, err := s.ListSeries(t.Context(), &queryv1.ListSeriesRequest{Match: match, Start: timestamppb.New(time.UnixMilli(start)), End: timestamppb.New(time.UnixMilli(end))})
	got := seriesTexts(resp)
	least := plain.between(start, end).union(t, match, func(ls labels.Labels) []string { return []string{fmt.Sprint(ls.Map())} })
	missing := slices.DeleteFunc(slices.Clone(least), func(s string) bool { return slices.Contains(got, s) })
	excess := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return slices.Contains(all, s) })
	if err != nil || len(missing) > 0 || len(excess) > 0 {
		t.Errorf("%s: series of %q from %d to %d: %v\nmissing %v\nexcess  %v", where, match, start, end, err, missing, excess)
	}
	n.browsed++
	n.found += len(got)
}

// browsable returns a selector that may be asked for alone: one that leaves out
// something.
func (g *generator) browsable() string {
	for {
		text := g.selector()
		ms, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
		if err == nil && slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches("") }) {
			return text
		}
	}
}

// seriesTexts returns the label sets in a form that compares, sorted.
func seriesTexts(resp *queryv1.ListSeriesResponse) (list []string) {
	for _, s := range resp.GetSeries() {
		list = append(list, fmt.Sprint(s.GetLabels()))
	}
	slices.Sort(list)
	return list
}

// union returns what get returns for the series that any of the selectors selects,
// all series if there is none, sorted and each once.
func (p *plainStore) union(t *testing.T, match []string, get func(labels.Labels) []string) []string {
	t.Helper()
	sets, err := parser.NewParser(parser.Options{}).ParseMetricSelectors(match)
	if err != nil {
		t.Fatal(err)
	}
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	found := map[string]bool{}
	for _, ms := range sets {
		for _, s := range (&plainQuerier{store: p}).matching(ms) {
			for _, text := range get(s.labels) {
				found[text] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// between returns a store of the series that have samples from start to end.
func (p *plainStore) between(start, end int64) *plainStore {
	out := newPlainStore()
	for key, s := range p.series {
		for at := range s.at {
			if at >= start && at <= end {
				out.series[key] = s
				break
			}
		}
	}
	return out
}
