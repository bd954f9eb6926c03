package eval_test

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
)

const (
	second   = int64(1000)
	minute   = 60 * second
	interval = minute
)

// rig evaluates rules over series in memory, minute by minute. What rules record is
// added to the series.
type rig struct {
	t         testing.TB
	memory    *query.Memory
	evaluator *query.Evaluator
	group     *eval.Group
	env       eval.Env
	kept      kept
}

// kept is what a database would have.
type kept struct {
	alerts   map[alert.Key]alert.Alert
	episodes map[alert.EpisodeID]alert.Episode
	events   []alert.Event
	all      bool // also what need not be stored
}

func newRig(t testing.TB, series map[string]string, rules ...*rule.Rule) *rig {
	t.Helper()
	r := &rig{t: t, memory: query.NewMemory()}
	r.kept = kept{map[alert.Key]alert.Alert{}, map[alert.EpisodeID]alert.Episode{}, nil, false}
	for name, values := range series {
		r.add(name, values)
	}
	evaluator, err := query.NewEvaluator(query.DefaultConfig(), r.memory, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.evaluator = evaluator
	r.env = eval.Env{Querier: evaluator, Record: func(s []query.Sample) { r.memory.Add(s...) }}
	r.open(rules...)
	return r
}

// add adds values in promtool's notation, one a minute from 0.
func (r *rig) add(name, values string) {
	r.t.Helper()
	labels, sequence, err := query.ParseSeries(name + " " + values)
	if err != nil {
		r.t.Fatal(err)
	}
	for i, v := range sequence {
		if !v.Omitted {
			r.memory.Add(query.Sample{Labels: labels, T: int64(i) * minute, V: v.V})
		}
	}
}

func (r *rig) open(rules ...*rule.Rule) {
	r.t.Helper()
	g, err := eval.NewGroup(&rule.Group{File: "f", Name: "g", Interval: time.Minute, Rules: named(rules)}, eval.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.group = g
}

func named(rules []*rule.Rule) []*rule.Rule {
	for i, one := range rules {
		if one.ID == "" {
			one.ID = fmt.Sprintf("f;g;%s;%d", one.Name(), i)
		}
	}
	return rules
}

// reopen goes on as another process does: with what the database has.
func (r *rig) reopen() {
	r.t.Helper()
	var rules []*rule.Rule
	for _, info := range r.group.Rules() {
		rules = append(rules, info.Rule)
	}
	r.open(rules...)
	r.group.Restore(slices.Collect(maps.Values(r.kept.alerts)))
}

// eval evaluates all rules at times given in minutes.
func (r *rig) eval(minutes ...int64) eval.Result {
	r.t.Helper()
	for i := range minutes {
		minutes[i] *= minute
	}
	result, err := r.group.Eval(r.t.Context(), minutes, r.env)
	if err != nil {
		r.t.Fatal(err)
	}
	r.kept.take(&result)
	return result
}

// take stores what changed.
func (k *kept) take(r *eval.Result) {
	for _, key := range r.Forget {
		delete(k.alerts, key)
	}
	for _, a := range r.Alerts {
		k.alerts[a.Key] = a
	}
	for _, a := range r.Refreshed {
		if k.all {
			k.alerts[a.Key] = a
		}
	}
	for _, e := range r.Episodes {
		k.episodes[e.ID()] = e
	}
	k.events = append(k.events, r.Events...)
}

// states shows all alerts: host=state, in the order of hosts, with marks for what
// else is the case.
func (r *rig) states() string {
	var all []string
	for _, a := range r.group.Alerts() {
		text := a.Labels.Get("host") + "=" + string(a.State)
		if a.NoData {
			text += "(no data)"
		}
		if a.Hold != nil {
			text += "(" + string(a.Hold.Reason) + ")"
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// timeline evaluates minute by minute and returns what is the case at each, the first
// letters only.
func (r *rig) timeline(from, to int64) string {
	r.t.Helper()
	var line []string
	for m := from; m <= to; m++ {
		r.eval(m)
		state := r.states()
		_, state, _ = strings.Cut(state, "=")
		switch {
		case state == "":
			state = "-"
		case strings.Contains(state, "("):
			state = strings.ToUpper(state[:1])
		default:
			state = state[:1]
		}
		line = append(line, state)
	}
	return strings.Join(line, "")
}

// showEpisodes returns the episodes in minutes: host fired-resolved.
func (k *kept) showEpisodes() string {
	var all []string
	for _, e := range k.episodes {
		end := "…"
		if e.Resolved > 0 {
			end = fmt.Sprint(e.Resolved / minute)
		}
		all = append(all, fmt.Sprintf("%s %d-%s", e.Labels.Get("host"), e.Fired/minute, end))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (k *kept) kinds() string {
	var all []string
	for _, e := range k.events {
		all = append(all, fmt.Sprintf("%s@%d", e.Kind, e.Time/minute))
	}
	return strings.Join(all, " ")
}

func labels(pairs ...string) metric.Labels {
	var ls []metric.Label
	for i := 0; i < len(pairs); i += 2 {
		ls = append(ls, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return metric.NewLabels(ls...)
}
