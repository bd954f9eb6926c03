package lease

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are those of all leases that a process keeps.
type Metrics struct {
	holding  *prometheus.GaugeVec
	failures *prometheus.CounterVec
}

// NewMetrics registers the metrics. There is one in a process.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		holding: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "esmon_lease_held", Help: "1 while this process holds the lease, else 0.",
		}, []string{"lease"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "esmon_lease_failures_total", Help: "Attempts to take or renew the lease that the database did not answer.",
		}, []string{"lease"}),
	}
	for _, c := range []prometheus.Collector{m.holding, m.failures} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of leases: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) held(name string, held bool) {
	if m == nil {
		return
	}
	value := 0.0
	if held {
		value = 1
	}
	m.holding.WithLabelValues(name).Set(value)
}

func (m *Metrics) failed(name string) {
	if m != nil {
		m.failures.WithLabelValues(name).Inc()
	}
}
