package eval_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
)

// TestTimeline evaluates rules over one series and shows what is the case at each
// minute: - nothing, p pending, f firing, r resolved; in capitals without data.
func TestTimeline(t *testing.T) {
	t.Parallel()
	office, err := rule.ParseSchedule("00:02-00:04 UTC")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, values, want string
		rule               rule.Rule
	}{
		{"at once", "1 9 9 1 9", "-ffrf", rule.Rule{}},
		{"for", "9 9 9 1 9 1", "ppfrp-", rule.Rule{For: 2 * time.Minute}},
		{"for between two times", "9 9 9 1", "ppfr", rule.Rule{For: 90 * time.Second}},
		{"kept firing", "9 1 1 9 1 1 1", "fffffff"[:6] + "r", rule.Rule{KeepFiringFor: 2 * time.Minute}},
		{"pending is not kept", "9 1 9", "p-p", rule.Rule{For: time.Minute, KeepFiringFor: time.Hour}},
		{"cleared", "5 9 5 4 2 5 9", "-fffrrf", rule.Rule{Clear: "v < 3"}},
		{"not cleared twice", "9 2 9 5 2 2", "frffrr", rule.Rule{Clear: "v < 3"}},
		{"pending needs no clearing", "9 5 9 9 5", "p-pff", rule.Rule{For: time.Minute, Clear: "v < 3"}},
		{"gone and never cleared", "9 5 stale _ _", "ffrrr", rule.Rule{Clear: "v < 3"}},
		{"cleared, then kept firing", "9 2 2 2", "fffr", rule.Rule{Clear: "v < 3", KeepFiringFor: 2 * time.Minute}},
		{"no data resolves", "9 stale _ 9", "frrf", rule.Rule{NoData: rule.NoDataResolve}},
		{"no data keeps", "9 stale _ 9 stale 1", "fFFfFr", rule.Rule{NoData: rule.NoDataKeep}},
		{"no data keeps nothing pending", "9 stale 9", "p-p", rule.Rule{For: time.Minute, NoData: rule.NoDataKeep}},
		{"no data and a clear condition", "9 stale _ 5 2", "fFFfr", rule.Rule{NoData: rule.NoDataKeep, Clear: "v < 3"}},
		{"no data fires", "1 1 stale _ _ 1 1", "--PPFrr", rule.Rule{For: 2 * time.Minute, NoData: rule.NoDataAlert}},
		{"no data fires at once", "1 stale _ 9 1", "-FFfr", rule.Rule{NoData: rule.NoDataAlert}},
		{"pending begins anew without data", "9 stale _ 9 9 9", "pPFfff", rule.Rule{For: time.Minute, NoData: rule.NoDataAlert}},
		{"never any data", "_ _ 1 1", "----", rule.Rule{NoData: rule.NoDataAlert}},
		{"by schedule", "9 9 9 9 9 9", "--ffrr", rule.Rule{Schedule: office}},
		{"nothing is kept off schedule", "9 9 9 9 9 9", "--ffrr", rule.Rule{Schedule: office, KeepFiringFor: time.Hour, Clear: "v < 0", NoData: rule.NoDataKeep}},
		{"pending off schedule", "9 9 9 9 9 9", "--pp--", rule.Rule{Schedule: office, For: 2 * time.Minute}},
		{"forgotten", "9 1x17", "f" + strings.Repeat("r", 16) + "-", rule.Rule{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			one := c.rule
			one.Alert, one.Expr = "A", "v > 8"
			r := newRig(t, map[string]string{`v{host="a"}`: c.values}, &one)
			if got := r.timeline(0, int64(len(c.want))-1); got != c.want {
				t.Errorf("%s: is %s, want %s", c.values, got, c.want)
			}
			again := c.rule
			again.Alert, again.Expr = "A", "v > 8"
			other := newRig(t, map[string]string{`v{host="a"}`: c.values}, &again)
			var line string
			for m := range int64(len(c.want)) {
				line += other.timeline(m, m)
				other.reopen()
			}
			if line != c.want {
				t.Errorf("%s: with another process each minute it is %s, want %s", c.values, line, c.want)
			}
		})
	}
}

