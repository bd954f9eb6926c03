package amqp

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reasons for which a record was not confirmed.
const (
	reasonNack     = "nack"
	reasonReturned = "returned"
	reasonBroken   = "connection"
	reasonTimeout  = "timeout"
)

// linkMetrics are about the connections.
type linkMetrics struct {
	connects  *prometheus.CounterVec // by link
	connected *prometheus.GaugeVec   // by link
	blocked   prometheus.Gauge
}

func newLinkMetrics(namespace string) linkMetrics {
	m := linkMetrics{
		connects:  prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "connects_total", Help: "Connections made to a broker, by link."}, []string{"link"}),
		connected: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "connected", Help: "1 while there is a connection to a broker, by link."}, []string{"link"}),
		blocked:   prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "blocked", Help: "1 while the broker takes nothing because it lacks disk or memory."}),
	}
	for _, l := range []string{linkPublish, linkRead} {
		m.connects.WithLabelValues(l) // 0 is worth seeing
		m.connected.WithLabelValues(l)
	}
	return m
}

// metrics are the log's own.
type metrics struct {
	records, bytes, full, foreign, gaps prometheus.Counter
	publish                             prometheus.Histogram
	failures                            *prometheus.CounterVec // by reason
	linkMetrics
	backlogBytes, backlogRecords *prometheus.GaugeVec // by partition
	backlogAge, replicas         *prometheus.GaugeVec // by partition
	pollFailures                 *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "esmon_ingest_log", Name: name, Help: help})
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "esmon_ingest_log", Name: name, Help: help}, []string{label})
	}
	gauges := func(name, help, label string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "esmon_ingest_log", Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		records:        counter("records_total", "Records that the broker confirmed."),
		bytes:          counter("published_bytes_total", "Bytes of records that the broker confirmed."),
		full:           counter("full_total", "Records not taken because storage has not caught up or the broker takes nothing."),
		foreign:        counter("foreign_messages_total", "Messages in the streams that are no records of this platform; readers pass over them."),
		gaps:           counter("gaps_total", "Times that a reader found records gone or their stream replaced."),
		publish:        prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "esmon_ingest_log", Name: "publish_seconds", Help: "How long a record took to be confirmed.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}),
		failures:       counters("publish_failures_total", "Records that were not confirmed, by reason: refused by the broker (nack), no stream took them (returned), connection lost, or not confirmed in time (timeout).", "reason"),
		linkMetrics:    newLinkMetrics("esmon_ingest_log"),
		backlogBytes:   gauges("backlog_bytes", "Estimated bytes in the stream that storage has not stored.", "partition"),
		backlogRecords: gauges("backlog_records", "Records in the stream that storage has not stored.", "partition"),
		backlogAge:     gauges("backlog_age_seconds", "Age, at most, of the oldest record that storage has not stored.", "partition"),
		replicas:       gauges("replicas", "Brokers, of those named in bus.url, that hold the stream and can serve it.", "partition"),
		pollFailures:   counters("poll_failures_total", "Times that the backlog could not be measured, by what did not answer: stream or stored position.", "what"),
	}
	for _, r := range []string{reasonNack, reasonReturned, reasonBroken, reasonTimeout} {
		m.failures.WithLabelValues(r) // 0 is worth seeing
	}
	for _, w := range []string{"stream", "stored"} {
		m.pollFailures.WithLabelValues(w)
	}
	for _, c := range []prometheus.Collector{
		m.records, m.bytes, m.full, m.foreign, m.gaps, m.publish, m.failures, m.connects, m.connected, m.blocked,
		m.backlogBytes, m.backlogRecords, m.backlogAge, m.replicas, m.pollFailures,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the ingest log: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) confirmed(size int, took time.Duration) {
	m.records.Inc()
	m.bytes.Add(float64(size))
	m.publish.Observe(took.Seconds())
}

func (m *metrics) backlog(partition int, records, bytes float64, age time.Duration) {
	label := strconv.Itoa(partition)
	m.backlogRecords.WithLabelValues(label).Set(records)
	m.backlogBytes.WithLabelValues(label).Set(bytes)
	m.backlogAge.WithLabelValues(label).Set(age.Seconds())
}
