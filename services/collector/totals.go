package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Totals returns how many samples were made durable and how many frames were
// refused for good since the start.
func (c *Collector) Totals() (samples, framesRefused int64) {
	return int64(sum(c.metrics.samples)), int64(sum(c.metrics.refusedFrames))
}

// sum adds up the counters that the collector has.
func sum(c prometheus.Collector) float64 {
	ch := make(chan prometheus.Metric)
	go func() {
		defer close(ch)
		c.Collect(ch)
	}()
	total := 0.0
	for m := range ch {
		var value dto.Metric
		if m.Write(&value) == nil { // a counter's Write cannot fail
			total += value.GetCounter().GetValue()
		}
	}
	return total
}
