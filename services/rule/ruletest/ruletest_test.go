package ruletest_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/esolutions/esmon/services/rule/ruletest"
)

// run runs the tests of one file of promtool's own test data.
func run(t *testing.T, name, only string) []ruletest.Result {
	t.Helper()
	opt := ruletest.Options{}
	if only != "" {
		opt.Only = regexp.MustCompile(only)
	}
	results, err := ruletest.Run(t.Context(), os.DirFS("../testdata/thirdparty/prometheus/promtool"), []string{name}, opt)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// TestPrometheusOwn runs the files by which promtool is tested, with the verdicts that
// its tests demand.
func TestPrometheusOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, only string
		failures   []string // a part of each; none: it passes
	}{
		{file: "long-period.yml"},
		{file: "bad-input-series.yml", failures: []string{"unexpected"}},
		{file: "bad-promql.yml", failures: []string{"found duplicate series for the match group"}},
		{file: "bad-rules-syntax-test.yml", failures: []string{"unexpected end of input"}},
		{file: "bad-rules-error-test.yml", failures: []string{"rule: joined, time: 0s, err: "}},
		{file: "failing.yml", failures: []string{"alertname: Test", "exp: test 1E+00\n        got: test 0E+00", "alertname: InstanceDown", "alertname: AlwaysFiring"}},
		{file: "at-modifier-test.yml"},
		{file: "negative-offset-test.yml"},
		{file: "experimental-functions-test.yml", failures: []string{"experimental"}},
		{file: "no-test-group-interval.yml"},
		{file: "start-time-test.yml"},
		{file: "rules_run.yml", failures: []string{"exp: test 1E+00"}},
		{file: "rules_run.yml", only: "correct"},
		{file: "rules_run.yml", only: "wrong", failures: []string{"exp: test 1E+00"}},
		{file: "rules_run_no_fuzzy.yml", failures: []string{"test_low", "test_high"}},
		{file: "rules_run_fuzzy.yml", only: "correct"},
		{file: "rules_run_fuzzy.yml", only: "wrong", failures: []string{"test_low", "test_high"}},
		{file: "unittest.yml"},
	} {
		t.Run(c.file+" "+c.only, func(t *testing.T) {
			t.Parallel()
			var failures []string
			for _, r := range run(t, c.file, c.only) {
				failures = append(failures, r.Failures...)
			}
			if len(failures) != len(c.failures) {
				t.Fatalf("%d failures, want %d:\n%s", len(failures), len(c.failures), strings.Join(failures, "\n"))
			}
			for i, want := range c.failures {
				if !strings.Contains(failures[i], want) {
					t.Errorf("failure %d is\n%s\nwant it to contain %q", i, failures[i], want)
				}
			}
		})
	}
}

// TestNativeHistograms has rules over histograms: functions of them, alerts on them, and
// what is recorded of them, with a reset in between.
func TestNativeHistograms(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"rules.yml": {Data: []byte(`
groups:
- name: g
  rules:
  - {record: "job:h:sum", expr: "sum by (job) (h)"}
  - {record: "job:h:count", expr: "histogram_count(job:h:sum)"}
  - {alert: Slow, expr: "histogram_quantile(0.9, h) > 1", for: 1m}
  - {alert: There, expr: "h"}
`)},
		"test.yml": {Data: []byte(`
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - {series: 'h{job="a",host="1"}', values: '{{sum:3 count:2 buckets:[2]}}x2 {{sum:1 count:1 buckets:[1]}} stale'}
  - {series: 'h{job="a",host="2"}', values: '{{sum:3 count:2 buckets:[0 0 2]}}x2 _ 7'}
  alert_rule_test:
  - {eval_time: 2m, alertname: Slow, exp_alerts: [{exp_labels: {job: a, host: "2"}}]}
  - {eval_time: 2m, alertname: There, exp_alerts: [{exp_labels: {job: a, host: "1"}}, {exp_labels: {job: a, host: "2"}}]}
  - {eval_time: 4m, alertname: There, exp_alerts: [{exp_labels: {job: a, host: "2"}}]}
  promql_expr_test:
  - expr: job:h:sum
    eval_time: 2m
    exp_samples: [{labels: 'job:h:sum{job="a"}', histogram: '{{sum:6 count:4 counter_reset_hint:not_reset buckets:[2 0 2]}}'}]
  - expr: h{host="1"}
    eval_time: 3m
    exp_samples: [{labels: 'h{job="a",host="1"}', histogram: '{{sum:1 count:1 buckets:[1]}}'}]
  - expr: job:h:count
    eval_time: 2m
    exp_samples: [{labels: 'job:h:count{job="a"}', value: 4}]
  - expr: count_over_time(h{host="2"}[5m]) + histogram_count(increase(h{host="1"}[150s] @ 180))
    eval_time: 4m
    exp_samples: []
  - expr: histogram_count(job:h:sum) + on() group_left() vector(1)
    eval_time: 1m
    exp_samples: [{labels: '{job="a"}', value: 5}]
`)},
	}
	results, err := ruletest.Run(t.Context(), files, []string{"test.yml"}, ruletest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		for _, f := range r.Failures {
			t.Error(f)
		}
	}
	if len(results) != 1 {
		t.Errorf("%d results", len(results))
	}
}
