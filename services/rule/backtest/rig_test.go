package backtest_test

import "github.com/esolutions/esmon/services/metric"

var stale = metric.Stale()

func labels(pairs ...string) metric.Labels {
	var ls []metric.Label
	for i := 0; i < len(pairs); i += 2 {
		ls = append(ls, metric.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return metric.NewLabels(ls...)
}
