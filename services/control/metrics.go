package control

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the registry's own.
type metrics struct {
	enrolled prometheus.Counter
	renewed  prometheus.Counter
	connects prometheus.Counter
	refused  *prometheus.CounterVec // by reason
}

func newMetrics(reg prometheus.Registerer, r *Registry) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		enrolled: counter("esmon_agents_enrolled_total", "Agents that got an identity."),
		renewed:  counter("esmon_agent_certificates_renewed_total", "Certificates of agents that were renewed."),
		connects: counter("esmon_control_agent_connects_total", "Streams that agents opened."),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "esmon_agent_refusals_total",
			Help: "Handshakes, calls, connects and enrolments that were refused, by reason.",
		}, []string{"reason"}),
	}
	for _, c := range []prometheus.Collector{m.enrolled, m.renewed, m.connects, m.refused, &agentCollector{r: r, desc: agentsDesc, expiry: expiryDesc}} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the registry of agents: %w", err)
		}
	}
	return m, nil
}

var (
	agentsDesc = prometheus.NewDesc("esmon_agents", "Agents in the registry, by state.", []string{"state"}, nil)
	expiryDesc = prometheus.NewDesc("esmon_control_agent_certificate_expiry_min_timestamp_seconds",
		"When the first certificate of an agent that is connected ends, Unix time; none without one.", nil, nil)
)

// agentCollector counts the registry when it is asked.
type agentCollector struct {
	r            *Registry
	desc, expiry *prometheus.Desc
}

// Describe names the metrics.
func (c *agentCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc; ch <- c.expiry }

// Collect counts.
func (c *agentCollector) Collect(ch chan<- prometheus.Metric) {
	states := map[string]float64{"enrolled": 0, "connected": 0, "disconnected": 0, "revoked": 0, "cloned": 0}
	var first int64
	now := c.r.now()
	for _, e := range c.r.entries() {
		a, connected := e.snapshot()
		states[stateName(stateOf(&a, connected, now))]++
		if end := a.CertificateEnd.Unix(); connected && (first == 0 || end < first) {
			first = end
		}
	}
	for s, n := range states {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, n, s)
	}
	if first != 0 {
		ch <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue, float64(first))
	}
}
