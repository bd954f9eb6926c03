package query_test

import (
	"testing"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

func TestNarrow(t *testing.T) {
	t.Parallel()
	element := metric.NewLabels(metric.Label{Name: "host_id", Value: "h1"}, metric.Label{Name: "device", Value: `s"da`}, metric.Label{Name: "severity", Value: "critical"})
	for expr, want := range map[string]string{
		`up`:                               `up{device="s\"da",host_id="h1"}`,
		`rate(x_total{a="b"}[5m]) > 1`:     `rate(x_total{a="b",device="s\"da",host_id="h1"}[5m]) > 1`,
		`a / on (host_id) group_left () b`: `a{host_id="h1"} / on (host_id) group_left () b{host_id="h1"}`,
		`max_over_time((a > 1)[5m:])`:      `max_over_time((a{device="s\"da",host_id="h1"} > 1)[5m:])`,
		`1`:                                `1`,
		`no (`:                             `no (`,
	} {
		if got := query.Narrow(expr, element, []string{"severity"}); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}
