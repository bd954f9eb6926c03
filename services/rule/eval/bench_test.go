//go:build unix

package eval_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
	"github.com/esolutions/esmon/services/rule/eval/evaltest"
)

// BenchmarkRound evaluates 1,000 rules once over 1,000 hosts with 100 metrics each. Of
// narrow rules each reads one metric of a rack, so that all read all series once; of
// wide ones each reads one metric of all hosts. One host of a thousand has an alert
// of each rule.
func BenchmarkRound(b *testing.B) {
	const steps = 41
	start := time.Date(2026, 5, 4, 13, 0, 0, 0, time.UTC)
	fleet := evaltest.Fleet{Hosts: 1000, Metrics: 100, Step: 15 * time.Second, Start: start, Value: func(h, m, i int) float64 {
		if (h+7*m)%1000 == 0 {
			return 99
		}
		return float64((h*31+m*17+i*7)%90) + 0.5
	}}
	db := fleet.Open(b, steps)
	evaluator, err := query.NewEvaluator(query.DefaultConfig(), query.TSDB(db), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	now := start.Add((steps - 1) * 15 * time.Second).UnixMilli()
	for _, c := range []struct{ name, form string }{
		{"narrow/threshold", `%s{rack="r%d"} > 95`},
		{"narrow/rate", `rate(%s{rack="r%d"}[5m]) > 1000`},
		{"narrow/ratio", `%[1]s{rack="r%[2]d"} / %[1]s{rack="r%[2]d"} > 2`},
		{"wide/threshold", `%s > 95 + 0 * %d`},
		{"wide/average", `avg_over_time(%s[5m]) > 95 + 0 * %d`},
	} {
		b.Run(c.name, func(b *testing.B) {
			groups := groupsOf(b, c.form)
			b.ReportAllocs()
			began := cpuTime()
			for b.Loop() {
				now++ // the data stays as new as it is
				alerts := 0
				shared := query.Share(b.Context(), query.TSDB(db))
				querier := evaluator.With(shared)
				for _, g := range groups {
					result, err := g.Eval(b.Context(), []int64{now}, eval.Env{Querier: querier, Decide: decideByHost})
					if err != nil || len(result.Errors) > 0 {
						b.Fatal(err, result.Errors)
					}
					alerts += len(result.Alerts) + len(result.Refreshed)
				}
				if err := shared.Close(); err != nil {
					b.Fatal(err)
				}
				if alerts == 0 && c.form[0] == '%' && c.name != "narrow/ratio" {
					b.Fatal("no alerts")
				}
			}
			b.ReportMetric((cpuTime()-began).Seconds()/float64(b.N), "cpu-s/round")
		})
	}
}

func decideByHost(ls metric.Labels, _ string, _ int64) eval.Decision {
	return eval.Decision{Agent: ls.Get("host_id"), Decided: true}
}

// groupsOf returns 1,000 rules in groups of ten.
func groupsOf(b *testing.B, form string) (groups []*eval.Group) {
	for i := range 100 {
		g := &rule.Group{File: "bench", Name: fmt.Sprint(i), Interval: 15 * time.Second}
		for j := range 10 {
			g.Rules = append(g.Rules, &rule.Rule{
				ID: fmt.Sprintf("bench;%d;%d", i, j), Alert: "Bench", Expr: fmt.Sprintf(form, evaltest.Name(i), j),
				For: time.Minute, Labels: map[string]string{"severity": "warning"},
				Annotations: map[string]string{"summary": "{{ $labels.host_name }} is at {{ $value }}"},
			})
		}
		group, err := eval.NewGroup(g, eval.Options{})
		if err != nil {
			b.Fatal(err)
		}
		groups = append(groups, group)
	}
	return groups
}
