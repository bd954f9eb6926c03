package route

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Why a session went to another node.
const (
	moveFailed  = "failed"   // a request to the node failed on its way
	moveNotWell = "not_well" // the node said so, or was not there any more
	moveHome    = "home"     // it came back to the node that its id belongs to
)

// metrics are what a gateway tells about its way to the storage nodes.
type metrics struct {
	moves, forgotten, retries, failures *prometheus.CounterVec
	lookups, malformed                  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, s *Storage) (*metrics, error) {
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "esmon_route", Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		moves:     vec("session_moves_total", "Sessions that went to another storage node, by reason.", "reason"),
		forgotten: vec("sessions_forgotten_total", "Sessions that are not remembered any more, by reason.", "reason"),
		retries:   vec("retries_total", "Requests that were sent to another storage node because one did not answer.", "protocol"),
		failures:  vec("failures_total", "Requests that no storage node answered, by reason.", "reason"),
		lookups:   prometheus.NewCounter(prometheus.CounterOpts{Namespace: "esmon_route", Name: "lookup_failures_total", Help: "Names of storage nodes that could not be looked up."}),
		malformed: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "esmon_route", Name: "positions_malformed_total", Help: "Answers of storage nodes whose position could not be read."}),
	}
	return m, register(reg, m.moves, m.forgotten, m.retries, m.failures, m.lookups, m.malformed, gauges{s})
}

// nodeMetrics are what a storage node tells about requests that were there before it.
type nodeMetrics struct {
	waits     *prometheus.CounterVec // by outcome
	waited    prometheus.Counter
	malformed prometheus.Counter
}

func newNodeMetrics(reg prometheus.Registerer) (*nodeMetrics, error) {
	m := &nodeMetrics{
		waits:     prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "esmon_freshness", Name: "waits_total", Help: "Requests that had to wait until this node had read as far as another, by outcome."}, []string{"outcome"}),
		waited:    prometheus.NewCounter(prometheus.CounterOpts{Namespace: "esmon_freshness", Name: "wait_seconds_total", Help: "Time that requests waited so."}),
		malformed: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "esmon_freshness", Name: "positions_malformed_total", Help: "Requests whose position could not be read and was passed over."}),
	}
	return m, register(reg, m.waits, m.waited, m.malformed)
}

func register(reg prometheus.Registerer, all ...prometheus.Collector) error {
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

var (
	nodesDesc    = prometheus.NewDesc("esmon_route_nodes", "Storage nodes, by state.", []string{"state"}, nil)
	sessionsDesc = prometheus.NewDesc("esmon_route_sessions", "Sessions that are remembered.", nil, nil)
)

// gauges are read off the storage nodes when they are asked for.
type gauges struct{ s *Storage }

// Describe implements [prometheus.Collector].
func (gauges) Describe(out chan<- *prometheus.Desc) {
	out <- nodesDesc
	out <- sessionsDesc
}

// Collect implements [prometheus.Collector].
func (g gauges) Collect(out chan<- prometheus.Metric) {
	count := map[State]int{}
	for _, n := range g.s.Nodes() {
		count[n.State]++
	}
	for _, state := range []State{Connecting, Serving, NotReady, Unreachable} {
		out <- prometheus.MustNewConstMetric(nodesDesc, prometheus.GaugeValue, float64(count[state]), string(state))
	}
	_, all := g.s.sessions.perNode()
	out <- prometheus.MustNewConstMetric(sessionsDesc, prometheus.GaugeValue, float64(all))
}
