package control

import (
	"fmt"
	"time"

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
	all := []prometheus.Collector{m.enrolled, m.renewed, m.connects, m.refused, &agentCollector{r: r, desc: agentsDesc, expiry: expiryDesc}}
	if r.shared != nil {
		all = append(all, followAge(r))
	}
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the registry of agents: %w", err)
		}
	}
	return m, nil
}

// followAge tells how old is what is known of the changes of other processes.
func followAge(r *Registry) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "esmon_control_registry_follow_age_seconds",
		Help: "How long ago the changes that other processes made to the registry of agents were last read, seconds.",
	}, func() float64 { return r.now().Sub(fromMilli(r.shared.followed.Load())).Seconds() })
}

var (
	agentsDesc = prometheus.NewDesc("esmon_agents", "Agents in the registry, by state.", []string{"state"}, nil)
	expiryDesc = prometheus.NewDesc("esmon_control_agent_certificate_expiry_min_timestamp_seconds",
		"When the first certificate of an agent that is connected ends, Unix time; none without one.", nil, nil)
	lateDesc = prometheus.NewDesc("esmon_control_agents_late",
		"Agents with a stream open at this process that have had nothing acknowledged for a minute.", nil, nil)
	ackAgeDesc = prometheus.NewDesc("esmon_control_agent_ack_age_max_seconds",
		"Longest time for which an agent with a stream open at this process has had nothing acknowledged, seconds.", nil, nil)
)

// ackLate is from when on an agent that has had nothing acknowledged is late.
const ackLate = time.Minute

// agentCollector counts the registry when it is asked.
type agentCollector struct {
	r            *Registry
	desc, expiry *prometheus.Desc
}

// Describe names the metrics.
func (c *agentCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.desc
	ch <- c.expiry
	ch <- lateDesc
	ch <- ackAgeDesc
}

// Collect counts.
func (c *agentCollector) Collect(ch chan<- prometheus.Metric) {
	states := map[string]float64{"enrolled": 0, "connected": 0, "disconnected": 0, "revoked": 0, "cloned": 0}
	var first int64
	now := c.r.now()
	for _, e := range c.r.entries() {
		a := c.r.view(e)
		states[stateName(stateOf(a, now))]++
		if end := a.CertificateEnd.Unix(); a.connected && (first == 0 || end < first) {
			first = end
		}
	}
	c.collectAcks(ch, now)
	for s, n := range states {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, n, s)
	}
	if first != 0 {
		ch <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue, float64(first))
	}
}

// collectAcks tells for how long agents have had nothing acknowledged. Of sessions
// that are open elsewhere the process there tells.
func (c *agentCollector) collectAcks(ch chan<- prometheus.Metric, now time.Time) {
	var late int
	var longest time.Duration
	for _, e := range c.r.entries() {
		age, open := e.ackAge(now)
		if !open {
			continue
		}
		longest = max(longest, age)
		if age >= ackLate {
			late++
		}
	}
	ch <- prometheus.MustNewConstMetric(lateDesc, prometheus.GaugeValue, float64(late))
	ch <- prometheus.MustNewConstMetric(ackAgeDesc, prometheus.GaugeValue, longest.Seconds())
}

// ackAge returns for how long the agent's open session has had nothing
// acknowledged; false if none is open here.
func (e *entry) ackAge(now time.Time) (time.Duration, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session == nil {
		return 0, false
	}
	began := e.rec.Connected
	if ack := fromMilli(e.lastAck.Load()); ack.After(began) {
		began = ack
	}
	return max(0, now.Sub(began)), true
}
