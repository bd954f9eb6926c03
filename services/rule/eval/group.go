package eval

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
)

// Querier evaluates PromQL, such as query.Evaluator.
type Querier interface {
	// Instant returns what the expression has at a time.
	Instant(ctx context.Context, expr string, t time.Time) (query.Vector, error)
	// Range returns what the expression has at each step from start to end.
	Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (query.Matrix, error)
}

// Decision says whether something can be decided at a time.
type Decision struct {
	// Agent is whose data it stands on, "" if it stands on that of several.
	Agent string
	// Decided tells whether all data up to the time is there. What is not decided
	// stays exactly as it is.
	Decided bool
	// Hold is what an alert that is not decided is marked with. With nil it keeps the
	// mark that it has: its turn comes later.
	Hold *alert.Hold
}

// Decide tells whether something can be decided at a time. It is asked of the
// elements of an expression by their labels, before the rule's own are added, with
// agent ""; and of an alert by its labels and its agent.
type Decide func(labels metric.Labels, agent string, t int64) Decision

// Env is what an evaluation works with.
type Env struct {
	Querier Querier
	// Decide may be nil: all is decided.
	Decide Decide
	// Record is called with what a rule recorded, before the next rule is evaluated; it
	// may be nil.
	Record func([]query.Sample)
	// Late tells that this makes up for times that were not evaluated when they should
	// have been, because data came late: what happened before the last time is marked
	// as corrected.
	Late bool
}

// Options are what the rules of a group have in common.
type Options struct {
	ExternalLabels map[string]string // for templates
	ExternalURL    string            // for templates: where people find the platform
	// GeneratorURL returns where people find the expression of a rule; it may be nil.
	GeneratorURL func(*rule.Rule) string
	// Series has results include the series ALERTS and ALERTS_FOR_STATE.
	Series bool
	// Plain leaves annotations out, for those who do not need them.
	Plain bool
}

// RuleInfo is a rule and what its expression stands on.
type RuleInfo struct {
	Rule  *rule.Rule
	Shape query.Shape // of Expr, Clear included
}

// Group evaluates the rules of a group and has the states of their alerts. It is
// used by one goroutine.
type Group struct {
	group    *rule.Group
	opt      Options
	interval int64
	infos    []RuleInfo
	machines []*machine  // nil for recording rules
	recorder []*recorder // nil for alerting rules
}

// NewGroup returns a group without alerts. The rules must be valid.
func NewGroup(g *rule.Group, opt Options) (*Group, error) {
	if g.Interval < time.Millisecond {
		return nil, fmt.Errorf("rule group %s: an interval of %s is too short; give at least 1ms", g.ID(), g.Interval)
	}
	out := &Group{group: g, opt: opt, interval: g.Interval.Milliseconds()}
	for _, r := range g.Rules {
		shape, err := shapeOf(r)
		if err != nil {
			return nil, fmt.Errorf("rule group %s: rule %s: %w", g.ID(), r.Name(), err)
		}
		out.infos = append(out.infos, RuleInfo{Rule: r, Shape: shape})
		var m *machine
		var rec *recorder
		if r.Record != "" {
			rec = newRecorder(r)
			rec.apart = shape.SpanDependent
		} else if m, err = newMachine(r, out); err != nil {
			return nil, fmt.Errorf("rule group %s: rule %s: %w", g.ID(), r.Name(), err)
		} else {
			m.apart = shape.SpanDependent
		}
		out.machines, out.recorder = append(out.machines, m), append(out.recorder, rec)
	}
	return out, nil
}

// shapeOf returns what a rule stands on, over all its expressions.
func shapeOf(r *rule.Rule) (query.Shape, error) {
	shape, err := query.Analyse(r.Expr)
	if err != nil || r.Clear == "" {
		return shape, err //nolint:wrapcheck // it says what is wrong with the expression
	}
	other, err := query.Analyse(r.Clear)
	if err != nil {
		return shape, fmt.Errorf("clear: %w", err)
	}
	shape.Entity = shape.Entity && other.Entity
	shape.Identity = both(shape.Identity, other.Identity)
	shape.Split = both(shape.Split, other.Split)
	shape.Metrics = slices.Compact(slices.Sorted(slices.Values(slices.Concat(shape.Metrics, other.Metrics))))
	shape.AnyMetric = shape.AnyMetric || other.AnyMetric
	shape.SpanDependent = shape.SpanDependent || other.SpanDependent
	return shape, nil
}

func both(a, b []string) []string {
	return slices.DeleteFunc(a, func(name string) bool { return !slices.Contains(b, name) })
}

