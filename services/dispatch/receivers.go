package dispatch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	waitingDesc = describe("waiting", "Notifications that wait, by receiver.")
	deadDesc    = describe("dead", "Notifications that were given up and are kept, by receiver.")
	oldestDesc  = describe("oldest_waiting_seconds", "Age of the oldest notification that waits, by receiver.")
	breakerDesc = describe("breaker_open", "1 for each receiver that is left alone now, because it failed again and again or asked for it; 0 for the others.")
)

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("esmon_dispatch_"+name, help, []string{"receiver"}, nil)
}

// receiverCollector tells how things are with each receiver when it is asked: what was
// counted last, and which are left alone.
type receiverCollector struct{ d *Dispatch }

// Describe names the metrics.
func (c *receiverCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- waitingDesc
	ch <- deadDesc
	ch <- oldestDesc
	ch <- breakerDesc
}

// Collect tells.
func (c *receiverCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, receiver string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, receiver)
	}
	if counts := c.d.counts.Load(); counts != nil {
		now := c.d.deps.Now()
		for _, r := range *counts {
			age := 0.0
			if r.Waiting > 0 && r.Oldest > 0 {
				age = max(now.Sub(time.UnixMilli(r.Oldest)).Seconds(), 0)
			}
			gauge(waitingDesc, float64(r.Waiting), r.Receiver)
			gauge(deadDesc, float64(r.Dead), r.Receiver)
			gauge(oldestDesc, age, r.Receiver)
		}
	}
	open := c.d.Breakers()
	for name := range c.d.deps.Receivers() {
		v := 0.0
		if _, ok := open[name]; ok {
			v = 1
		}
		gauge(breakerDesc, v, name)
	}
}
