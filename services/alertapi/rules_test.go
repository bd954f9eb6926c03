package alertapi_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/alertapi"
	"github.com/esolutions/esmon/services/alerting"
	"github.com/esolutions/esmon/services/fault"
)

func ruleNames(list []*alertv1.Rule) string {
	var out []string
	for _, x := range list {
		out = append(out, x.GetName())
	}
	return strings.Join(out, " ")
}

func TestListRules(t *testing.T) {
	t.Parallel()
	load, down := ruleID("web", "Load"), ruleID("web", "Down")
	r := newRig(t, func(d *alertapi.Deps) {
		d.Rules = rules{
			{RuleID: load, Health: alerting.HealthFailing, Error: "too many series", Evaluated: start.UnixMilli(), Duration: 20 * time.Millisecond, Coverage: 0.75},
			{RuleID: down, Health: alerting.HealthOK, Coverage: math.NaN()},
		}
	})
	held := ofRule(an(alert.Firing, time.Minute, "alertname", "Load", "host_name", "h2"), load)
	held.Hold = &alert.Hold{Reason: alert.AgentSilent, Since: 1}
	r.put(held,
		ofRule(an(alert.Firing, time.Minute, "alertname", "Load", "host_name", "h1"), load), ofRule(an(alert.Pending, time.Minute, "alertname", "Load", "host_name", "h3"), load),
		ofRule(an(alert.Resolved, time.Minute, "alertname", "Load", "host_name", "h4"), load))
	for _, c := range []struct {
		req  *alertv1.ListRulesRequest
		want string
	}{
		{&alertv1.ListRulesRequest{}, "Load Down job:up:sum Flow Flow2"},
		{&alertv1.ListRulesRequest{Group: "flow"}, "Flow Flow2"},
		{&alertv1.ListRulesRequest{NameContains: "lO"}, "Load Flow Flow2"},
		{&alertv1.ListRulesRequest{NameContains: "lo", Group: "web"}, "Load"},
		{&alertv1.ListRulesRequest{Group: "we"}, ""},
	} {
		equal(t, c.req.String(), ruleNames(ok(t, r.rules.ListRules, c.req).GetRules()), c.want)
	}
	res := ok(t, r.rules.ListRules, &alertv1.ListRulesRequest{})
	same(t, "Load", res.GetRules()[0], &alertv1.Rule{
		Id: load, File: "rules/web.yaml", Group: "web", Name: "Load", Expr: `load{env="prod"} > 5`, For: durationpb.New(time.Minute), KeepFiringFor: durationpb.New(2 * time.Minute),
		Labels:      map[string]string{"severity": "warning", "owner": "ann", "team": "web"},
		Annotations: map[string]string{"summary": "The load is high\n\non {{ $labels.host_name }}\n", "runbook_url": "https://wiki/load"},
		Severity:    "warning", Owner: "ann", Runbook: "https://wiki/load", NoData: "resolve", Interval: durationpb.New(30 * time.Second), Line: 5,
		Health: "failing", LastError: "too many series", EvaluationTime: stamp(start), EvaluationDuration: durationpb.New(20 * time.Millisecond), Coverage: 0.75,
		Pending: 1, Firing: 2, Held: 1,
		Graph: &alertv1.Graph{Query: `load{env="prod"}`, Unit: "1", Thresholds: []*alertv1.Threshold{{Op: ">", Value: 5}}},
	})
	got := res.GetRules()[1]
	if got.GetHealth() != "ok" || got.GetCoverage() != 1 || got.GetSeverity() != "critical" || got.GetNoData() != "alert" || got.GetSchedule() != "Mo-Fr 08:00-18:00" || got.GetClear() != "up == 1" {
		t.Errorf("Down: %v", got)
	}
	got = res.GetRules()[2]
	if !got.GetRecording() || got.GetHealth() != "unknown" || got.GetCoverage() != 1 || got.GetGraph().GetQuery() != "sum(up)" {
		t.Errorf("recording rule: %v", got)
	}
	same(t, "load time", res.GetLoadTime(), stamp(start))
}

