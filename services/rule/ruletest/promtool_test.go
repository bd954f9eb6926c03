package ruletest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/metric"
)

// promtool runs a file of tests by the tool of Debian's package prometheus, which make
// test installs.
func promtool(t *testing.T, dir, name string) (passed bool, output string) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("promtool is needed: install the package prometheus, as make test does: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), tool, "test", "rules", name)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

func verdict(t *testing.T, dir, name string) (passed bool, failures string) {
	t.Helper()
	results, err := Run(t.Context(), os.DirFS(dir), []string{name}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range results {
		all = append(all, r.Failures...)
	}
	return len(all) == 0, strings.Join(all, "\n")
}

// TestSameVerdict compares verdicts on files of other projects with promtool's. Left
// out is what Debian's version does not know: start times, fuzzy comparison and native
// histograms.
func TestSameVerdict(t *testing.T) {
	t.Parallel()
	left := []string{"start-time-test.yml", "no-test-group-interval.yml", "rules_run_fuzzy.yml", "rules_run_no_fuzzy.yml", "unittest.yml"}
	compared := 0
	for _, pattern := range []string{"prometheus/promtool/*.yml", "thanos/alerts/*.yaml"} {
		names, err := filepath.Glob(filepath.Join("../testdata/thirdparty", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range names {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir, name := filepath.Split(path)
			if !bytes.Contains(content, []byte("tests:")) || slices.Contains(left, name) {
				continue
			}
			compared++
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				want, theirs := promtool(t, dir, name)
				got, ours := verdict(t, dir, name)
				if got != want {
					t.Errorf("passed: %v, by promtool %v\nours: %s\ntheirs: %s", got, want, ours, theirs)
				}
			})
		}
	}
	if compared < 8 {
		t.Errorf("%d files were compared, want 8 or more", compared)
	}
}

// dice makes rules and series at random.
type dice struct{ *rand.Rand }

func (d dice) of(texts ...string) string { return texts[d.IntN(len(texts))] }

func (d dice) values(n int) string {
	var b strings.Builder
	for range n {
		switch d.IntN(12) {
		case 0:
			b.WriteString("_ ")
		case 1:
			b.WriteString("stale ")
		case 2:
			fmt.Fprintf(&b, "_x%d ", d.IntN(7)+1)
		default:
			fmt.Fprintf(&b, "%d ", d.IntN(10))
		}
	}
	return b.String()
}

func (d dice) rules() string {
	var b strings.Builder
	b.WriteString("groups:\n")
	for g := range 2 {
		fmt.Fprintf(&b, "- name: g%d\n  rules:\n", g)
		for i := range 4 {
			if i == 1 {
				fmt.Fprintf(&b, "  - record: r%d:m\n    expr: %s\n    labels: {made: \"by %d\", host: \"%s\"}\n", g,
					d.of("sum by (job) (m)", "max by (job) (m) > 5", "count(m > 4) by (job)", "avg by (job) (n) - 1"), g, d.of("", "all"))
				continue
			}
			fmt.Fprintf(&b, "  - alert: A%d%d\n    expr: %s\n    for: %s\n    keep_firing_for: %s\n", g, d.IntN(3),
				d.of("m > 5", "m < 3", "m == 4", "m > on(host) group_left n", "r0:m > 2", "r1:m", "sum(m) > 12", "absent(n{host=\"a\"})", "n offset 1m > 3", "ALERTS{alertstate=\"firing\",host=\"a\",chain=\"\"}", "max_over_time(m[3m20s500ms]) > 7", "n"),
				d.of("0s", "0s", "1m", "2m", "90s", "5m"), d.of("0s", "0s", "1m", "2m", "150s"))
			fmt.Fprintf(&b, "    labels: {severity: '%s', chain: \"%d\"}\n", d.of("page", "{{ if gt $value 6.0 }}critical{{ else }}warning{{ end }}", "{{ $labels.host }}", "{{ .ExternalLabels.site }}"), i)
			fmt.Fprintf(&b, "    annotations: {text: '%s'}\n", d.of("{{ $value }} on {{ $labels.host }}", "{{ $value | humanize }}", "fixed", "{{ with query \"sum(m)\" }}{{ . | first | value }}{{ end }}", "{{ len $labels.host }}", "{{ $labels.__name__ }}"))
		}
	}
	return b.String()
}

// trial writes rules and a test of them that expects what comes about here.
func (d dice) trial(t *testing.T, dir string) *file {
	t.Helper()
	write(t, filepath.Join(dir, "rules.yml"), d.rules())
	f := &file{RuleFiles: []string{"rules.yml"}, EvaluationInterval: model.Duration(time.Minute), Tests: make([]test, 1), GroupEvalOrder: []string{"g0", "g1"}}
	tt := &f.Tests[0]
	// No sample is exactly as old as a range or the lookback: Prometheus 2 and 3 do not
	// agree on whether such a one counts.
	tt.Interval = model.Duration(61 * time.Second)
	if d.IntN(3) == 0 {
		tt.Interval = model.Duration(31 * time.Second)
	}
	tt.ExternalLabels = map[string]string{"site": "here"}
	for _, s := range []string{`m{host="a",job="x"}`, `m{host="b",job="x"}`, `m{host="c",job="y"}`, `n{host="a"}`, `n{host="b"}`} {
		tt.InputSeries = append(tt.InputSeries, series{s, "_ " + d.values(25)})
	}
	const last = 24
	for _, expr := range []string{"ALERTS", "ALERTS_FOR_STATE", `{__name__=~"r.:m"}`, "count_over_time({__name__=~\"r.:m|ALERTS\"}[330s])"} {
		for _, at := range []int{last, d.IntN(last)} {
			tt.PromqlExprTests = append(tt.PromqlExprTests, exprTest{Expr: expr, EvalTime: model.Duration(time.Duration(at) * time.Minute)})
		}
	}
	s, err := newSuite(f, tt, Options{Query: queryConfig()})
	if err != nil {
		t.Fatal(err)
	}
	if problems := s.loadRules(os.DirFS(dir), f, Options{}); len(problems) > 0 {
		t.Fatal(problems)
	}
	var expected []alertTest
	for i := range last + 1 {
		at := s.start.Add(time.Duration(i) * s.step)
		s.addInput(at.UnixMilli())
		if failed := s.evaluateAt(t.Context(), at); len(failed) > 0 {
			return nil // rules that cannot be evaluated
		}
		for g := range 2 {
			for n := range 3 {
				name := fmt.Sprintf("A%d%d", g, n)
				e := alertTest{EvalTime: model.Duration(at.Sub(s.start)), Alertname: name}
				for _, a := range s.firing(name) {
					labels := labelMap(a.Labels)
					delete(labels, "alertname")
					e.ExpAlerts = append(e.ExpAlerts, expectedAlert{labels, maps.Clone(a.Annotations)})
				}
				expected = append(expected, e)
			}
		}
	}
	for i := range tt.PromqlExprTests {
		e := &tt.PromqlExprTests[i]
		got, err := s.evaluator.Instant(t.Context(), e.Expr, s.start.Add(time.Duration(e.EvalTime)))
		if err != nil {
			t.Fatal(err)
		}
		for _, sample := range got {
			e.ExpSamples = append(e.ExpSamples, expectedSample{Labels: notation(sample.Labels), Value: sample.V})
		}
	}
	tt.AlertRuleTests = expected
	return f
}

func notation(ls metric.Labels) string {
	var parts []string
	for _, l := range ls {
		if l.Name != metric.NameLabel {
			parts = append(parts, fmt.Sprintf("%s=%q", l.Name, l.Value))
		}
	}
	return ls.Get(metric.NameLabel) + "{" + strings.Join(parts, ",") + "}"
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeTest(t *testing.T, path string, f *file) {
	t.Helper()
	text, err := yaml.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.ReplaceAll(string(text), "    start_timestamp: \"0001-01-01T00:00:00Z\"\n", ""))
}

// TestRandomRules evaluates rules over series, both made at random, and has promtool
// say whether the same alerts fired and the same series were recorded.
func TestRandomRules(t *testing.T) {
	t.Parallel()
	fired, ran := 0, 0
	for seed := range uint64(60) {
		dir := t.TempDir()
		f := dice{rand.New(rand.NewPCG(seed, 7))}.trial(t, dir)
		if f == nil {
			continue
		}
		ran++
		for _, a := range f.Tests[0].AlertRuleTests {
			fired += len(a.ExpAlerts)
		}
		f.FuzzyCompare = false
		writeTest(t, filepath.Join(dir, "test.yml"), f)
		stripUnknown(t, filepath.Join(dir, "test.yml"))
		if passed, output := promtool(t, dir, "test.yml"); !passed {
			rules, _ := os.ReadFile(filepath.Join(dir, "rules.yml"))
			tests, _ := os.ReadFile(filepath.Join(dir, "test.yml"))
			t.Fatalf("seed %d: promtool finds other alerts or samples: %s\n%s\n%s", seed, output, rules, tests[:min(len(tests), 1500)])
		}
		if passed, failures := verdict(t, dir, "test.yml"); !passed {
			t.Errorf("seed %d: %s", seed, failures)
		}
	}
	if ran < 30 || fired < 1000 {
		t.Errorf("%d trials with %d firing alerts say too little", ran, fired)
	}
}

// stripUnknown takes out what Debian's promtool does not know.
func stripUnknown(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.Contains(line, "start_timestamp") && !strings.Contains(line, "fuzzy_compare") && !strings.Contains(line, "histogram: \"\"") {
			kept = append(kept, line)
		}
	}
	write(t, path, strings.Join(kept, "\n"))
}