// Restore takes over the alerts that are kept, in place of those it has. Those of
// other rules are ignored.
func (g *Group) Restore(alerts []alert.Alert) {
	byRule := map[string][]*alert.Alert{}
	for i := range alerts {
		byRule[alerts[i].RuleID] = append(byRule[alerts[i].RuleID], &alerts[i])
	}
	for i, r := range g.group.Rules {
		if g.machines[i] != nil {
			g.machines[i].restore(byRule[r.ID])
		} else {
			g.recorder[i].forget()
		}
	}
}

// Rules returns the rules in their order.
func (g *Group) Rules() []RuleInfo { return g.infos }

// Alerts returns all alerts that are kept, sorted by key.
func (g *Group) Alerts() []alert.Alert {
	var all []alert.Alert
	for _, m := range g.machines {
		if m == nil {
			continue
		}
		for _, s := range m.active {
			all = append(all, *s.alert)
		}
	}
	slices.SortFunc(all, compareAlerts)
	return all
}

// Rebegin has the episode that a firing alert is in begin as the given one does, which
// is of the same alert, and returns the alert. The alert itself fires since when it did.
func (g *Group) Rebegin(i int, e *alert.Episode) alert.Alert {
	a := g.machines[i].slots[e.Key].alert
	a.Began = &alert.Beginning{Active: e.Active, Fired: e.Fired, FireValue: e.FireValue}
	a.Corrected = true
	return *a
}

// Open returns the episodes of the alerts that fire.
func (g *Group) Open() []alert.Episode {
	var open []alert.Episode
	for _, m := range g.machines {
		if m != nil {
			open = append(open, m.open()...)
		}
	}
	slices.SortFunc(open, compareEpisodes)
	return open
}

// EvalRule evaluates one rule at ascending multiples of the group's interval. It may
// be called again for the same times when more is decided: an alert is not changed
// by a time up to which it was evaluated before.
//
// If the rule fails at a time, that time and later ones are not evaluated; the
// result has the error, and what is firing or pending is marked as held. The error
// that EvalRule returns is that of the context; the state of the rule must then be
// restored.
func (g *Group) EvalRule(ctx context.Context, i int, times []int64, env Env) (Result, error) {
	if len(times) == 0 {
		return Result{}, nil
	}
	out := newOutcome()
	out.late, out.last = env.Late, times[len(times)-1]
	var err error
	if g.machines[i] != nil {
		err = g.evalAlerting(ctx, g.machines[i], times, env, out)
	} else {
		err = g.evalRecording(ctx, g.recorder[i], times, env, out)
	}
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("evaluate rule %s: %w", g.group.Rules[i].Name(), ctx.Err())
	}
	if failure, failed := err.(*RuleError); failed { //nolint:errorlint // it is returned as it is
		out.errors = append(out.errors, *failure)
	}
	result := out.result()
	if env.Record != nil && len(result.Samples) > 0 {
		env.Record(result.Samples)
	}
	return result, nil
}

// Eval evaluates all rules in their order at ascending multiples of the group's
// interval. A rule sees what the rules before it recorded at the same time, if
// env.Record sees to that; one that reads what is recorded further down sees that of
// the time before.
func (g *Group) Eval(ctx context.Context, times []int64, env Env) (Result, error) {
	spans := [][]int64{times}
	if g.Interleaved() {
		spans = slices.Collect(slices.Chunk(times, 1))
	}
	var all Result
	for _, span := range spans {
		for i := range g.group.Rules {
			one, err := g.EvalRule(ctx, i, span, env)
			if err != nil {
				return all, err
			}
			all.Add(one)
		}
	}
	return all, nil
}

// Interleaved tells whether a rule reads what it or a rule further down records, so
// that several times cannot be evaluated rule by rule.
func (g *Group) Interleaved() bool {
	later := map[string]bool{}
	for i := len(g.infos) - 1; i >= 0; i-- {
		r, shape := g.infos[i].Rule, g.infos[i].Shape
		if r.Record != "" {
			later[r.Record] = true
		} else if g.opt.Series {
			later[alertsSeries], later[forStateSeries] = true, true
		}
		if len(later) > 0 && shape.AnyMetric || slices.ContainsFunc(shape.Metrics, func(name string) bool { return later[name] }) {
			return true
		}
	}
	return false
}

// Hold marks what is pending or firing with the reason why it cannot be decided now,
// and takes the mark off where there is none. A reason that stays is left as it was
// said at first.
func (g *Group) Hold(t int64, why func(*alert.Alert) *alert.Hold) Result {
	out := newOutcome()
	for _, m := range g.machines {
		if m != nil {
			m.holdAll(t, why, out)
		}
	}
	return out.result()
}

// End resolves and forgets the alerts that keep refuses, at a time: those of an agent
// that was removed, or all of a rule that is gone.
func (g *Group) End(t int64, keep func(*alert.Alert) bool) Result {
	out := newOutcome()
	for _, m := range g.machines {
		if m != nil {
			m.end(t, keep, out)
		}
	}
	return out.result()
}
