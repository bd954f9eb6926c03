package cli

import (
	"encoding/csv"
	"strings"
	"testing"
)

// TestQueryOutput runs expressions that need no data at a fixed time, in every
// format and both ways.
func TestQueryOutput(t *testing.T) {
	t.Parallel()
	const labelled = `label_replace(vector(2.5), "host", "a \"b\"", "", "") or label_replace(vector(1)/0, "Site", "x,y", "", "")`
	for name, args := range map[string][]string{
		"instant":       {labelled},
		"instant_empty": {"nothing_here"},
		"scalar":        {"1 + 1"},
		"string":        {`"some text"`},
		"range":         {labelled, "--range", "2m", "--step", "1m"},
		"range_default": {"vector(1)", "--range", "1s"},
		"control":       {`label_replace(vector(1), "x", "\x1b[31m", "", "")`},
	} {
		for _, format := range []string{"table", "json", "csv"} {
			t.Run(name+" "+format, func(t *testing.T) {
				t.Parallel()
				r := bothWays(t, append([]string{"query", "--time", "1700000000", "-o", format}, args...)...)
				if r.code != exitOK || r.errout != "" {
					t.Fatalf("%+v", r)
				}
				golden(t, "query_"+name+"_"+format+".golden", r.out)
			})
		}
	}
}

func TestQueryTimes(t *testing.T) {
	t.Parallel()
	want := ok(t, "query", "1", "--time", "1700000000")
	for _, text := range []string{"2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00", "1700000000.0", "1.7e9"} {
		if got := ok(t, "query", "1", "--time", text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	if got := ok(t, "query", "--", "-1"); !strings.Contains(got, "  -1\n") {
		t.Errorf("now: %s", got)
	}
}

// TestDefaultStep checks that a range without a step has a number of values that
// suits a terminal.
func TestDefaultStep(t *testing.T) {
	t.Parallel()
	for span, rows := range map[string]int{"1ms": 1, "1s": 2, "10m": 301, "250h": 251, "7d": 251} {
		got, err := csv.NewReader(strings.NewReader(ok(t, "query", "1", "--range", span, "-o", "csv"))).ReadAll()
		if err != nil || len(got)-1 != rows {
			t.Errorf("%s: %v, %d rows", span, err, len(got)-1)
		}
	}
}

// TestQueriesThatFail are for the server to refuse: exit code 1, and the same words
// both ways.
func TestQueriesThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"up{"}, `invalid parameter "query": 1:4: parse error: unexpected end of input inside braces`},
		{[]string{"rate(up)"}, "expected type range vector"},
		{[]string{strings.Repeat("sum(", 20000) + "1"}, "parse error: unclosed left parenthesis"},
		{[]string{"1", "--range", "1000d", "--step", "1ms"}, "query.max_points"},
		{[]string{"sum_over_time(up[10000d:1ms])"}, "query.max_subquery_steps"},
		{[]string{"1", "--time", "1e10"}, "the time is out of range"},
	} {
		r := bothWays(t, append([]string{"query"}, c.args...)...)
		if r.code != exitFailed || r.out != "" || !strings.Contains(r.errout, c.want) || strings.Count(r.errout, "\n") != 1 {
			t.Errorf("%.50s: %+v", c.args, r)
		}
	}
}

func TestWarningsGoToStandardError(t *testing.T) {
	t.Parallel()
	r := bothWays(t, "query", "quantile(2, vector(1))", "--time", "0", "-o", "csv")
	if r.code != exitOK || r.out != "time,value\n1970-01-01T00:00:00.000Z,+Inf\n" || !strings.HasPrefix(r.errout, "esmon: warning: PromQL warning: quantile value") {
		t.Errorf("%+v", r)
	}
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"table", "json", "csv"} {
		var errout strings.Builder
		code := Main(t.Context(), Program{Args: []string{"query", "1", "--data-dir", shared.dir, "-o", format}, Stdout: fullDevice{}, Stderr: &errout})
		if code != exitFailed || errout.String() != "esmon: short write\n" {
			t.Errorf("%s: exit code %d, %s", format, code, errout.String())
		}
	}
}
