package alertmanager_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/fault"
)

func ruleOf(file, group, name string) *alertv1.Rule {
	return &alertv1.Rule{Id: file + ";" + group + ";" + name, File: file, Group: group, Name: name, Expr: "up == 0", Interval: durationpb.New(30 * time.Second), Health: "unknown"}
}

// someRules are four rules of three groups.
func someRules() []*alertv1.Rule {
	full, plain, recording, other := ruleOf("f1", "g1", "Full"), ruleOf("f1", "g1", "Plain"), ruleOf("f1", "g2", "job:up"), ruleOf("f2", "g1", "Other")
	full.Labels, full.Annotations = map[string]string{"severity": "critical"}, map[string]string{"summary": "{{ $value }}"}
	full.For, full.KeepFiringFor, full.Health, full.LastError = durationpb.New(90*time.Second), durationpb.New(time.Minute), "failing", "too much"
	full.EvaluationTime, full.EvaluationDuration = stamp(noon), durationpb.New(250*time.Millisecond)
	plain.Health, plain.EvaluationTime, plain.EvaluationDuration = "ok", stamp(noon.Add(time.Second)), durationpb.New(500*time.Millisecond)
	recording.Recording = true
	return []*alertv1.Rule{full, plain, recording, other}
}

func firingOf(rule *alertv1.Rule, state alertv1.AlertState) *alertv1.Alert {
	return &alertv1.Alert{RuleId: rule.GetId(), Labels: map[string]string{"alertname": rule.GetName()}, State: state, ActiveTime: stamp(noon), Value: 1234.5}
}

func (r *rig) prometheus(path string) any {
	r.t.Helper()
	m := r.read(r.prom, path).(map[string]any) //nolint:forcetypeassert // a test fails by it
	if m["status"] != "success" {
		r.t.Fatalf("%v", m)
	}
	return m["data"]
}

func TestPrometheusRules(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wantJSON(t, "none", r.prometheus("/rules"), `{"groups": []}`)
	r.platform.rules, r.platform.pages = someRules(), 1
	full, plain := r.platform.rules[0], r.platform.rules[1]
	pending, firing := alertv1.AlertState_ALERT_STATE_PENDING, alertv1.AlertState_ALERT_STATE_FIRING
	r.platform.alerts = []*alertv1.Alert{firingOf(full, firing), firingOf(full, pending), firingOf(plain, pending), {Labels: map[string]string{"alertname": "Sent"}, State: firing}}
	r.platform.alerts[0].Annotations = map[string]string{"summary": "1234.5"}
	const never = `"0001-01-01T00:00:00Z"`
	want := `{"groups": [
		{"name": "g1", "file": "f1", "interval": 30, "limit": 0, "evaluationTime": 0.75, "lastEvaluation": "2026-03-02T12:00:01Z", "rules": [
			{"state": "firing", "name": "Full", "query": "up == 0", "duration": 90, "keepFiringFor": 60, "labels": {"severity": "critical"}, "annotations": {"summary": "{{ $value }}"},
			 "alerts": [
				{"labels": {"alertname": "Full"}, "annotations": {"summary": "1234.5"}, "state": "firing", "activeAt": "2026-03-02T12:00:00Z", "value": "1.2345e+03"},
				{"labels": {"alertname": "Full"}, "annotations": {}, "state": "pending", "activeAt": "2026-03-02T12:00:00Z", "value": "1.2345e+03"}],
			 "health": "err", "lastError": "too much", "evaluationTime": 0.25, "lastEvaluation": "2026-03-02T12:00:00Z", "type": "alerting"},
			{"state": "pending", "name": "Plain", "query": "up == 0", "duration": 0, "keepFiringFor": 0, "labels": {}, "annotations": {},
			 "alerts": [{"labels": {"alertname": "Plain"}, "annotations": {}, "state": "pending", "activeAt": "2026-03-02T12:00:00Z", "value": "1.2345e+03"}],
			 "health": "ok", "evaluationTime": 0.5, "lastEvaluation": "2026-03-02T12:00:01Z", "type": "alerting"}]},
		{"name": "g2", "file": "f1", "interval": 30, "limit": 0, "evaluationTime": 0, "lastEvaluation": ` + never + `, "rules": [
			{"name": "job:up", "query": "up == 0", "labels": {}, "health": "unknown", "evaluationTime": 0, "lastEvaluation": ` + never + `, "type": "recording"}]},
		{"name": "g1", "file": "f2", "interval": 30, "limit": 0, "evaluationTime": 0, "lastEvaluation": ` + never + `, "rules": [
			{"state": "inactive", "name": "Other", "query": "up == 0", "duration": 0, "keepFiringFor": 0, "labels": {}, "annotations": {}, "alerts": [],
			 "health": "unknown", "evaluationTime": 0, "lastEvaluation": ` + never + `, "type": "alerting"}]}
	]}`
	wantJSON(t, "rules", r.prometheus("/rules"), want)
	wantJSON(t, "alerts", r.prometheus("/alerts"), `{"alerts": [
		{"labels": {"alertname": "Full"}, "annotations": {"summary": "1234.5"}, "state": "firing", "activeAt": "2026-03-02T12:00:00Z", "value": "1.2345e+03"},
		{"labels": {"alertname": "Full"}, "annotations": {}, "state": "pending", "activeAt": "2026-03-02T12:00:00Z", "value": "1.2345e+03"},
		{"labels": {"alertname": "Plain"}, "annotations": {}, "state": "pending", "activeAt": "2026-03-02T12:00:00Z", "value": "1.2345e+03"}]}`)
}

func TestPrometheusRuleFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.platform.rules = someRules()
	r.platform.alerts = []*alertv1.Alert{firingOf(r.platform.rules[0], alertv1.AlertState_ALERT_STATE_FIRING)}
	for query, want := range map[string]string{
		"":                                     "f1/g1: Full(1) Plain(0); f1/g2: job:up; f2/g1: Other(0)",
		"type=alert":                           "f1/g1: Full(1) Plain(0); f2/g1: Other(0)",
		"type=RECORD":                          "f1/g2: job:up",
		"rule_name[]=Full&rule_name[]=Other":   "f1/g1: Full(1); f2/g1: Other(0)",
		"rule_group[]=g1&file[]=f1":            "f1/g1: Full(1) Plain(0)",
		"file[]=f2":                            "f2/g1: Other(0)",
		"rule_name[]=nothing":                  "",
		"exclude_alerts=true&rule_name[]=Full": "f1/g1: Full(0)",
	} {
		var groups []string
		for _, x := range r.prometheus("/rules?" + query).(map[string]any)["groups"].([]any) { //nolint:forcetypeassert // a test fails by it
			g := x.(map[string]any) //nolint:forcetypeassert // as above
			text := fmt.Sprintf("%s/%s:", g["file"], g["name"])
			for _, y := range g["rules"].([]any) { //nolint:forcetypeassert // as above
				one := y.(map[string]any) //nolint:forcetypeassert // as above
				text += fmt.Sprint(" ", one["name"])
				if list, ok := one["alerts"].([]any); ok {
					text += fmt.Sprintf("(%d)", len(list))
				}
			}
			groups = append(groups, text)
		}
		if got := strings.Join(groups, "; "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestPrometheusErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	want := func(path string, code int, kind, text string) {
		t.Helper()
		got, body, header := r.call(r.prom, http.MethodGet, path, "")
		if got != code || header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"errorType":"`+kind+`"`) || !strings.Contains(body, `"status":"error"`) || !strings.Contains(body, text) {
			t.Errorf("%s: %d %s, want %d %s %s", path, got, body, code, kind, text)
		}
	}
	want("/rules?type=x", 400, "bad_data", `not supported value \"x\"`)
	want("/rules?exclude_alerts=x", 400, "bad_data", "exclude_alerts")
	for kind, c := range map[fault.Kind]struct {
		code int
		kind string
	}{
		fault.Invalid: {400, "bad_data"}, fault.Unavailable: {503, "unavailable"}, fault.Internal: {500, "internal"}, fault.NotFound: {404, "not_found"}, fault.Exhausted: {429, "internal"},
	} {
		r.platform.err = fault.New(kind, "x", "it is so")
		want("/rules", c.code, c.kind, "")
		want("/alerts", c.code, c.kind, "")
	}
	// The rest is for others.
	for _, c := range [][2]string{{http.MethodGet, "/query"}, {http.MethodPost, "/rules"}, {http.MethodGet, "/alerts/x"}} {
		if _, _, header := r.call(r.prom, c[0], c[1], ""); header.Get("X-Next") != c[1] {
			t.Errorf("%v is answered here", c)
		}
	}
}
