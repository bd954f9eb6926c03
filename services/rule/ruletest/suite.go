package ruletest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
)

// Limits of one test, so that a few bytes do not keep the server busy for long.
const (
	maxEvaluations = 2_000_000 // of rules, all together
	maxValues      = 1_000_000 // of input series
)

// suite is one test that is run.
type suite struct {
	test       *test
	fuzzy      bool
	start      time.Time
	step       time.Duration
	memory     *query.Memory
	evaluator  *query.Evaluator
	groups     []*eval.Group
	rules      int
	input      []input
	appended   map[string]query.Sample // the newest sample of each series that was added, by its labels
	recordErrs []error
	failures   []string
}

// input is a series whose samples are added as time goes on.
type input struct {
	labels  metric.Labels
	samples []query.Sample // those that were not added yet
}

func newSuite(f *file, t *test, opt Options) (*suite, error) {
	s := &suite{
		test: t, fuzzy: f.FuzzyCompare, start: t.StartTimestamp.Time, step: time.Duration(f.EvaluationInterval),
		memory: query.NewMemory(), appended: map[string]query.Sample{},
	}
	if t.StartTimestamp.IsZero() {
		s.start = time.Unix(0, 0).UTC()
	}
	if s.step < time.Millisecond {
		return nil, fmt.Errorf("evaluation_interval: %s is too short; give at least 1ms", s.step)
	}
	cfg := opt.Query
	cfg.SubqueryStep = s.step
	evaluator, err := query.NewEvaluator(cfg, s.memory, discard())
	if err != nil {
		return nil, fmt.Errorf("make an evaluator: %w", err)
	}
	s.evaluator = evaluator
	for _, a := range t.AlertRuleTests {
		if a.Alertname == "" {
			return nil, fmt.Errorf("an item under alert_rule_test misses required attribute alertname at eval_time %v%s", a.EvalTime, t.in())
		}
	}
	return s, s.readInput(cmp.Or(time.Duration(t.Interval), s.step))
}

func (t *test) in() string {
	if t.Name == "" {
		return ""
	}
	return fmt.Sprintf(" (in TestGroup %s)", t.Name)
}

// readInput reads the series. Of two with the same labels the later one counts.
func (s *suite) readInput(gap time.Duration) error {
	values := 0
	for _, in := range s.test.InputSeries {
		labels, sequence, err := query.ParseSeries(in.Series + " " + in.Values)
		if err != nil {
			return fmt.Errorf("input_series: %w", err)
		}
		if values += len(sequence); values > maxValues {
			return fmt.Errorf("input_series: more than %d values; split the test", maxValues)
		}
		line := input{labels: labels}
		for i, v := range sequence {
			if !v.Omitted {
				at := s.start.Add(time.Duration(i) * gap).UnixMilli()
				line.samples = append(line.samples, query.Sample{Labels: labels, T: at, V: v.V, H: v.H})
			}
		}
		s.input = slices.DeleteFunc(s.input, func(other input) bool { return metric.Compare(other.labels, labels) == 0 })
		s.input = append(s.input, line)
	}
	return nil
}

func (s *suite) addGroup(g *rule.Group) error {
	own := *g
	own.Interval = s.step // all groups are evaluated at the same times
	group, err := eval.NewGroup(&own, eval.Options{ExternalLabels: s.test.ExternalLabels, ExternalURL: s.test.ExternalURL, Series: true})
	if err != nil {
		return err //nolint:wrapcheck // it names the group and the rule
	}
	s.groups = append(s.groups, group)
	s.rules += len(g.Rules)
	return nil
}

// evaluate evaluates the rules at all times and compares alerts where something is
// expected of them. If a rule fails the test ends.
func (s *suite) evaluate(ctx context.Context) (failures []string, ended bool) {
	longest := s.test.longest()
	if n := float64(longest) / float64(s.step) * float64(max(s.rules, 1)); n > maxEvaluations {
		return []string{fmt.Sprintf("the test needs %.0f evaluations of rules; the limit is %d: use a longer evaluation_interval or an earlier eval_time", n, maxEvaluations)}, true
	}
	for since := time.Duration(0); since <= longest; since += s.step {
		at := s.start.Add(since)
		s.addInput(at.UnixMilli())
		if failed := s.evaluateAt(ctx, at); len(failed) > 0 {
			return append(s.failures, failed...), true
		}
		s.checkAlerts(since)
		if since > math.MaxInt64-s.step {
			break
		}
	}
	return nil, false
}