func TestListRulesWithProblems(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.config.problems = []alert.Problem{{File: "rules/a.yaml", Line: 3, Column: 5, Field: "groups[0].name", Message: "it is missing"}}
	res := ok(t, r.rules.ListRules, &alertv1.ListRulesRequest{})
	equal(t, "rules in force", len(res.GetRules()), 5)
	same(t, "problem", res.GetProblems()[0], &alertv1.Problem{File: "rules/a.yaml", Line: 3, Column: 5, Field: "groups[0].name", Message: "it is missing"})
	r.config.loaded.Store(nil)
	res = ok(t, r.rules.ListRules, &alertv1.ListRulesRequest{})
	if len(res.GetRules()) != 0 || len(res.GetProblems()) != 1 || res.GetLoadTime() != nil {
		t.Errorf("nothing in force: %v", res)
	}
	refused(t, r.rules.GetRule, &alertv1.GetRuleRequest{Id: ruleID("web", "Load")}, fault.NotFound, "rule_not_found", "Load")
}

// The text of a rule is its lines, and is a rule by itself.
func TestGetRuleText(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	odd := strings.ReplaceAll(`parameters:
  limit: {default: 5}
groups:
  - name: odd
    rules:

      - # the first
        alert: One
        # not so far in

    # not far in at all
        expr: >-
          up
            > ${limit}
        annotations:
          text: |2

              indented

          more: "a

            b"


      # of the next one
      -
        alert: Two
        expr: up == 0
      - expr: up
        record: job:up
  - name: same
    rules:
    - alert: Three
      expr: up
    - {alert: Four, expr: 'up # none'}
  - rules:
    - alert: Five
      expr: up == 0
    name: last
`, "\n", "\r\n")
	texts := map[string]string{"catalogue.yaml": "enable: [host]\n", "rules/odd.yaml": odd, "rules/web.yaml": files["rules/web.yaml"]}
	r.load(texts)
	for id, want := range map[string]string{
		"rules/odd.yaml;odd;One":    "alert: One\n# not so far in\n\n# not far in at all\nexpr: >-\n  up\n    > ${limit}\nannotations:\n  text: |2\n\n      indented\n\n  more: \"a\n\n    b\"\n",
		"rules/odd.yaml;odd;Two":    "alert: Two\nexpr: up == 0\n",
		"rules/odd.yaml;odd;job:up": "- expr: up\n  record: job:up\n",
		"rules/odd.yaml;same;Three": "- alert: Three\n  expr: up\n",
		"rules/odd.yaml;same;Four":  "{alert: Four, expr: 'up # none'}\n",
		"rules/odd.yaml;last;Five":  "- alert: Five\n  expr: up == 0\n",
		ruleID("flow", "Flow"):      "{alert: Flow, expr: up > 1}\n",
		ruleID("flow", "Flow2"):     "{alert: Flow2, expr: \"vector(1)\"}\n",
		ruleID("web", "Load"): `- alert: Load
  expr: load{env="prod"} > 5
  for: 1m
  keep_firing_for: 2m
  severity: warning
  owner: ann
  runbook: https://wiki/load
  labels:
    team: web
  annotations:
    summary: |
      The load is high

      on {{ $labels.host_name }}
`,
	} {
		got := ok(t, r.rules.GetRule, &alertv1.GetRuleRequest{Id: id}).GetRule()
		if got.GetText() != want {
			t.Errorf("%s:\n%q, want\n%q", id, got.GetText(), want)
		}
		if id == "rules/odd.yaml;odd;One" {
			continue // its parameter is the file's
		}
		again := ok(t, r.rules.CheckRules, &alertv1.CheckRulesRequest{Files: []*alertv1.TextFile{{Name: "x", Content: got.GetText()}}})
		if len(again.GetProblems()) > 0 || len(again.GetRules()) != 1 || again.GetRules()[0].GetExpr() != got.GetExpr() || again.GetRules()[0].GetAnnotations()["summary"] != got.GetAnnotations()["summary"] {
			t.Errorf("%s: read again: %v", id, again)
		}
	}
	// Of the catalogue, too.
	for _, x := range ok(t, r.rules.ListRules, &alertv1.ListRulesRequest{}).GetRules() {
		got := ok(t, r.rules.GetRule, &alertv1.GetRuleRequest{Id: x.GetId()}).GetRule()
		if !strings.Contains(got.GetText(), x.GetName()) || strings.Count(got.GetText(), "alert: ")+strings.Count(got.GetText(), "record: ") != 1 {
			t.Errorf("%s: text %q", x.GetId(), got.GetText())
		}
		equal(t, "in the list", x.GetText(), "")
	}
	refused(t, r.rules.GetRule, &alertv1.GetRuleRequest{Id: "none"}, fault.NotFound, "rule_not_found", "none")
}

