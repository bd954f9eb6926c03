package rule_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/rule"
)

const full = `
parameters:
  limit: {default: 90, unit: "%", help: How full, min: 50, max: 99}
  wait: {default: 5m, max: 1h}
  devices: {default: "sd.*"}
groups:
- name: disk
  interval: 15s
  query_offset: 30s
  limit: 10
  labels: {team: a, severity: info, extra: "yes"}
  rules:
  - alert: DiskFull
    expr: used{device=~"${devices}"} > ${limit}
    clear: used{device=~"${devices}"} < ${limit} - 5
    for: ${wait}
    keep_firing_for: 1m
    severity: critical
    owner: storage
    runbook: https://example.com/DiskFull
    depends_on: [HostGone, {alert: SiteCutOff, on: [site, room]}, {alert: Maintenance, on: []}]
    schedule: Mo-Fr 08:00-18:00 Europe/Berlin
    no_data: keep
    lateness: 45s
    labels: {team: b}
    annotations:
      summary: "more than ${limit} % on {{ $labels.device }}, $${limit} is ${1}"
  - record: job:used:sum
    expr: sum(used)
  - alert: DiskFull
    expr: used > 99
    schedule: ["Mo-Fr 08:00-12:00", "Sa 10:00-12:00 Europe/Berlin"]
    annotations: {runbook_url: own}
    runbook: x.md
`

func TestParse(t *testing.T) {
	t.Parallel()
	f, problems := rule.Parse("rules/disk.yaml", []byte(full), rule.Options{Checker: promChecker{}, RunbookBase: "https://docs/"})
	if problems != nil {
		t.Fatal(problems)
	}
	g := f.Groups[0]
	if g.ID() != "rules/disk.yaml;disk" || g.Interval != 15*time.Second || g.Offset != 30*time.Second || g.Limit != 10 {
		t.Errorf("the group is %+v", g)
	}
	r := g.Rules[0]
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	want := &rule.Rule{
		ID: "rules/disk.yaml;disk;DiskFull", Alert: "DiskFull", Line: 13,
		Expr: `used{device=~"sd.*"} > 90`, Clear: `used{device=~"sd.*"} < 90 - 5`,
		For: 5 * time.Minute, KeepFiringFor: time.Minute, Lateness: 45 * time.Second,
		Labels: map[string]string{"team": "b", "severity": "critical", "owner": "storage", "extra": "yes"},
		Annotations: map[string]string{
			"summary": "more than 90 % on {{ $labels.device }}, ${limit} is ${1}", "runbook_url": "https://example.com/DiskFull",
		},
		Severity: "critical", Owner: "storage", Runbook: "https://example.com/DiskFull", NoData: rule.NoDataKeep,
		DependsOn: []rule.Dependency{{Alert: "HostGone", On: []string{"host_name"}}, {Alert: "SiteCutOff", On: []string{"site", "room"}}, {Alert: "Maintenance", On: []string{}}},
		Schedule: &rule.Schedule{
			Text: "Mo-Fr 08:00-18:00 Europe/Berlin", Zone: zone,
			Spans: []rule.Span{{Days: [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}, From: 480, To: 1080}},
		},
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("the rule is\n%+v instead of\n%+v", r, want)
	}
	if again := g.Rules[2]; again.ID != "rules/disk.yaml;disk;DiskFull;2" || again.Annotations["runbook_url"] != "own" || again.Runbook != "https://docs/x.md" {
		t.Errorf("the second one is %+v", again)
	}
	if g.Rules[1].Record != "job:used:sum" || g.Rules[1].Labels["team"] != "a" || g.Rules[1].NoData != rule.NoDataResolve {
		t.Errorf("the recording rule is %+v", g.Rules[1])
	}
	params := []rule.Parameter{
		{Name: "limit", Kind: rule.ParameterNumber, Default: "90", Value: "90", Unit: "%", Help: "How full", Min: "50", Max: "99"},
		{Name: "wait", Kind: rule.ParameterDuration, Default: "5m", Value: "5m", Max: "1h"},
		{Name: "devices", Kind: rule.ParameterText, Default: "sd.*", Value: "sd.*"},
	}
	if !reflect.DeepEqual(f.Parameters, params) {
		t.Errorf("the parameters are %+v", f.Parameters)
	}
}

