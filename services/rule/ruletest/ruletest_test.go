package ruletest_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

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
		{file: "unittest.yml", failures: []string{"native histograms are not supported"}},
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
