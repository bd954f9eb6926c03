package query

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// text writes a plan with what the engine evaluates in brackets.
func (p *plan) text() string {
	switch {
	case p == nil:
		return "engine"
	case p.number:
		return fmt.Sprint(p.value)
	case p.leaf != "":
		return "[" + p.leaf + "]"
	}
	return fmt.Sprintf("(%s %s %s)", p.lhs.text(), parser.ItemTypeStr[p.op], p.rhs.text())
}

// Operators on top are taken off, as far as they are understood.
func TestPlans(t *testing.T) {
	t.Parallel()
	s, err := New(DefaultConfig(), nil, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	for expr, want := range map[string]string{
		"up":                            "engine",
		"time()":                        "engine",
		"1 + 2":                         "engine",
		"up > 1":                        "([up] > 1)",
		"up > 95 + 0 * 7":               "([up] > 95)",
		"-1 < up":                       "(-1 < [up])",
		"up > bool 1":                   "engine",
		"(up > bool 1) * 2":             "([up > bool 1] * 2)",
		"up > time()":                   "engine",
		"scalar(up) * up":               "engine",
		"vector(1) * up":                "([vector(1)] * [up])",
		"rate(a[5m]) / rate(b[5m]) > 3": "(([rate(a[5m])] / [rate(b[5m])]) > 3)",
		"a / on (x) b":                  "([a] / [b])",
		"a / on (x) group_left b":       "engine",
		"(a / on (x) group_left b) > 1": "([a / on (x) group_left b] > 1)",
		"a and b > 1":                   "engine",
		"(a or b) % 2 == 1":             "(([a or b] % 2) == 1)",
		"-a > 1":                        "([-a] > 1)",
		"sum by (x) (a > 1) > 2":        "([sum by (x) (a > 1)] > 2)",
		"a @ end() offset 5m ^ 2":       "([a @ end() offset 5m] ^ 2)",
		`absent(a{y=~"1",x="1"}) > 1`:   `([absent(a{y=~"1",x="1"})] > 1)`,
		"a{x='ü'} > b{x='ü'}":           "([a{x='ü'}] > [b{x='ü'}])",
		`{__name__="a b"} - 1`:          `([{__name__="a b"}] - 1)`,
	} {
		if got := s.planOf(expr).text(); got != want {
			t.Errorf("%s: the plan is %s, want %s", expr, got, want)
		}
	}
}
