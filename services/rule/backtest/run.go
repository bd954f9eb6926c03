package backtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
)

// Options say what is run, and how.
type Options struct {
	// Rule is the id of the only rule that counts; of the others in the group those are
	// evaluated that record what it reads. Empty: all rules count.
	Rule string
	// Interval is how often rules are evaluated; that of the group if it is 0.
	Interval time.Duration
	// Known are the episodes that live evaluation gave. With them, what fired when the
	// span begins has the beginning it had; without, it is taken to have begun then.
	Known []alert.Episode
	// MaxEpisodes is how many episodes the report has; 10,000 if it is 0. All count.
	MaxEpisodes int
	// Workers is how many goroutines share the work where it can be shared, which does
	// not change the result; 2 if it is 0.
	Workers int
	// Eval is what templates of labels are expanded with.
	Eval eval.Options
}

// Limits of a backtest.
const (
	defaultEpisodes = 10_000
	maxWorkers      = 16
	maxEvaluations  = 5_000_000 // of one rule
	// How many times are evaluated before the next rule is: what the rules before it
	// record for them is held in memory.
	chunk = 4096
)

// Report is what rules would have done.
type Report struct {
	Episodes    []alert.Episode // by the time they fired; at most MaxEpisodes
	Total       int64           // how many there are
	Firing      time.Duration   // how long alerts fired within the span, all together
	Hosts       []HostSummary   // by host
	Evaluations int64           // of rules that count
	Warnings    []string        // what to know about the result
}

// HostSummary is what rules would have done about a host.
type HostSummary struct {
	Host     string // host_name, or else instance; "" for neither
	Episodes int64
	Firing   time.Duration
}

// Run evaluates the rules of a group at all times of it between two, both included,
// over what the evaluator reads. What rules record is computed anew, in memory; what
// was recorded before from is taken from the source.
func Run(ctx context.Context, evaluator *query.Evaluator, g *rule.Group, from, to time.Time, opt Options) (*Report, error) {
	own, err := needed(g, &opt)
	if err != nil {
		return nil, err
	}
	if to.Before(from) {
		return nil, fmt.Errorf("backtest: the end %s is before the start %s", to.UTC().Format(time.RFC3339), from.UTC().Format(time.RFC3339))
	}
	if n := int64(to.Sub(from) / own.Interval); n > maxEvaluations {
		return nil, fmt.Errorf("backtest: %d evaluations; the limit is %d: use a shorter span or a longer interval", n, maxEvaluations)
	}
	r := &run{group: own, from: from.UnixMilli(), to: to.UnixMilli(), opt: opt, evaluator: evaluator}
	return r.all(ctx)
}

// needed returns the group with the rules that are evaluated.
func needed(g *rule.Group, opt *Options) (*rule.Group, error) {
	own := *g
	if opt.Interval > 0 {
		own.Interval = opt.Interval
	}
	if own.Interval < time.Millisecond {
		return nil, fmt.Errorf("backtest: an interval of %s is too short; give at least 1ms", own.Interval)
	}
	if opt.MaxEpisodes <= 0 {
		opt.MaxEpisodes = defaultEpisodes
	}
	if opt.Workers <= 0 {
		opt.Workers = 2
	}
	opt.Workers, opt.Eval.Plain, opt.Eval.Series = min(opt.Workers, maxWorkers), true, false
	if opt.Rule == "" {
		return &own, nil
	}
	i := slices.IndexFunc(g.Rules, func(r *rule.Rule) bool { return r.ID == opt.Rule })
	if i < 0 {
		return nil, fmt.Errorf("backtest: the group %s has no rule %s", g.ID(), opt.Rule)
	}
	var err error
	own.Rules, err = readBy(g.Rules[:i+1])
	return &own, err
}

// readBy returns the last of the rules and those before it that record what it reads.
func readBy(rules []*rule.Rule) ([]*rule.Rule, error) {
	last := len(rules) - 1
	kept := []*rule.Rule{rules[last]}
	read, all := map[string]bool{}, false
	for i := last; i >= 0; i-- {
		r := rules[i]
		if i < last && (r.Record == "" || !all && !read[r.Record]) {
			continue
		}
		if i < last {
			kept = append(kept, r)
		}
		for _, expr := range []string{r.Expr, r.Clear} {
			if expr == "" {
				continue
			}
			shape, err := query.Analyse(expr)
			if err != nil {
				return nil, fmt.Errorf("backtest: rule %s: %w", r.Name(), err)
			}
			all = all || shape.AnyMetric
			for _, name := range shape.Metrics {
				read[name] = true
			}
		}
	}
	slices.Reverse(kept)
	return kept, nil
}

