package catalogue_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/catalogue"
	"github.com/esolutions/esmon/services/rule/ruletest"
)

// docs is the folder with the documentation.
const docs = "../../../docs"

func checker(t *testing.T) rule.Checker {
	t.Helper()
	e, err := query.NewEvaluator(query.DefaultConfig(), query.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// load returns all files.
func load(t *testing.T) []*rule.File {
	t.Helper()
	all, problems := catalogue.Load(catalogue.Files(), rule.Options{Checker: checker(t)})
	if problems != nil {
		t.Fatal(problems)
	}
	return all
}

// rules returns all rules by the names of their alerts.
func rules(t *testing.T) map[string]*rule.Rule {
	t.Helper()
	out := map[string]*rule.Rule{}
	for _, f := range load(t) {
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				if out[r.Alert] != nil {
					t.Errorf("%s is there twice", r.Alert)
				}
				out[r.Alert] = r
			}
		}
	}
	return out
}

func TestRulesPassTheirTests(t *testing.T) {
	t.Parallel()
	for _, name := range catalogue.Files() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results, err := ruletest.Run(t.Context(), catalogue.FS(), []string{name + ".test.yaml"}, ruletest.Options{})
			if err != nil || len(results) == 0 {
				t.Fatalf("%d tests, %v", len(results), err)
			}
			for _, r := range results {
				for _, failure := range r.Failures {
					t.Errorf("%s: %s", r.Name, failure)
				}
			}
		})
	}
}

// expectation finds the expectations of tests: time, alert, and whether it fires.
var expectation = regexp.MustCompile(`eval_time: \S+\n +alertname: (\w+)(\n +exp_alerts:)?`)

func TestEachRuleHasTests(t *testing.T) {
	t.Parallel()
	fires, quiet := map[string]int{}, map[string]int{}
	for _, name := range catalogue.Files() {
		content, err := fs.ReadFile(catalogue.FS(), name+".test.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range expectation.FindAllStringSubmatch(string(content), -1) {
			if m[2] != "" {
				fires[m[1]]++
			} else {
				quiet[m[1]]++
			}
		}
	}
	all := rules(t)
	for name := range all {
		if fires[name] == 0 || quiet[name] == 0 {
			t.Errorf("%s has %d expectations that it fires and %d that it does not: it needs both", name, fires[name], quiet[name])
		}
	}
	for name := range fires {
		if all[name] == nil {
			t.Errorf("tests are of %s, which no rule has", name)
		}
	}
}

func TestEachRuleSaysWhatPeopleNeed(t *testing.T) {
	t.Parallel()
	for name, r := range rules(t) {
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Severity) || r.Labels["severity"] != r.Severity {
			t.Errorf("%s has severity %q", name, r.Severity)
		}
		if r.Owner != "" {
			t.Errorf("%s has an owner: whose it is the operator says", name)
		}
		for _, a := range []string{"summary", "description", "runbook_url"} {
			if r.Annotations[a] == "" {
				t.Errorf("%s has no %s", name, a)
			}
		}
		if want := "runbooks/" + name; r.Runbook != want {
			t.Errorf("the runbook of %s is %q instead of %q", name, r.Runbook, want)
		}
	}
}

func TestEachRuleHasItsRunbook(t *testing.T) {
	t.Parallel()
	all := rules(t)
	pages, err := filepath.Glob(filepath.Join(docs, "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(docs, "runbooks", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		if name == "README" {
			continue
		}
		if seen[name] = true; all[name] == nil {
			t.Errorf("%s is the page of no rule", page)
		}
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"# " + name + "\n", "\n## What it means\n", "\n## What to look at\n", "\n## What to do\n"} {
			if !strings.Contains(string(content), part) {
				t.Errorf("%s lacks %q", page, part)
			}
		}
		if !strings.Contains(string(index), "("+name+".md)") {
			t.Errorf("README.md does not lead to %s", page)
		}
	}
	for name := range all {
		if !seen[name] {
			t.Errorf("%s has no page docs/runbooks/%s.md", name, name)
		}
	}
}

// block finds the queries of a page.
var block = regexp.MustCompile("(?s)```promql\n(.*?)```")