// Names that hold the separator of ids must not make two rules one.
func TestIDsAreUnique(t *testing.T) {
	t.Parallel()
	f, problems := rule.Parse("rules/a.yaml", []byte(`
groups:
- name: a;b
  rules: [{alert: c, expr: x}, {alert: "c;2", expr: x}, {alert: c, expr: x}, {record: c, expr: x}]
- name: a
  rules: [{alert: b;c, expr: x}, {alert: "b%3Bc", expr: x}]
`), rule.Options{})
	if problems != nil {
		t.Fatal(problems)
	}
	seen := map[string]bool{}
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if seen[r.ID] {
				t.Errorf("%s is there twice", r.ID)
			}
			seen[r.ID] = true
		}
	}
}

func TestParametersOfTheOperator(t *testing.T) {
	t.Parallel()
	parse := func(values map[string]string) (*rule.File, rule.Problems) {
		return rule.Parse("rules/disk.yaml", []byte(full), rule.Options{Parameters: map[string]map[string]string{"rules/disk.yaml": values, "rules/other.yaml": {"x": "y"}}})
	}
	f, problems := parse(map[string]string{"limit": "95", "wait": "10m", "devices": "nvme.*"})
	if problems != nil {
		t.Fatal(problems)
	}
	if r := f.Groups[0].Rules[0]; r.Expr != `used{device=~"nvme.*"} > 95` || r.For != 10*time.Minute || f.Parameters[0].Value != "95" || f.Parameters[0].Default != "90" {
		t.Errorf("the rule is %+v, the parameters %+v", r, f.Parameters)
	}
	for name, c := range map[string]struct{ key, value, want string }{
		"above":        {"limit", "100", "write a number from 50 to 99 (%); the default is 90"},
		"below":        {"limit", "1", "from 50 to 99"},
		"no number":    {"limit", "95%", "write a number"},
		"infinite":     {"limit", "Inf", "write a number"},
		"hexadecimal":  {"limit", "0x50", "write a number"},
		"too long":     {"wait", "2h", "of at most 1h"},
		"no duration":  {"wait", "5", "write a duration"},
		"quotes":       {"devices", `a"} or vector(1)`, "without quotes"},
		"template":     {"devices", `{{range 1}}`, "without quotes"},
		"empty":        {"devices", ``, "without quotes"},
		"misspelt":     {"limits", "95", "did you mean limit?"},
		"none of that": {"percentage", "95", "there are: limit, wait, devices"},
	} {
		_, problems := parse(map[string]string{c.key: c.value})
		if len(problems) != 1 || problems[0].Field != "parameters."+c.key || !strings.Contains(problems[0].Message, c.want) {
			t.Errorf("%s: %v", name, problems)
		}
	}
	_, problems = rule.Parse("rules/disk.yaml", []byte("groups: []"), rule.Options{Parameters: map[string]map[string]string{"rules/disk.yaml": {"x": "1"}}})
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "no parameters") {
		t.Errorf("a value for a file without parameters: %v", problems)
	}
}

func TestTextOfPlainFilesStaysAsItIs(t *testing.T) {
	t.Parallel()
	f, problems := rule.Parse("a.yaml", []byte("groups: [{name: a, rules: [{alert: b, expr: 'label_replace(x, \"a\", \"${name}\", \"b\", \"(?P<name>.*)\")', annotations: {c: '$${x} ${y}'}}]}]"), rule.Options{Checker: promChecker{}})
	if problems != nil {
		t.Fatal(problems)
	}
	if r := f.Groups[0].Rules[0]; !strings.Contains(r.Expr, `"${name}"`) || r.Annotations["c"] != "$${x} ${y}" {
		t.Errorf("it became %+v", r)
	}
}

