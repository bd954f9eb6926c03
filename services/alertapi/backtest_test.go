package alertapi_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/query"
)

// history adds samples of a series, one each 30 seconds from an hour before the start.
func (r *rig) history(value func(minute int) float64, pairs ...string) {
	for i := range 121 {
		at := start.Add(-time.Hour).Add(time.Duration(i) * 30 * time.Second)
		r.memory.Add(query.Sample{Labels: labels(pairs...), T: at.UnixMilli(), V: value(i / 2)})
	}
}

// between is a value of 10 in some minutes, and of 1 in the others.
func between(from, to int) func(int) float64 {
	return func(m int) float64 {
		if m >= from && m < to {
			return 10
		}
		return 1
	}
}

func ago(d time.Duration) *timestamppb.Timestamp { return stamp(start.Add(-d)) }

func TestBacktestOfAText(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.history(between(10, 20), "__name__", "load", "env", "prod", "host_name", "h1", "team", "db")
	r.history(between(30, 31), "__name__", "load", "env", "prod", "host_name", "h2")
	res := ok(t, r.rules.BacktestRule, &alertv1.BacktestRuleRequest{
		Rule: "alert: Load\nexpr: load > 5\nfor: 2m\nlabels: {severity: warning}\n", Other: "- alert: Load\n  expr: load > 5\n",
		Start: ago(time.Hour), Interval: durationpb.New(time.Minute), Notifications: true,
	})
	one, other := res.GetResult(), res.GetOther()
	if one.GetTotalEpisodes() != 1 || len(one.GetEpisodes()) != 1 || one.GetEvaluations() != 61 || one.GetFiring().AsDuration() != 8*time.Minute {
		t.Fatalf("%v", one)
	}
	e := one.GetEpisodes()[0]
	if e.GetLabels()["host_name"] != "h1" || !e.GetActiveTime().AsTime().Equal(start.Add(-50*time.Minute)) || !e.GetFireTime().AsTime().Equal(start.Add(-48*time.Minute)) ||
		!e.GetResolveTime().AsTime().Equal(start.Add(-40*time.Minute)) || e.GetFireValue() != 10 {
		t.Errorf("episode %v", e)
	}
	// It goes to db when it fires and when it is over, and after 5 minutes to ops.
	if want := map[string]int64{"db": 2, "ops": 2}; !maps.Equal(one.GetNotifications(), want) {
		t.Errorf("notifications %v, want %v", one.GetNotifications(), want)
	}
	if len(one.GetHosts()) != 1 || one.GetHosts()[0].GetHost() != "h1" || one.GetHosts()[0].GetEpisodes() != 1 {
		t.Errorf("hosts %v", one.GetHosts())
	}
	if other.GetTotalEpisodes() != 2 || len(other.GetHosts()) != 2 || other.GetFiring().AsDuration() != 11*time.Minute {
		t.Errorf("other %v", other)
	}
	// h2 fires for a minute, which ops is told; how often for h1 is as above.
	if want := map[string]int64{"db": 2, "ops": 4}; !maps.Equal(other.GetNotifications(), want) {
		t.Errorf("notifications of the other %v, want %v", other.GetNotifications(), want)
	}
}

func TestBacktestWithoutNotifications(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.history(between(10, 20), "__name__", "load")
	res := ok(t, r.rules.BacktestRule, &alertv1.BacktestRuleRequest{Rule: "alert: L\nexpr: load > 5\n", Start: ago(time.Hour), End: ago(30 * time.Minute)})
	if res.GetOther() != nil || res.GetResult().GetTotalEpisodes() != 1 || len(res.GetResult().GetNotifications()) != 0 || res.GetResult().GetEvaluations() != 31 {
		t.Errorf("%v", res)
	}
}

// Repeats are counted, and what cannot be counted to the end is said.
func TestBacktestCountsRepeats(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(map[string]string{"receivers.yaml": files["receivers.yaml"], "catalogue.yaml": files["catalogue.yaml"], "routes.yaml": "route: {receiver: ops, group_wait: 0s, group_interval: 1m, repeat_interval: 10m}\n"})
	r.history(between(0, 60), "__name__", "load", "host_name", "h1")
	req := &alertv1.BacktestRuleRequest{Rule: "alert: L\nexpr: load > 5\n", Start: ago(time.Hour), End: ago(5 * time.Minute), Notifications: true}
	res := ok(t, r.rules.BacktestRule, req).GetResult()
	if got := res.GetNotifications()["ops"]; got != 6 || len(res.GetWarnings()) != 0 { // at once, and at 10, 20, 30, 40 and 50 minutes
		t.Errorf("%d notifications, warnings %v", got, res.GetWarnings())
	}
	// Nobody is told without a configuration.
	r.config.loaded.Store(nil)
	res = ok(t, r.rules.BacktestRule, req).GetResult()
	equal(t, "notifications without routes", len(res.GetNotifications()), 0)
}