// addInput adds the samples up to a time: rules do not see the future.
func (s *suite) addInput(until int64) {
	for i := range s.input {
		in := &s.input[i]
		n := 0
		for n < len(in.samples) && in.samples[n].T <= until {
			n++
		}
		if n > 0 {
			s.memory.Add(in.samples[:n]...)
			s.appended[key(in.labels)] = in.samples[n-1]
			in.samples = in.samples[n:]
		}
	}
}

func key(ls metric.Labels) string {
	var b strings.Builder
	for _, l := range ls {
		b.WriteString(l.Name + "\xff" + l.Value + "\xff")
	}
	return b.String()
}

func (s *suite) evaluateAt(ctx context.Context, at time.Time) (failed []string) {
	env := eval.Env{Querier: s.evaluator, Record: s.record}
	for _, g := range s.groups {
		for i, info := range g.Rules() {
			s.recordErrs = nil
			result, err := g.EvalRule(ctx, i, []int64{at.UnixMilli()}, env)
			if err != nil {
				return append(failed, err.Error())
			}
			for _, e := range result.Errors {
				s.recordErrs = append(s.recordErrs, e.Err)
			}
			if err := errors.Join(s.recordErrs...); err != nil {
				failed = append(failed, fmt.Sprintf("    rule: %s, time: %s, err: %s", info.Rule.Name(), at.Sub(time.Unix(0, 0).UTC()), err))
			}
		}
	}
	return failed
}

var (
	errOutOfOrder = errors.New("out of order sample: the recorded series has a newer one already")
	errOther      = errors.New("duplicate sample for timestamp: the recorded series has another value already")
)

// record adds what rules recorded. As in Prometheus it is an error to record a sample
// that input_series or another rule has with another value.
func (s *suite) record(samples []query.Sample) {
	for _, sample := range samples {
		k := key(sample.Labels)
		newest, known := s.appended[k]
		stale := metric.IsStale(sample.V)
		switch {
		case known && newest.T > sample.T:
			s.refuse(errOutOfOrder, sample, stale)
			continue
		case known && newest.T == sample.T && !sameValue(newest, sample):
			s.refuse(errOther, sample, stale)
			continue
		}
		s.memory.Add(sample)
		s.appended[k] = sample
	}
}

func sameValue(a, b query.Sample) bool {
	if a.H != nil || b.H != nil {
		return a.H != nil && b.H != nil && a.H.String() == b.H.String()
	}
	return math.Float64bits(a.V) == math.Float64bits(b.V)
}

func (s *suite) refuse(err error, sample query.Sample, stale bool) {
	if !stale {
		s.recordErrs = append(s.recordErrs, fmt.Errorf("%s: %w", text(sample.Labels), err))
	}
}

// checkAlerts compares the alerts that fire with those that are expected between this
// time and the next.
func (s *suite) checkAlerts(since time.Duration) {
	for _, expected := range s.test.sortedAlertTests() {
		at := time.Duration(expected.EvalTime)
		if since <= at && at-since < s.step {
			s.compareAlerts(expected, s.firing(expected.Alertname))
		}
	}
}

func (t *test) sortedAlertTests() []alertTest {
	sorted := slices.Clone(t.AlertRuleTests)
	slices.SortStableFunc(sorted, func(a, b alertTest) int { return cmp.Compare(a.EvalTime, b.EvalTime) })
	return sorted
}

// firing returns the alerts of a name that fire.
func (s *suite) firing(name string) (firing []alert.Alert) {
	for _, g := range s.groups {
		for _, a := range g.Alerts() {
			if a.State == alert.Firing && a.Name() == name {
				firing = append(firing, a)
			}
		}
	}
	return firing
}

func (s *suite) checkExprs(ctx context.Context) {
	for _, t := range s.test.PromqlExprTests {
		got, err := s.evaluator.Instant(ctx, t.Expr, s.start.Add(time.Duration(t.EvalTime)))
		if err != nil {
			s.failures = append(s.failures, fmt.Sprintf("    expr: %q, time: %s, err: %s", t.Expr, t.EvalTime, err))
			continue
		}
		s.compareSamples(t, got)
	}
}
