package backtest_test

import (
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/backtest"
	"github.com/esolutions/esmon/services/rule/eval"
	"github.com/esolutions/esmon/services/rule/eval/evaltest"
)

const minute = int64(60_000)

func at(m int64) time.Time { return time.UnixMilli(m * minute) }

func evaluator(t testing.TB, source query.Source) *query.Evaluator {
	t.Helper()
	e, err := query.NewEvaluator(query.DefaultConfig(), source, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func groupOf(rules []*rule.Rule) *rule.Group {
	for i, one := range rules {
		one.ID = fmt.Sprintf("f;g;%s;%d", one.Name(), i)
	}
	return &rule.Group{File: "f", Name: "g", Interval: time.Minute, Rules: rules}
}

// live evaluates minute by minute, as in operation, and returns the episodes. What is
// recorded is added to the source.
func live(t *testing.T, m *query.Memory, g *rule.Group, length int64) []alert.Episode {
	t.Helper()
	group, err := eval.NewGroup(g, eval.Options{})
	if err != nil {
		t.Fatal(err)
	}
	env := eval.Env{Querier: evaluator(t, m), Record: func(s []query.Sample) { m.Add(s...) }}
	episodes := map[alert.EpisodeID]alert.Episode{}
	for i := range length {
		result, err := group.Eval(t.Context(), []int64{i * minute}, env)
		if err != nil || len(result.Errors) > 0 {
			t.Fatal(err, result.Errors)
		}
		for _, e := range result.Episodes {
			episodes[e.ID()] = e
		}
	}
	return slices.Collect(maps.Values(episodes))
}

// shown returns those episodes that overlap the span, as text. What an open episode
// has come to since the span is over does not count.
func shown(episodes []alert.Episode, ruleID string, from, to int64) string {
	var all []string
	for _, e := range episodes {
		if e.Fired > to*minute || e.Resolved != 0 && e.Resolved < from*minute || ruleID != "" && e.RuleID != ruleID {
			continue
		}
		if e.Resolved == 0 || e.Resolved > to*minute {
			e.Resolved, e.LastValue = 0, 0
		}
		all = append(all, fmt.Sprintf("%s %v active %d fired %d resolved %d value %v to %v\n", e.RuleID, e.Labels, e.Active/minute, e.Fired/minute, e.Resolved/minute, e.FireValue, e.LastValue))
	}
	slices.Sort(all)
	return strings.Join(all, "")
}

// TestSameAsLive runs backtests over spans of what was evaluated live before.
func TestSameAsLive(t *testing.T) {
	t.Parallel()
	compared := 0
	for seed := range uint64(25) {
		d, m := evaltest.New(seed), query.NewMemory()
		if err := d.Fill(m); err != nil {
			t.Fatal(err)
		}
		g := groupOf(d.Rules)
		known := live(t, m, g, d.Length)
		compared += len(known)
		for range 4 {
			from := d.Int64N(d.Length - 1)
			to := from + d.Int64N(d.Length-from)
			one := g.Rules[1+d.IntN(len(g.Rules)-1)].ID
			if d.IntN(3) == 0 {
				one = ""
			}
			report, err := backtest.Run(t.Context(), evaluator(t, m), g, at(from), at(to), backtest.Options{Rule: one, Known: known, Workers: 1 + d.IntN(3)})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := shown(report.Episodes, one, from, to), shown(known, one, from, to); got != want {
				t.Fatalf("seed %d, rule %q, from %d to %d: episodes are\n%s, live they were\n%s", seed, one, from, to, got, want)
			}
		}
	}
	if compared < 300 {
		t.Errorf("%d episodes say too little", compared)
	}
}

// TestReport counts.
func TestReport(t *testing.T) {
	t.Parallel()
	m := query.NewMemory()
	for name, values := range map[string]string{
		`v{host_name="a"}`: "9 9 1 9 1 1 1 9 9 9", `v{instance="b"}`: "1 9 1 9 1 1 1 1 1 1", `v{host_name="c"}`: "1x9", `v{other="d"}`: "1 1 9 1 1 1 1 1 1 1",
	} {
		labels, sequence, err := query.ParseSeries(name + " " + values)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range sequence {
			m.Add(query.Sample{Labels: labels, T: int64(i) * minute, V: v.V})
		}
	}
	g := groupOf([]*rule.Rule{{Alert: "A", Expr: "v > 8"}})
	report, err := backtest.Run(t.Context(), evaluator(t, m), g, at(1), at(9), backtest.Options{MaxEpisodes: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := []backtest.HostSummary{{"", 1, time.Minute}, {"a", 3, 4 * time.Minute}, {"b", 2, 2 * time.Minute}}
	if !reflect.DeepEqual(report.Hosts, want) || report.Total != 6 || report.Firing != 7*time.Minute || report.Evaluations != 9 {
		t.Errorf("the report is %+v", report)
	}
	if len(report.Episodes) != 2 || len(report.Warnings) != 1 || report.Warnings[0] != "4 further episodes are counted and not listed." {
		t.Errorf("the report has %d episodes and the warnings %q", len(report.Episodes), report.Warnings)
	}
}

// TestTwoVersions tries a rule with another threshold, on what another version of a
// recording rule records.
func TestTwoVersions(t *testing.T) {
	t.Parallel()
	m := query.NewMemory()
	for i := range int64(10) {
		m.Add(query.Sample{Labels: labels("__name__", "v", "host_name", "a"), T: i * minute, V: float64(i)},
			query.Sample{Labels: labels("__name__", "r", "host_name", "a"), T: i * minute, V: 100})
	}
	version := func(factor, threshold int) string {
		g := groupOf([]*rule.Rule{
			{Record: "unread", Expr: "nonsense("}, {Record: "r", Expr: fmt.Sprintf("v * %d", factor)}, {Alert: "Other", Expr: "v"}, {Alert: "A", Expr: fmt.Sprintf("r > %d", threshold)},
		})
		report, err := backtest.Run(t.Context(), evaluator(t, m), g, at(2), at(9), backtest.Options{Rule: g.Rules[3].ID})
		if err != nil {
			t.Fatal(err)
		}
		return shown(report.Episodes, "", 0, 9)
	}
	if got := version(1, 4); !strings.Contains(got, "fired 5 resolved 0 value 5 ") {
		t.Errorf("the first version gives %s", got)
	}
	if got := version(2, 4); !strings.Contains(got, "fired 3 resolved 0 value 6 ") {
		t.Errorf("the second version gives %s", got)
	}
}

// TestFailures goes on where a rule fails, and says so.
func TestFailures(t *testing.T) {
	t.Parallel()
	m := query.NewMemory()
	for i := range int64(20) {
		m.Add(query.Sample{Labels: labels("__name__", "v", "host_name", "a", "n", "1"), T: i * minute, V: 9})
		if i == 7 || i == 11 {
			m.Add(query.Sample{Labels: labels("__name__", "w", "host_name", "a", "n", "2"), T: i * minute, V: 9})
		} else {
			m.Add(query.Sample{Labels: labels("__name__", "w", "host_name", "a", "n", "2"), T: i * minute, V: stale})
		}
	}
	g := groupOf([]*rule.Rule{{Alert: "A", Expr: `{__name__=~"v|w"} > 8`, Labels: map[string]string{"n": ""}}})
	report, err := backtest.Run(t.Context(), evaluator(t, m), g, at(0), at(19), backtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if report.Total != 1 || report.Firing != 19*time.Minute || len(report.Warnings) != 1 ||
		!strings.Contains(report.Warnings[0], "rule A: two series have the same labels") || !strings.HasSuffix(report.Warnings[0], "(2 times, first at 1970-01-01T00:07:00Z)") {
		t.Errorf("the report is %+v", report)
	}
}

// TestRefused is for what cannot be run.
func TestRefused(t *testing.T) {
	t.Parallel()
	g := groupOf([]*rule.Rule{{Alert: "A", Expr: "v > 8"}})
	e := evaluator(t, query.NewMemory())
	for want, run := range map[string]func() error{
		"has no rule x": func() error {
			_, err := backtest.Run(t.Context(), e, g, at(0), at(9), backtest.Options{Rule: "x"})
			return err
		},
		"before the start": func() error { _, err := backtest.Run(t.Context(), e, g, at(9), at(0), backtest.Options{}); return err },
		"the limit is": func() error {
			_, err := backtest.Run(t.Context(), e, g, at(0), at(1<<20), backtest.Options{Interval: time.Millisecond})
			return err
		},
		"is too short": func() error {
			_, err := backtest.Run(t.Context(), e, &rule.Group{}, at(0), at(9), backtest.Options{})
			return err
		},
		"unclosed": func() error {
			_, err := backtest.Run(t.Context(), e, groupOf([]*rule.Rule{{Alert: "A", Expr: "("}}), at(0), at(9), backtest.Options{})
			return err
		},
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}