// TestAlert shows all that an alert has, and that it is brought up to date.
func TestAlert(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{`v{host="a",mode="x"}`: "9 10 1"}, &rule.Rule{
		Alert: "Full", Expr: `v > 8`, For: time.Minute,
		Labels:      map[string]string{"severity": `{{ if gt $value 20.0 }}high{{ else }}low{{ end }}`, "mode": ""},
		Annotations: map[string]string{"summary": "{{ $labels.host }} is at {{ $value }}"},
	})
	r.eval(0)
	first := r.eval(1)
	want := labels("alertname", "Full", "host", "a", "severity", "low")
	if len(first.Alerts) != 1 || metric.Compare(first.Alerts[0].Labels, want) != 0 {
		t.Fatalf("alerts are %+v, want one with the labels %v", first.Alerts, want)
	}
	a := first.Alerts[0]
	if a.Key != alert.KeyOf(a.RuleID, want) || a.State != alert.Firing || a.Value != 10 || a.FireValue != 10 ||
		a.Active != 0 || a.Fired != minute || a.Evaluated != minute || a.Annotations["summary"] != "a is at 10" {
		t.Errorf("the alert is %+v", a)
	}
	over := r.eval(2)
	if len(over.Alerts) != 1 || over.Alerts[0].State != alert.Resolved || over.Alerts[0].Resolved != 2*minute || over.Alerts[0].Value != 10 {
		t.Errorf("then it is %+v", over.Alerts)
	}
	if e := over.Episodes; len(e) != 1 || e[0].Fired != minute || e[0].Resolved != 2*minute || e[0].FireValue != 10 || e[0].LastValue != 10 || e[0].Corrected {
		t.Errorf("episodes are %+v", e)
	}
	if got := r.kept.kinds(); got != "pending@0 firing@1 resolved@2" {
		t.Errorf("events are %s", got)
	}
}

// TestRefreshed tells what has to be stored from what need not be.
func TestRefreshed(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{`v{host="a"}`: "9 10 11"}, &rule.Rule{Alert: "A", Expr: "v > 8", Annotations: map[string]string{"v": "{{ $value }}"}})
	if first := r.eval(0); len(first.Alerts) != 1 || len(first.Refreshed) != 0 {
		t.Errorf("a new alert gives %+v", first)
	}
	next := r.eval(1)
	if len(next.Alerts) != 0 || len(next.Refreshed) != 1 || next.Refreshed[0].Value != 10 || next.Refreshed[0].Annotations["v"] != "10" {
		t.Errorf("a new value gives %+v", next)
	}
}

// TestHeld has agent a silent: what is known of it stays as it was, and nothing new
// comes from what is left of its data.
func TestHeld(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{`v{host="a"}`: "9 9 1 1 1 9", `v{host="b"}`: "9 9 1 1 9 9", `v{host="c"}`: "1 9 9 9 9 9"}, &rule.Rule{Alert: "A", Expr: "v > 8"})
	silent := &alert.Hold{Reason: alert.AgentSilent, Message: "Agent a sends nothing."}
	r.env.Decide = func(ls metric.Labels, agent string, tm int64) eval.Decision {
		host := ls.Get("host")
		if agent != "" && agent != host {
			t.Errorf("the agent of %s is said to be %s", host, agent)
		}
		switch {
		case tm > 4*minute, host == "b", host == "c" && tm < minute:
			return eval.Decision{Agent: host, Decided: true}
		case host == "a" && tm > 0:
			return eval.Decision{Agent: host, Hold: silent}
		case host == "c":
			return eval.Decision{Agent: host}
		}
		return eval.Decision{Agent: host, Decided: true}
	}
	for m, want := range []string{
		"a=firing b=firing", "a=firing(agent_silent) b=firing", "a=firing(agent_silent) b=resolved",
		"a=firing(agent_silent) b=resolved", "a=firing(agent_silent) b=firing", "a=firing b=firing c=firing",
	} {
		r.eval(int64(m))
		if got := r.states(); got != want {
			t.Errorf("minute %d: %s, want %s", m, got, want)
		}
	}
	for _, a := range r.group.Alerts() {
		if a.Agent != a.Labels.Get("host") {
			t.Errorf("the agent of %v is %q", a.Labels, a.Agent)
		}
	}
	if got := r.kept.kinds(); !strings.Contains(got, "held@1") || strings.Count(got, "held") != 1 || !strings.Contains(got, "released@5") {
		t.Errorf("events are %s", got)
	}
}

