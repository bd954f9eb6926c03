package live

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the package tells about itself.
type metrics struct {
	watches       prometheus.Gauge
	sent, dropped prometheus.Counter
	refused       *prometheus.CounterVec // by reason
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		watches: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "esmon_live_watches", Help: "Watches that are open.",
		}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "esmon_live_samples_total", Help: "Samples sent to watches.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "esmon_live_dropped_samples_total", Help: "Samples that clients were too slow for.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "esmon_live_refused_total", Help: "Watches that were refused or ended by the server, by reason.",
		}, []string{"reason"}),
	}
	if reg != nil {
		reg.MustRegister(m.watches, m.sent, m.dropped, m.refused)
	}
	return m
}