// in puts a rule's text into a file; the rule is in line 4.
func in(text string) string {
	return "groups:\n- name: a\n  rules:\n  - " + strings.ReplaceAll(text, "\n", "\n    ")
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ content, want string }{
		"no mapping":           {"- a", "f.yaml:1:1: lines of the form"},
		"no YAML":              {"groups:\n  - a: [", "not valid YAML"},
		"tab":                  {"groups:\n\t- name: a", "f.yaml:2: not valid YAML"},
		"second document":      {"groups: []\n---\ngroups: [{name: a}]", "f.yaml:2:1: a second YAML document"},
		"unknown at the top":   {"group: []", "f.yaml:1:1: group: there is no such field; did you mean groups?"},
		"unknown in a group":   {"groups:\n- name: a\n  intervall: 5s", "f.yaml:3:3: groups[0].intervall: there is no such field; did you mean interval?"},
		"unknown in a rule":    {in("alert: a\nexpr: b\nsummary: c"), "f.yaml:6:5: groups[0].rules[0].summary: there is no such field; there are: record, alert"},
		"misspelt in a rule":   {in("alert: a\nexpr: b\nFor: 5m"), "f.yaml:6:5: groups[0].rules[0].For: there is no such field; did you mean for?"},
		"field twice":          {in("alert: a\nexpr: b\nalert: c"), "f.yaml:6:5: groups[0].rules[0].alert: it stands here twice; the first one is in line 4"},
		"group without name":   {"groups:\n- rules: []", "f.yaml:2:3: groups[0].name: a group needs a name"},
		"group twice":          {"groups:\n- name: a\n- name: b\n- name: a", "f.yaml:4:3: groups[2].name: group \"a\" is in this file twice; the first one is in line 2"},
		"groups are a mapping": {"groups: {name: a}", "f.yaml:1:9: groups: a list is expected"},
		"rule is a text":       {in("abc"), "f.yaml:4:5: groups[0].rules[0]: lines of the form"},
		"duration":             {in("alert: a\nexpr: b\nfor: 5min"), `f.yaml:6:10: groups[0].rules[0].for: "5min" is no duration: write numbers`},
		"negative duration":    {in("alert: a\nexpr: b\nfor: -5m"), "is no duration"},
		"interval":             {"groups:\n- name: a\n  interval: 500ms", "f.yaml:3:13: groups[0].interval: 500ms is too short: a group is evaluated every second at most"},
		"limit":                {"groups:\n- name: a\n  limit: many", `f.yaml:3:10: groups[0].limit: "many" is no number`},
		"neither":              {in("expr: b"), "f.yaml:4:5: groups[0].rules[0]: a rule needs alert"},
		"both":                 {in("alert: a\nrecord: b\nexpr: b"), "f.yaml:5:13: groups[0].rules[0].record: a rule has either record or alert"},
		"no expression":        {in("alert: a"), "f.yaml:4:5: groups[0].rules[0].expr: a rule needs an expression"},
		"bad expression":       {in("alert: a\nexpr: b +"), "f.yaml:5:11: groups[0].rules[0].expr: 1:4: parse error"},
		"bad clear":            {in("alert: a\nexpr: b\nclear: (("), "f.yaml:6:12: groups[0].rules[0].clear: 1:3: parse error"},
		"record name":          {in("record: a-b\nexpr: b"), `f.yaml:4:13: groups[0].rules[0].record: "a-b" cannot be stored`},
		"record with braces":   {in("record: 'a{b=\"c\"}'\nexpr: b"), "has braces"},
		"record with for":      {in("record: a\nexpr: b\nfor: 5m"), "f.yaml:6:10: groups[0].rules[0].for: a recording rule has no such field"},
		"record with severity": {in("record: a\nexpr: b\nseverity: c"), "a recording rule has no such field"},
		"label name":           {in("alert: a\nexpr: b\nlabels: {'': c}"), `is no name of a label`},
		"metric name":          {in("alert: a\nexpr: b\nlabels:\n  __name__: c"), "f.yaml:7:7: groups[0].rules[0].labels.__name__: the name of a metric cannot be set"},
		"label is a list":      {in("alert: a\nexpr: b\nlabels:\n  x: [c]"), "f.yaml:7:10: groups[0].rules[0].labels.x: one value is expected, not a list"},
		"label template":       {in("alert: a\nexpr: b\nlabels:\n  x: '{{'"), "f.yaml:7:10: groups[0].rules[0].labels.x: template: __alert_a:1: unclosed action"},
		"annotation template":  {in("alert: a\nexpr: b\nannotations:\n  y: z\n  x: '{{ nope }}'"), `f.yaml:8:10: groups[0].rules[0].annotations.x: template: __alert_a:1: function "nope" not defined`},
		"annotation name":      {in("alert: a\nexpr: b\nannotations: {'': x}"), "is no name of an annotation"},
		"NUL":                  {in("alert: a\nexpr: b\nannotations: {x: \"a\\0\"}"), "only UTF-8 without NUL"},
		"binary":               {in("alert: a\nexpr: b\nannotations: {x: !!binary //8=}"), "only UTF-8 without NUL"},
		"schedule":             {in("alert: a\nexpr: b\nschedule: Mo-Fr 8-18"), "f.yaml:6:15: groups[0].rules[0].schedule:"},
		"no_data":              {in("alert: a\nexpr: b\nno_data: fire"), `groups[0].rules[0].no_data: "fire": write one of resolve, keep, alert`},
		"no_data: alert":       {in("alert: a\nexpr: b\nno_data: alert"), "it compares with nothing"},
		"depends on itself":    {in("alert: a\nexpr: b\ndepends_on: [a]"), "f.yaml:6:18: groups[0].rules[0].depends_on[0]: an alert cannot depend on itself"},
		"depends on no list":   {in("alert: a\nexpr: b\ndepends_on: c"), "a list is expected"},
		"dependency's field":   {in("alert: a\nexpr: b\ndepends_on: [{alert: c, one: [d]}]"), "depends_on[0].one: there is no such field; did you mean on?"},
		"dependency's label":   {in("alert: a\nexpr: b\ndepends_on: [{alert: c, on: ['d-e']}]"), "depends_on[0].on[0]: \"d-e\" is no name of a label"},
		"dependency's alert":   {in("alert: a\nexpr: b\ndepends_on: [{on: [d]}]"), "write the name of an alert"},
		"unknown parameter":    {"parameters: {limit: {default: 1}}\n" + in("alert: a\nexpr: b > ${limits}"), "f.yaml:6:11: groups[0].rules[0].expr: ${limits}: there is no such parameter; did you mean limit?; write $${limits} for the text itself"},
		"no default":           {"parameters: {a: {help: b}}", "f.yaml:1:14: parameters.a.default: a parameter needs a default"},
		"parameter's name":     {"parameters: {a-b: {default: b}}", "is no name of a parameter"},
		"default out of range": {"parameters: {a: {default: 5, max: 3}}", `parameters.a.default: "5" is not allowed: write a number of at most 3; the default is 5`},
		"bound of text":        {"parameters: {a: {default: x, max: y}}", "parameters.a.max: the default is a text"},
		"bound of other kind":  {"parameters: {a: {default: 5m, max: 10}}", "parameters.a.max: the default is a duration"},
		"parameter's field":    {"parameters: {a: {default: 5m, maximum: 10m}}", "parameters.a.maximum: there is no such field; there are: default, unit, help, min, max"},
		"merge of a text":      {in("<<: x\nalert: a\nexpr: b"), "<< takes a mapping"},
		"merge of texts":       {in("<<: [x]\nalert: a\nexpr: b"), "<< takes mappings only"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, problems := rule.Parse("f.yaml", []byte(c.content), rule.Options{Checker: promChecker{}})
			if f != nil || len(problems) == 0 || !strings.Contains(problems.Error(), c.want) {
				t.Errorf("got %+v\n%v\ninstead of %s", f, problems, c.want)
			}
		})
	}
}