// TestHold marks alerts between evaluations.
func TestHold(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{`v{host="a"}`: "9 9", `v{host="b"}`: "9 1", `v{host="c"}`: "9 9"}, &rule.Rule{Alert: "A", Expr: "v > 8"})
	r.eval(0)
	r.eval(1)
	hold := func(at int64, message string, hosts string) eval.Result {
		return r.group.Hold(at, func(a *alert.Alert) *alert.Hold {
			if !strings.Contains(hosts, a.Labels.Get("host")) {
				return nil
			}
			return &alert.Hold{Reason: alert.AgentSilent, Message: message}
		})
	}
	if got := hold(100, "first", "ab"); len(got.Alerts) != 1 || r.states() != "a=firing(agent_silent) b=resolved c=firing" || got.Alerts[0].Hold.Since != 100 {
		t.Errorf("changed %+v, now %s", got, r.states())
	}
	if got := hold(200, "second", "a"); len(got.Alerts)+len(got.Events) != 0 || r.group.Alerts()[0].Hold != nil && r.group.Alerts()[0].Hold.Message != "first" {
		t.Errorf("again: changed %+v", got)
	}
	if got := hold(300, "third", "c"); len(got.Alerts) != 2 || len(got.Events) != 2 || r.states() != "a=firing b=resolved c=firing(agent_silent)" {
		t.Errorf("changed %+v, now %s", got, r.states())
	}
}

// TestFailing has a rule fail for a while.
func TestFailing(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{
		`v{host="a",n="1"}`: "9 9 9 1", `v{host="b",n="1"}`: "1 9 1 1", `v{host="a",n="2"}`: "1 9 9 1",
	}, &rule.Rule{Alert: "A", Expr: "v > 8", For: time.Minute, Labels: map[string]string{"n": ""}})
	r.eval(0)
	result := r.eval(1)
	if len(result.Errors) != 1 || result.Errors[0].T != minute || !strings.Contains(result.Errors[0].Error(), "rule A: two series have the same labels") {
		t.Fatalf("errors are %v", result.Errors)
	}
	if got, want := r.states(), "a=pending(evaluation_failed)"; got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
	if again := r.eval(2); len(again.Alerts) != 0 || len(again.Events) != 0 {
		t.Errorf("failing again changes %+v", again)
	}
	r.eval(3)
	if got, want := r.states(), ""; got != want {
		t.Errorf("in the end it is %s, want %s", got, want)
	}
}

// TestLimit has more alerts than the group allows.
func TestLimit(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{`v{host="a"}`: "9 9 9", `v{host="b"}`: "1 9 9", `v{host="c"}`: "1 9 1"})
	g, err := eval.NewGroup(&rule.Group{
		File: "f", Name: "g", Interval: time.Minute, Limit: 2,
		Rules: named([]*rule.Rule{{Alert: "A", Expr: "v > 8"}, {Record: "r", Expr: "v > 8"}}),
	}, eval.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.group = g
	r.eval(0)
	result := r.eval(1)
	if len(result.Errors) != 2 || !strings.Contains(result.Errors[0].Error(), "it has 3 alerts; the limit of the group is 2") ||
		!strings.Contains(result.Errors[1].Error(), "it has 3 series") || len(result.Samples) != 0 {
		t.Errorf("errors are %v, samples %v", result.Errors, result.Samples)
	}
	if got, want := r.states(), "a=firing(evaluation_failed)"; got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
	if r.eval(2); r.states() != "a=firing b=firing" {
		t.Errorf("then it is %s", r.states())
	}
}

