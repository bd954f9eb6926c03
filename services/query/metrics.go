package query

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/fault"
)

// metrics are what the package tells about itself.
type metrics struct {
	running, waiting prometheus.Gauge
	duration         *prometheus.HistogramVec // by kind
	failures         *prometheus.CounterVec   // by reason
	samples          prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "esmon_query_running", Help: "Queries that run now.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "esmon_query_waiting", Help: "Queries that wait for their turn.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "esmon_query_duration_seconds", Help: "Time that queries took, the wait for their turn included.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60},
		}, []string{"kind"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "esmon_query_failures_total", Help: "Queries that were refused or failed, by reason.",
		}, []string{"reason"}),
		samples: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "esmon_query_samples_total", Help: "Samples that queries were computed from.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.running, m.waiting, m.duration, m.failures, m.samples)
	}
	return m
}

// done counts a request that was worked on.
func (m *metrics) done(kind string, began time.Time) {
	m.duration.WithLabelValues(kind).Observe(time.Since(began).Seconds())
}

// failed counts a request that was refused or failed; nil is none.
func (m *metrics) failed(err error) {
	if err != nil {
		m.failures.WithLabelValues(fault.ReasonOf(err)).Inc()
	}
}