// A rule that is evaluated is run as it was, with the beginnings that are known.
func TestBacktestOfALiveRule(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.history(between(0, 40), "__name__", "load", "env", "prod", "host_name", "h1")
	id := ruleID("web", "Load")
	req := &alertv1.BacktestRuleRequest{RuleId: id, Start: ago(30 * time.Minute)}
	first := ok(t, r.rules.BacktestRule, req).GetResult()
	if first.GetTotalEpisodes() != 1 || first.GetEpisodes()[0].GetFireTime().AsTime().Before(start.Add(-35*time.Minute)) {
		t.Fatalf("without what is known: %v", first)
	}
	e := first.GetEpisodes()[0]
	ls := labels("alertname", "Load", "severity", "warning", "owner", "ann", "team", "web", "env", "prod", "host_name", "h1")
	equal(t, "id", e.GetAlertId(), string(alert.KeyOf(id, ls)))
	known := alert.Episode{Key: alert.KeyOf(id, ls), RuleID: id, Labels: ls, Active: start.Add(-51 * time.Minute).UnixMilli(), Fired: start.Add(-50 * time.Minute).UnixMilli(), Resolved: start.Add(-18 * time.Minute).UnixMilli(), FireValue: 8}
	over := known
	over.Fired, over.Resolved = start.Add(-5*time.Hour).UnixMilli(), start.Add(-4*time.Hour).UnixMilli()
	c := &alert.Commit{Episodes: []alert.Episode{known, over}}
	for i := range int64(1500) { // more of the rule, on several pages
		x := known
		x.Key, x.Fired, x.Resolved = "other", known.Fired+1000+i, known.Fired+1001+i // short ones, newer than that
		c.Episodes = append(c.Episodes, x)
	}
	r.commit(c)
	second := ok(t, r.rules.BacktestRule, req).GetResult()
	if second.GetTotalEpisodes() != 1 {
		t.Fatalf("%v", second)
	}
	e = second.GetEpisodes()[0]
	if !e.GetFireTime().AsTime().Equal(start.Add(-50*time.Minute)) || e.GetFireValue() != 8 || !e.GetResolveTime().AsTime().Equal(start.Add(-18*time.Minute)) {
		t.Errorf("with what is known: %v", e)
	}
}

func TestBacktestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	text, from := "alert: L\nexpr: load > 5\n", ago(time.Hour)
	for _, c := range []struct {
		name   string
		req    *alertv1.BacktestRuleRequest
		kind   fault.Kind
		reason string
	}{
		{"no start", &alertv1.BacktestRuleRequest{Rule: text}, fault.Invalid, "start_missing"},
		{"no span", &alertv1.BacktestRuleRequest{Rule: text, Start: from, End: from}, fault.Invalid, "span_invalid"},
		{"no time", &alertv1.BacktestRuleRequest{Rule: text, Start: &timestamppb.Timestamp{Seconds: -1 << 60}}, fault.Invalid, "time_invalid"},
		{"interval", &alertv1.BacktestRuleRequest{Rule: text, Start: from, Interval: durationpb.New(time.Millisecond)}, fault.Invalid, "interval_invalid"},
		{"no rule", &alertv1.BacktestRuleRequest{Start: from}, fault.Invalid, "rule_missing"},
		{"two rules", &alertv1.BacktestRuleRequest{Rule: text, RuleId: "x", Start: from}, fault.Invalid, "rule_missing"},
		{"no such rule", &alertv1.BacktestRuleRequest{RuleId: "x", Start: from}, fault.NotFound, "rule_not_found"},
		{"large", &alertv1.BacktestRuleRequest{Rule: strings.Repeat("#", 1<<20+1), Start: from}, fault.Invalid, "files_too_large"},
		{"long", &alertv1.BacktestRuleRequest{Rule: text, Start: stamp(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)), Interval: durationpb.New(time.Second)}, fault.Invalid, "backtest_failed"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, r.rules.BacktestRule, c.req, c.kind, c.reason, "") })
	}
	for name, req := range map[string]*alertv1.BacktestRuleRequest{
		"rule":       {Rule: "alert: L\nexpr: load >\n", Start: from},
		"other":      {Rule: text, Other: "alert: L\nexpr: load >\n", Start: from},
		"two groups": {Rule: "groups:\n- name: a\n  rules: []\n- name: b\n  rules: []\n", Start: from},
		"no group":   {Rule: "groups: []\n", Start: from},
	} {
		res := ok(t, r.rules.BacktestRule, req)
		if len(res.GetProblems()) != 1 || res.GetResult() != nil || res.GetOther() != nil {
			t.Errorf("%s: %v", name, res)
		}
	}
}
