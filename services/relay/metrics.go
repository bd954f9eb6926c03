package relay

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Reasons of what the relay itself refuses or ends.
const (
	reasonConnections = "too_many_connections"
	reasonDraining    = "shutting_down"
	reasonUplink      = "uplink_lost"
	reasonRebalance   = "rebalance"
	reasonFirst       = "hello_timeout"
)

type metrics struct {
	connections, streams, connected prometheus.Gauge
	toCentre, toAgents              prometheus.Counter
	refused, ended                  *prometheus.CounterVec
	retries                         prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "esmon_relay", Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "esmon_relay", Name: name, Help: help}, labels)
	}
	bytes := counters("bytes_total", "Bytes of messages passed on, decompressed, by direction: to the centre or to agents.", "to")
	m := &metrics{
		connections: gauge("connections", "Open connections on the relay's agents' port."),
		streams:     gauge("streams", "Streams of agents that are passed on to a central collector."),
		connected:   gauge("uplink_connected", "1 while a central collector can be reached, else 0."),
		toCentre:    bytes.WithLabelValues("centre"), toAgents: bytes.WithLabelValues("agents"),
		refused: counters("refused_total", "Connections and calls of agents that the relay itself refused, by reason.", "reason"),
		ended:   counters("streams_ended_total", "Streams of agents that ended, by reason: the centre's or the relay's own.", "reason"),
		retries: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "esmon_relay", Name: "open_retries_total", Help: "Streams that one central collector did not take and that were offered to another."}),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.connections, m.streams, m.connected, bytes, m.refused, m.ended, m.retries} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
