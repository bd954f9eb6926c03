package ruletest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/ruletest"
)

func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

const oneRule = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: v > 1\n"

// TestRefused is for files that cannot be run, and for those that would take too much.
func TestRefused(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		"field nonsense not found":           "nonsense: 1\n",
		"group name repeated":                "group_eval_order: [a, a]\ntests: [{}]\n",
		"name it relative to":                "rule_files: [/etc/passwd]\ntests: [{}]\n",
		"outside of the folder":              "rule_files: [../../secret.yml]\ntests: [{}]\n",
		"syntax error in pattern":            "rule_files: ['[']\ntests: [{}]\n",
		"misses required attribute":          "tests: [{name: x, alert_rule_test: [{eval_time: 1m}]}]\n",
		"(in TestGroup x)":                   "tests: [{name: x, alert_rule_test: [{eval_time: 2m}]}]\n",
		"to a valid timestamp":               "tests: [{start_timestamp: yesterday}]\n",
		"not a valid duration":               "evaluation_interval: soon\ntests: [{}]\n",
		"evaluations of rules; the limit is": "evaluation_interval: 1ms\nrule_files: [rules.yml]\ntests: [{alert_rule_test: [{alertname: A, eval_time: 50y}]}]\n",
		"values; the limit is":               "tests: [{input_series: [{series: v, values: 1x4000000000}]}]\n",
		"more than 1000000 values":           "tests: [{input_series: [" + strings.Repeat("{series: v, values: 1x600000},", 2) + "]}]\n",
		"expected histogram, got 5":          "tests: [{promql_expr_test: [{expr: '1', eval_time: 0, exp_samples: [{labels: '', histogram: '5'}]}]}]\n",
		"has 3 values, not one":              "tests: [{promql_expr_test: [{expr: '1', eval_time: 0, exp_samples: [{labels: '', histogram: '{{count:1}}x2'}]}]}]\n",
		"histograms of 20003 bytes":          "tests: [{input_series: [{series: v, values: '{{buckets:[" + strings.Repeat("1 ", 9995) + "]}}x100000'}]}]\n",
		"unexpected character":               "tests: [{promql_expr_test: [{expr: '1', eval_time: 0, exp_samples: [{labels: '}'}]}]}]\n",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			results, err := ruletest.Run(t.Context(), files("test.yml", text, "rules.yml", oneRule), []string{"test.yml"}, ruletest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != 1 || results[0].Passed() || !strings.Contains(strings.Join(results[0].Failures, "\n"), want) {
				t.Errorf("results are %+v", results)
			}
		})
	}
	results, err := ruletest.Run(t.Context(), files(), []string{"gone.yml"}, ruletest.Options{})
	if err != nil || len(results) != 1 || results[0].Passed() || results[0].Name != "" {
		t.Errorf("a file that is not there gives %+v, %v", results, err)
	}
}

// TestFound reads rule files by patterns, relative to the tests, each once, with what
// the operator set.
func TestFound(t *testing.T) {
	t.Parallel()
	rules := "parameters:\n  limit: {default: 90}\ngroups:\n- name: g\n  rules:\n  - alert: A\n    expr: v > ${limit}\n"
	test := `
rule_files: ["../rules/*.yaml", "../rules/a.yaml", "../rules/none*.yaml"]
evaluation_interval: 1m
tests:
- external_url: http://esmon.example.com
  external_labels: {site: x}
  input_series: [{series: 'v{host="a"}', values: '80 95'}]
  alert_rule_test:
  - {eval_time: 90s, alertname: A, exp_alerts: [{exp_labels: {host: a}}]}
`
	fsys := files("tests/t.yaml", test, "rules/a.yaml", rules)
	run := func(opt ruletest.Options) []ruletest.Result {
		results, err := ruletest.Run(t.Context(), fsys, []string{"tests/t.yaml"}, opt)
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	if got := run(ruletest.Options{}); len(got) != 1 || !got[0].Passed() {
		t.Errorf("results are %+v", got)
	}
	higher := ruletest.Options{Rules: rule.Options{Parameters: map[string]map[string]string{"rules/a.yaml": {"limit": "99"}}}}
	if got := run(higher); len(got) != 1 || got[0].Passed() {
		t.Errorf("with another parameter results are %+v", got)
	}
}

// TestCanceled ends with the context.
func TestCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := ruletest.Run(ctx, files("t.yml", "rule_files: [rules.yml]\ntests: [{alert_rule_test: [{alertname: A, eval_time: 1d}]}]\n", "rules.yml", oneRule), []string{"t.yml"}, ruletest.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func FuzzRun(f *testing.F) {
	f.Add("tests: [{input_series: [{series: v, values: 1x5}], alert_rule_test: [{alertname: A, eval_time: 3m, exp_alerts: [{}]}]}]\n", oneRule)
	f.Add("evaluation_interval: 10s\ngroup_eval_order: [g]\nfuzzy_compare: true\ntests: [{start_timestamp: 5e3, promql_expr_test: [{expr: 'v', eval_time: 1m, exp_samples: [{labels: v, value: .nan}]}]}]\n", oneRule)
	f.Fuzz(func(t *testing.T, tests, rules string) {
		if strings.Count(tests, "x")+strings.Count(tests, "eval_time") > 6 || len(tests)+len(rules) > 2000 {
			return // costly, and nothing new
		}
		results, err := ruletest.Run(t.Context(), files("t.yml", "rule_files: [rules.yml]\n"+tests, "rules.yml", rules), []string{"t.yml"}, ruletest.Options{})
		if err != nil {
			t.Error(err)
		}
		for _, r := range results {
			if r.File != "t.yml" {
				t.Errorf("the result is %s", fmt.Sprint(r))
			}
		}
	})
}