func TestCheckRules(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := "alert: A\nexpr: up ==\nfor: 1m\n"
	for _, c := range []struct {
		name, text   string
		line, column int32
		field        string
	}{
		{"a rule", one, 2, 0, "groups[0].rules[0].expr"},
		{"a rule of a list", "- alert: A\n  expr: up ==\n", 2, 0, "groups[0].rules[0].expr"},
		{"the second rule of a list", "- alert: A\n  expr: up\n- alert: B\n\n  expr: up ==\n", 5, 0, "groups[0].rules[1].expr"},
		{"a group", "name: g\nrules:\n- alert: A\n  expr: up ==\n", 4, 0, "groups[0].rules[0].expr"},
		{"a group of a list", "- name: g\n  rules:\n  - alert: A\n    expr: up ==\n", 4, 0, "groups[0].rules[0].expr"},
		{"a file", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up ==\n", 5, 0, "groups[0].rules[0].expr"},
		{"behind a comment", "# what it is\n\n" + one, 4, 0, "groups[0].rules[0].expr"},
		{"behind the mark of a document", "---\n" + one, 3, 0, "groups[0].rules[0].expr"},
		{"behind a byte order mark", "\ufeff" + one, 2, 0, "groups[0].rules[0].expr"},
		{"lines that end as Windows has it", strings.ReplaceAll(one, "\n", "\r\n"), 2, 0, "groups[0].rules[0].expr"},
		{"indented", "    alert: A\n    expr: up ==\n", 2, 0, "groups[0].rules[0].expr"},
		{"an unknown field", "alert: A\nexpr: up\n  \nseverty: x\n", 4, 1, "groups[0].rules[0].severty"},
		{"no YAML", "alert: A\nexpr: [\n", 0, 0, ""},
		{"text", "hello", 1, 1, ""},
		{"a number", "7", 1, 1, ""},
	} {
		res := ok(t, r.rules.CheckRules, &alertv1.CheckRulesRequest{Files: []*alertv1.TextFile{{Name: "rules/x.yaml", Content: c.text}}})
		if len(res.GetProblems()) == 0 {
			t.Errorf("%s: no problem", c.name)
			continue
		}
		p := res.GetProblems()[0]
		if p.GetFile() != "rules/x.yaml" || c.line > 0 && p.GetLine() != c.line || c.column > 0 && p.GetColumn() != c.column || !strings.HasPrefix(p.GetField(), c.field) {
			t.Errorf("%s: %v", c.name, p)
		}
	}
	res := ok(t, r.rules.CheckRules, &alertv1.CheckRulesRequest{Files: []*alertv1.TextFile{
		{Name: "a", Content: "alert: A\nexpr: load > 5\nfor: 1m\n"}, {Name: "b", Content: "record: b:c\nexpr: up\n"}, {Name: "c", Content: "alert: A\n"}, {Name: "d", Content: ""},
	}})
	if ruleNames(res.GetRules()) != "A b:c" || len(res.GetProblems()) != 1 || res.GetProblems()[0].GetFile() != "c" {
		t.Errorf("%v", res)
	}
	if x := res.GetRules()[0]; x.GetFor().AsDuration() != time.Minute || x.GetCoverage() != 1 || x.GetGraph().GetThresholds()[0].GetValue() != 5 {
		t.Errorf("%v", x)
	}
}

func TestRuleFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	many := make([]*alertv1.TextFile, 101)
	for i := range many {
		many[i] = &alertv1.TextFile{Name: strings.Repeat("x", i+1)}
	}
	for _, c := range []struct {
		name   string
		files  []*alertv1.TextFile
		reason string
	}{
		{"no name", []*alertv1.TextFile{{}}, "file_name_invalid"},
		{"absolute", []*alertv1.TextFile{{Name: "/etc/passwd"}}, "file_name_invalid"},
		{"above", []*alertv1.TextFile{{Name: "a/../../b"}}, "file_name_invalid"},
		{"the folder above", []*alertv1.TextFile{{Name: ".."}}, "file_name_invalid"},
		{"twice", []*alertv1.TextFile{{Name: "a"}, {Name: "./a"}}, "file_name_invalid"},
		{"too large", []*alertv1.TextFile{{Name: "a", Content: strings.Repeat("x", 600_000)}, {Name: "b", Content: strings.Repeat("x", 600_000)}}, "files_too_large"},
		{"too many", many, "files_too_large"},
	} {
		refused(t, r.rules.CheckRules, &alertv1.CheckRulesRequest{Files: c.files}, fault.Invalid, c.reason, "")
		refused(t, r.rules.TestRules, &alertv1.TestRulesRequest{Rules: c.files}, fault.Invalid, c.reason, "")
	}
	refused(t, r.rules.TestRules, &alertv1.TestRulesRequest{Rules: many[:1], Tests: many[:1]}, fault.Invalid, "file_name_invalid", "two")
}