// TestLongerFor has a rule changed while it fires, so that it had not fired yet.
func TestLongerFor(t *testing.T) {
	t.Parallel()
	one := &rule.Rule{Alert: "A", Expr: "v > 8", For: time.Minute}
	r := newRig(t, map[string]string{`v{host="a"}`: "9x9"}, one)
	if got := r.timeline(0, 2); got != "pff" {
		t.Errorf("it is %s", got)
	}
	one.For = 4 * time.Minute
	r.reopen()
	if got := r.timeline(3, 5); got != "pff" || r.kept.showEpisodes() != "a 1-3, a 4-…" {
		t.Errorf("it is %s, episodes %s", got, r.kept.showEpisodes())
	}
}

// TestRepeated evaluates the same time again, as after a crash or when the data of
// another agent has come.
func TestRepeated(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{`v{host="a"}`: "9 1 9"}, &rule.Rule{Alert: "A", Expr: "v > 8"})
	r.eval(0)
	r.eval(1)
	for _, m := range []int64{0, 1} {
		if again := r.eval(m); len(again.Alerts)+len(again.Events)+len(again.Episodes)+len(again.Refreshed) != 0 {
			t.Errorf("minute %d again changes %+v", m, again)
		}
	}
	if got := r.states(); got != "a=resolved" {
		t.Errorf("it is %s", got)
	}
}

// TestRecording shows what is recorded, with stale markers, and that later rules and a
// process that goes on see it.
func TestRecording(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{`v{host="a"}`: "1 2 stale _", `v{host="b"}`: "5 6 7 8"},
		&rule.Rule{Record: "twice", Expr: "v * 2", Labels: map[string]string{"made": "{{ here }}"}},
		&rule.Rule{Alert: "A", Expr: "twice > 11"})
	first := r.eval(0)
	if len(first.Samples) != 2 || first.Samples[0].V != 2 || metric.Compare(first.Samples[0].Labels, labels("__name__", "twice", "host", "a", "made", "{{ here }}")) != 0 {
		t.Errorf("samples are %+v", first.Samples)
	}
	if r.eval(1); r.states() != "b=firing" {
		t.Errorf("with what was recorded there is %q", r.states())
	}
	r.reopen()
	third := r.eval(2)
	if len(third.Samples) != 2 || !metric.IsStale(third.Samples[0].V) || third.Samples[0].Labels.Get("host") != "a" || third.Samples[1].V != 14 {
		t.Errorf("samples are %+v", third.Samples)
	}
	if fourth := r.eval(3); len(fourth.Samples) != 1 {
		t.Errorf("samples are %+v", fourth.Samples)
	}
}

// TestSeriesOfAlerts shows ALERTS and ALERTS_FOR_STATE.
func TestSeriesOfAlerts(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{`v{host="a"}`: "9 9 1"})
	g, err := eval.NewGroup(&rule.Group{Name: "g", Interval: time.Minute, Offset: time.Minute, Rules: named([]*rule.Rule{{Alert: "A", Expr: "v > 8", For: time.Minute}})}, eval.Options{Series: true})
	if err != nil {
		t.Fatal(err)
	}
	r.group = g
	var got []string
	for m := range int64(4) {
		for _, s := range r.eval(m).Samples {
			v := "1"
			switch {
			case metric.IsStale(s.V):
				v = "stale"
			case s.V != 1:
				v = "60"
			}
			got = append(got, s.Labels.Get("__name__")+s.Labels.Get("alertstate")+"="+v)
			if s.T != (m-1)*minute {
				t.Errorf("the sample %v is of %d", s, s.T)
			}
		}
	}
	want := "ALERTSpending=1 ALERTS_FOR_STATE=60 ALERTSfiring=1 ALERTSpending=stale ALERTS_FOR_STATE=60 ALERTSfiring=stale ALERTS_FOR_STATE=stale"
	if strings.Join(got, " ") != want {
		t.Errorf("samples are\n%s, want\n%s", strings.Join(got, " "), want)
	}
}

