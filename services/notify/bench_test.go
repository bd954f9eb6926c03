package notify_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/notify"
)

const benchConfig = `
route:
  receiver: ops
  group_by: %s
  routes:
  - {matchers: [team="db"], receiver: dba}
  - {matchers: [team=~"web|app"], receiver: web, continue: true}
  - {matchers: [severity="critical"], receiver: pager}
inhibit_rules:
- {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [host_name]}
`

func manyAlerts(n int) []alert.Alert {
	alerts := make([]alert.Alert, n)
	for i := range alerts {
		ls := metric.NewLabels(
			metric.Label{Name: "alertname", Value: fmt.Sprintf("Alert%d", i%20)},
			metric.Label{Name: "host_name", Value: fmt.Sprintf("host-%05d", i/10)},
			metric.Label{Name: "severity", Value: []string{"critical", "warning", "info"}[i%3]},
			metric.Label{Name: "team", Value: []string{"db", "web", "app", "net"}[i%4]},
			metric.Label{Name: "instance", Value: fmt.Sprint(i)})
		alerts[i] = alert.Alert{
			Key: alert.KeyOf("rule", ls), RuleID: "rule", Labels: ls, State: alert.Firing, Fired: start.UnixMilli(),
			Annotations: map[string]string{"summary": "something is wrong"},
		}
	}
	return alerts
}

// BenchmarkPlan has 10,000 of 100,000 alerts change, in few groups and in many.
func BenchmarkPlan(b *testing.B) {
	for _, groupBy := range []string{"[alertname]", "[host_name]", "[...]"} {
		b.Run(groupBy, func(b *testing.B) {
			p := notify.New(mustParse(b, fmt.Sprintf(benchConfig, groupBy)), notify.Options{})
			alerts := manyAlerts(100_000)
			p.Update(alerts, nil)
			now := start
			if _, err := p.Plan(now); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				state := alert.Resolved
				if alerts[0].State == state {
					state = alert.Firing
				}
				now = now.Add(time.Hour)
				for i := range alerts[:10_000] {
					alerts[i].State = state
					if state == alert.Firing {
						alerts[i].Fired = now.UnixMilli()
					} else {
						alerts[i].Resolved = now.UnixMilli()
					}
				}
				p.Update(alerts[:10_000], nil)
				if _, err := p.Plan(now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQuietPlan has 100,000 alerts and nothing that changes.
func BenchmarkQuietPlan(b *testing.B) {
	p := notify.New(mustParse(b, fmt.Sprintf(benchConfig, "[alertname]")), notify.Options{})
	p.Update(manyAlerts(100_000), nil)
	now := start
	for b.Loop() {
		now = now.Add(time.Millisecond)
		if _, err := p.Plan(now); err != nil {
			b.Fatal(err)
		}
	}
}