func TestTestRules(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rule := &alertv1.TextFile{Name: "rules/a.yaml", Content: "groups:\n- name: g\n  rules:\n  - alert: Down\n    expr: up == 0\n"}
	test := func(name, exp string) *alertv1.TextFile {
		return &alertv1.TextFile{Name: "tests/" + name + ".yaml", Content: `rule_files: [../rules/a.yaml]
evaluation_interval: 1m
tests:
- name: ` + name + `
  interval: 1m
  input_series:
  - {series: 'up{host_name="h1"}', values: '1 0 0'}
  alert_rule_test:
  - eval_time: 2m
    alertname: Down
    exp_alerts: ` + exp + "\n"}
	}
	good := test("good", `[{exp_labels: {host_name: h1}}]`)
	res := ok(t, r.rules.TestRules, &alertv1.TestRulesRequest{Rules: []*alertv1.TextFile{rule}, Tests: []*alertv1.TextFile{good}})
	if !res.GetPassed() || len(res.GetResults()) != 1 || res.GetResults()[0].GetName() != "tests/good.yaml: good" || !res.GetResults()[0].GetPassed() {
		t.Errorf("%v", res)
	}
	res = ok(t, r.rules.TestRules, &alertv1.TestRulesRequest{Rules: []*alertv1.TextFile{rule}, Tests: []*alertv1.TextFile{good, test("bad", "[]")}})
	if res.GetPassed() || len(res.GetResults()) != 2 || !res.GetResults()[0].GetPassed() || res.GetResults()[1].GetPassed() || len(res.GetResults()[1].GetFailures()) == 0 {
		t.Errorf("%v", res)
	}
	res = ok(t, r.rules.TestRules, &alertv1.TestRulesRequest{Tests: []*alertv1.TextFile{good, {Name: "x", Content: "["}}})
	if res.GetPassed() || len(res.GetResults()) != 2 || res.GetResults()[0].GetPassed() || res.GetResults()[1].GetName() != "x" {
		t.Errorf("without the rules: %v", res)
	}
}