// TestEnd is for a rule or an agent that is gone.
func TestEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{`v{host="a"}`: "9", `v{host="b"}`: "9"}, &rule.Rule{Alert: "A", Expr: "v > 8"})
	r.eval(0)
	result := r.group.End(3*minute, func(a *alert.Alert) bool { return a.Labels.Get("host") == "a" })
	r.kept.take(&result)
	if len(result.Forget) != 1 || r.kept.showEpisodes() != "a 0-…, b 0-3" || r.states() != "a=firing" {
		t.Errorf("forgotten %v, episodes %s, alerts %s", result.Forget, r.kept.showEpisodes(), r.states())
	}
}

// TestOrderMatters tells groups that cannot be evaluated rule by rule for many times.
func TestInterleaved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want  bool
		rules []*rule.Rule
	}{
		{false, []*rule.Rule{{Record: "r", Expr: "v"}, {Alert: "A", Expr: "r > 1"}}},
		{true, []*rule.Rule{{Alert: "A", Expr: "r > 1"}, {Record: "r", Expr: "v"}}},
		{true, []*rule.Rule{{Record: "r", Expr: "v + (r offset 1m or v)"}}},
		{true, []*rule.Rule{{Record: "r", Expr: `sum({__name__=~"v.+"})`}}},
		{true, []*rule.Rule{{Record: "r", Expr: `v`}, {Alert: "A", Expr: "v > 1", Clear: `{job="x"} < 1`}, {Record: "s", Expr: "v"}}},
		{false, []*rule.Rule{{Alert: "A", Expr: `{job="x"} > 1`}}},
	} {
		r := newRig(t, nil, c.rules...)
		if got := r.group.Interleaved(); got != c.want {
			t.Errorf("%s: %v, want %v", c.rules[0].Expr, got, c.want)
		}
	}
}

// TestSelfReference evaluates a rule that reads what it recorded, many times at once.
func TestSelfReference(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{`v{host="a"}`: "1x9"}, &rule.Rule{Record: "total", Expr: "(total offset 1m or v * 0) + v"})
	samples := r.eval(0, 1, 2, 3, 4, 5).Samples
	if len(samples) != 6 || samples[5].V != 6 {
		t.Errorf("samples are %v", samples)
	}
}

// TestHostile has rules that cannot be evaluated, and labels that are none.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, one := range []rule.Rule{
		{Alert: "A", Expr: "v >"},
		{Alert: "A", Expr: "v > 1", Clear: "v <"},
		{Alert: "A", Expr: "v", NoData: rule.NoDataAlert},
		{Alert: "A", Expr: "v > 1", Labels: map[string]string{"x": "{{ nonsense }}"}},
		{Record: "r", Expr: ""},
	} {
		if _, err := eval.NewGroup(&rule.Group{Interval: time.Minute, Rules: []*rule.Rule{&one}}, eval.Options{}); err == nil {
			t.Errorf("%+v is accepted", one)
		}
	}
	if _, err := eval.NewGroup(&rule.Group{}, eval.Options{}); err == nil {
		t.Error("a group without an interval is accepted")
	}
	r := newRig(t, map[string]string{`v{host="a"}`: "9"}, &rule.Rule{
		Alert: "A", Expr: `label_replace(v, "host", "\xff\xfe", "", "")`, Annotations: map[string]string{"x": `{{ template "y" }}`, "y": "{{ query `(` }}"},
	}, &rule.Rule{Alert: "B", Expr: `"text"`}, &rule.Rule{Alert: "C", Expr: "v[5m]"})
	result := r.eval(0)
	if len(result.Errors) < 2 {
		t.Errorf("errors are %v", result.Errors)
	}
}

// TestValueIsNotANumber has an expression that results in NaN, which is an element
// like any other.
func TestValueIsNotANumber(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, &rule.Rule{Alert: "A", Expr: "v", Annotations: map[string]string{"v": "{{ $value }}"}})
	r.memory.Add(query.Sample{Labels: labels("__name__", "v", "host", "a"), T: 0, V: math.NaN()})
	result := r.eval(0)
	if len(result.Alerts) != 1 || !math.IsNaN(float64(result.Alerts[0].Value)) || result.Alerts[0].Annotations["v"] != "NaN" {
		t.Errorf("alerts are %+v", result.Alerts)
	}
}