func TestQueriesOfRunbooksAreRight(t *testing.T) {
	t.Parallel()
	known := documented(t)
	pages, err := filepath.Glob(filepath.Join(docs, "runbooks", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	c := checker(t)
	for _, page := range pages {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(content), -1) {
			for line := range strings.Lines(m[1]) {
				expr, _, _ := strings.Cut(line, " # ")
				if err := c.CheckExpr(strings.TrimSpace(expr)); err != nil {
					t.Errorf("%s: %s: %v", page, expr, err)
				}
				checkMetrics(t, known, filepath.Base(page), expr)
			}
		}
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	if problems := rule.CheckDependencies(load(t)); problems != nil {
		t.Error(problems)
	}
	all := rules(t)
	for name, r := range all {
		for _, d := range r.DependsOn {
			if all[d.Alert] == nil {
				t.Errorf("%s depends on %s, which no rule has", name, d.Alert)
			}
		}
	}
}

func TestEachFileStandsAlone(t *testing.T) {
	t.Parallel()
	for _, name := range catalogue.Files() {
		files, problems := catalogue.Load([]string{name}, rule.Options{Checker: checker(t)})
		if len(files) != 1 || problems != nil || files[0].Name != "catalogue/"+name+".yaml" {
			t.Errorf("%s: %v", name, problems)
		}
		if problems := rule.CheckDependencies(files); problems != nil {
			t.Error(problems)
		}
	}
}

// With any value that is allowed the rules must still be right.
func TestParameters(t *testing.T) {
	t.Parallel()
	extremes := []func(rule.Parameter) string{
		func(p rule.Parameter) string { return p.Min }, func(p rule.Parameter) string { return p.Max },
	}
	for _, f := range load(t) {
		content, err := fs.ReadFile(catalogue.FS(), strings.TrimPrefix(f.Name, catalogue.Prefix))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range f.Parameters {
			if p.Help == "" || p.Min == "" && p.Max == "" {
				t.Errorf("%s: parameter %s needs a help text and a bound", f.Name, p.Name)
			}
			if !strings.Contains(string(content), "${"+p.Name+"}") {
				t.Errorf("%s: parameter %s is not used", f.Name, p.Name)
			}
		}
		for _, extreme := range extremes {
			values := map[string]string{}
			for _, p := range f.Parameters {
				if v := extreme(p); v != "" {
					values[p.Name] = v
				}
			}
			opt := rule.Options{Checker: checker(t), Parameters: map[string]map[string]string{f.Name: values}}
			name := strings.TrimSuffix(strings.TrimPrefix(f.Name, catalogue.Prefix), ".yaml")
			if _, problems := catalogue.Load([]string{name}, opt); problems != nil {
				t.Errorf("with %v: %v", values, problems)
			}
		}
	}
}

func TestUnknownNames(t *testing.T) {
	t.Parallel()
	_, problems := catalogue.Load([]string{"hosts"}, rule.Options{Parameters: map[string]map[string]string{
		"catalogue/disks.yaml": {"a": "1"}, "catalogue/disk.yaml": {"low_percent": "20"}, "rules/x.yaml": {"a": "1"},
	}})
	if len(problems) != 2 || !strings.Contains(problems[0].Message, `no "hosts"`) || !strings.Contains(problems[1].Message, `no "disks"`) {
		t.Error(problems)
	}
}

// pending are metrics of alerting, which its own documentation has, and of every
// program in Go.
var pending = regexp.MustCompile(`^esmon_(alerting|dispatch)_|^esmon_(site|collector_fleet)_(agents|silent_ratio)$|^esmon_agent_(up|stream_up|closed|behind|silent_seconds|data_age_seconds|last_seen_timestamp_seconds)$|^process_(open_fds|max_fds|cpu_seconds_total)$`)

// documented returns the names of all metrics that the documentation has.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| `([a-z][a-z0-9_]+)` \\|")
	for _, page := range []string{"metrics.md", "platform-metrics.md", "agent.md"} {
		content, err := os.ReadFile(filepath.Join(docs, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range row.FindAllStringSubmatch(string(content), -1) {
			known[m[1]] = true
		}
	}
	if len(known) < 200 {
		t.Fatalf("only %d metrics are documented", len(known))
	}
	return known
}

func checkMetrics(t *testing.T, known map[string]bool, where, expr string) {
	t.Helper()
	shape, err := query.Analyse(expr)
	if err != nil || shape.AnyMetric {
		t.Errorf("%s: %s names no metric: %v", where, expr, err)
	}
	for _, name := range shape.Metrics {
		if !known[name] && !known[strings.TrimSuffix(name, "_bucket")] && !pending.MatchString(name) {
			t.Errorf("%s: nothing has the metric %s", where, name)
		}
	}
}

func TestMetricsExist(t *testing.T) {
	t.Parallel()
	known := documented(t)
	for name, r := range rules(t) {
		checkMetrics(t, known, name, r.Expr)
		if r.Clear != "" {
			checkMetrics(t, known, name, r.Clear)
		}
	}
}

// A rule about a host must be decided by that host's data alone.
func TestRulesOnHostsNeedOneHost(t *testing.T) {
	t.Parallel()
	for name, r := range rules(t) {
		if strings.HasPrefix(name, "Platform") {
			continue
		}
		for _, expr := range []string{r.Expr, r.Clear} {
			if shape, err := query.Analyse(expr); expr != "" && (err != nil || !shape.Entity) {
				t.Errorf("%s: %s needs the data of several hosts: %v", name, expr, err)
			}
		}
	}
}