// run is one backtest.
type run struct {
	group     *rule.Group
	from, to  int64
	opt       Options
	evaluator *query.Evaluator
}

// all runs the parts that the work can be split into.
func (r *run) all(ctx context.Context) (*Report, error) {
	if label := r.splitBy(); label != "" && r.opt.Workers > 1 {
		report, err := r.split(ctx, label)
		if err != nil || report != nil {
			return report, err
		}
	}
	s := newSummary(r)
	if err := r.part(ctx, nil, s); err != nil {
		return nil, err
	}
	return s.report(), nil
}

// part evaluates the rules over the series that match; nil is all.
func (r *run) part(ctx context.Context, mine query.Matcher, s *summary) error {
	source, known := r.evaluator.Source(), r.opt.Known
	if mine != nil {
		source = query.Restrict(source, nil, mine)
		known = slices.DeleteFunc(slices.Clone(known), func(e alert.Episode) bool { return !mine.Matches(e.Labels.Get(mine.Name())) })
	}
	group, err := eval.NewGroup(r.group, r.opt.Eval)
	if err != nil {
		return fmt.Errorf("backtest: %w", err)
	}
	begins := make([]int64, len(r.group.Rules))
	for i := range begins {
		if begins[i], err = group.Seed(ctx, i, r.from, known, eval.Env{Querier: r.evaluator.With(source)}); err != nil {
			return fmt.Errorf("backtest: %w", err)
		}
	}
	first := slices.Min(begins)
	source, record := r.recorded(source, first)
	env := eval.Env{Querier: r.evaluator.With(source), Record: record}
	step := chunk
	if group.Interleaved() {
		step = 1
	}
	interval := r.group.Interval.Milliseconds()
	for t := first; t <= r.to; t += int64(step) * interval {
		var times []int64
		for at := t; at <= r.to && len(times) < step; at += interval {
			times = append(times, at)
		}
		for i, one := range r.group.Rules {
			due := times
			if one.Alert != "" {
				due = from(times, begins[i])
			}
			if err := r.evaluate(ctx, group, i, due, env, s); err != nil {
				return err
			}
		}
	}
	for _, e := range group.Open() {
		s.open[e.ID()] = e // also those that fired all the time
	}
	return nil
}

// from returns the times that are not before one.
func from(times []int64, begin int64) []int64 {
	n, _ := slices.BinarySearch(times, begin)
	return times[n:]
}

// evaluate evaluates one rule. Where that fails it goes on with the next time, as in
// operation.
func (r *run) evaluate(ctx context.Context, group *eval.Group, i int, times []int64, env eval.Env, s *summary) error {
	for len(times) > 0 {
		result, err := group.EvalRule(ctx, i, times, env)
		if err != nil {
			return fmt.Errorf("backtest: %w", err)
		}
		s.take(&result)
		if len(result.Errors) == 0 {
			return nil
		}
		s.failed(&result.Errors[0])
		times = from(times, result.Errors[0].T+1)
	}
	return nil
}

// recorded returns a source that has what the group's rules record, as they do so
// from a time on, in place of what was recorded since.
func (r *run) recorded(source query.Source, first int64) (query.Source, func([]query.Sample)) {
	names := map[string]bool{}
	for _, one := range r.group.Rules {
		if one.Record != "" {
			names[one.Record] = true
		}
	}
	if len(names) == 0 {
		return source, nil
	}
	interval := r.group.Interval
	cfg := query.OverlayConfig{Age: chunk*interval + maxLookback, MaxSamples: maxRecorded}
	overlay := query.NewOverlay(query.Until(source, first-1, func(ls metric.Labels) bool { return names[ls.Get(metric.NameLabel)] }), cfg)
	newest := int64(0) // the clock: times are gone through in their order
	return overlay, func(samples []query.Sample) {
		for i := range samples {
			newest = max(newest, samples[i].T)
		}
		overlay.Add(time.UnixMilli(newest), samples)
	}
}

const (
	// maxLookback is how far back rules see what others recorded in the span.
	maxLookback = 24 * time.Hour
	maxRecorded = 20_000_000
)