// bomb is a file of a few lines that stands for 10^12 values.
func bomb() string {
	text := in("&a0 {alert: a, expr: b}")
	for i := range 12 {
		text += fmt.Sprintf("\n  - &a%d {<<: [%s]}", i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 10))
	}
	return text
}

func TestLimitsOfFiles(t *testing.T) {
	t.Parallel()
	limits := rule.Limits{FileBytes: 10_000, Groups: 3, Rules: 5, ExprBytes: 100, TextBytes: 200, Nodes: 200}
	rules := func(n int) string { return strings.Repeat("  - {alert: a, expr: b}\n", n) }
	for name, c := range map[string]struct{ content, want string }{
		"file":   {strings.Repeat("#", 10_001), "has 10001 bytes; the limit is 10000"},
		"groups": {"groups: [{name: a}, {name: b}, {name: c}, {name: d}]", "more than 3 groups"},
		"rules":  {"groups:\n- name: a\n  rules:\n" + rules(3) + "- name: b\n  rules:\n" + rules(3), "more than 5 rules"},
		"expr":   {in("alert: a\nexpr: a" + strings.Repeat("+a", 50)), "expression has 101 bytes; the limit is 100"},
		"text":   {in("alert: a\nexpr: b\nannotations: {a: '" + strings.Repeat("x", 201) + "'}"), "201 bytes; the limit is 200"},
		"aliases": {"groups:\n- name: a\n  rules:\n  - &r {alert: a, expr: b, labels: &l {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1}}\n" +
			"  - {<<: [" + strings.Repeat("*r,", 100) + "], alert: b}", "more than 200 values"},
		"merge bomb": {"a: &a {<<: [*b,*b]}", "unknown anchor"},
		"merges":     {bomb(), "more than 200 values"},
	} {
		_, problems := rule.Parse("f.yaml", []byte(c.content), rule.Options{Limits: limits})
		if !strings.Contains(problems.Error(), c.want) {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

func TestMergeOfItself(t *testing.T) {
	t.Parallel()
	_, problems := rule.Parse("f.yaml", []byte("groups:\n- &a\n  name: a\n  <<: *a\n"), rule.Options{})
	if !strings.Contains(problems.Error(), "more than 16 deep") {
		t.Errorf("%v", problems)
	}
}

// A file with a mistake in each of very many lines must not yield as many messages.
func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	_, problems := rule.Parse("f.yaml", []byte("groups:\n"+strings.Repeat("- {nam: a}\n", 1000)), rule.Options{})
	if len(problems) == 0 || len(problems) > 100 {
		t.Errorf("%d problems", len(problems))
	}
}

func TestNameOfFile(t *testing.T) {
	t.Parallel()
	if _, problems := rule.Parse("a;b.yaml", nil, rule.Options{}); len(problems) == 0 {
		t.Error("a name with a semicolon was taken")
	}
}

type refusing struct{}

func (refusing) CheckExpr(string) error { return errors.New("too costly") }

func TestCheckerWithoutComparisons(t *testing.T) {
	t.Parallel()
	_, problems := rule.Parse("f.yaml", []byte(in("alert: a\nexpr: b\nno_data: alert")), rule.Options{Checker: refusing{}})
	if len(problems) != 1 || !strings.Contains(problems.Error(), "too costly") {
		t.Error(problems)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("groups:\n- &a\n  name: a\n  <<: *a\n"))
	f.Add([]byte("- &r {<<: [*r, *r]}"))
	f.Add([]byte(in("alert: a\nexpr: b\nlabels: {a: !!binary //8=, ? [1]: 2, ~: 3}")))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, problems := rule.Parse("f.yaml", content, rule.Options{Limits: rule.Limits{Nodes: 10_000}})
		if (file == nil) == (len(problems) == 0) {
			t.Fatalf("%v, %v", file, problems)
		}
		if file == nil {
			return
		}
		ids := map[string]bool{}
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				if ids[r.ID] || r.Expr == "" || r.Name() == "" {
					t.Fatalf("rule %+v", r)
				}
				ids[r.ID] = true
			}
		}
	})
}
