package dispatch

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/alert"
)

// metrics are dispatch's own.
type metrics struct {
	published, publishFailures, answerFailures, recovered, direct prometheus.Counter

	bypass    prometheus.Gauge
	delivered *prometheus.CounterVec   // by kind
	failed    *prometheus.CounterVec   // by kind and reason
	dead      *prometheus.CounterVec   // by kind and reason
	back      *prometheus.CounterVec   // by reason
	latency   *prometheus.HistogramVec // by kind
	send      *prometheus.HistogramVec // by kind
}

func newMetrics(reg prometheus.Registerer, d *Dispatch) (*metrics, error) {
	const namespace = "esmon_dispatch"
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, []string{"kind"})
	}
	m := &metrics{
		published:       counter("published_total", "Notifications handed from the outbox to the queue."),
		publishFailures: counter("publish_failures_total", "Times that notifications could not be handed to the queue; they stay in the outbox."),
		answerFailures:  counter("answer_failures_total", "Answers that the queue did not take; the message comes again."),
		recovered:       counter("recovered_total", "Notifications that the queue had lost and that were handed to it again."),
		direct:          counter("direct_total", "Notifications taken from the outbox past a queue that took none."),
		bypass:          prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "queue_bypassed", Help: "Whether the queue takes no notifications and they are delivered from the outbox: 1 or 0."}),
		delivered:       counters("delivered_total", "Notifications that a receiver took, by kind of receiver.", "kind"),
		failed:          counters("failed_attempts_total", "Attempts that failed, by kind of receiver and reason: refused, throttled, timeout, failed, no_receiver, unreadable, or stopped with the process.", "kind", "reason"),
		dead:            counters("given_up_total", "Notifications that were given up, by kind of receiver and reason of the last failure.", "kind", "reason"),
		back:            counters("put_back_total", "Messages put back without an attempt, by reason: breaker, throttled, rate, busy, order, duplicate or outbox.", "reason"),
		latency:         histogram("delivery_duration_seconds", "From a notification's creation to its delivery, by kind of receiver.", prometheus.ExponentialBuckets(0.01, 2, 20)),
		send:            histogram("send_duration_seconds", "How long attempts took, by kind of receiver.", prometheus.ExponentialBuckets(0.005, 2, 14)),
	}
	for _, r := range []string{backBreaker, backAsked, backRate, backBusy, backOrder, backTwice, backOutbox} {
		m.back.WithLabelValues(r) // 0 is worth seeing
	}
	for _, c := range []prometheus.Collector{
		m.published, m.publishFailures, m.answerFailures, m.recovered, m.direct, m.bypass, m.delivered, m.failed, m.dead, m.back, m.latency, m.send,
		&receiverCollector{d},
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of dispatch: %w", err)
		}
	}
	return m, nil
}

// count counts an outcome that was noted.
func (m *metrics) count(n *alert.Notification, o *outcome, now time.Time) {
	kind := o.kind
	if kind == "" {
		kind = "unknown"
	}
	if o.reason == "" {
		m.delivered.WithLabelValues(kind).Inc()
		m.latency.WithLabelValues(kind).Observe(now.Sub(time.UnixMilli(n.Created)).Seconds())
		return
	}
	m.failed.WithLabelValues(kind, o.reason).Inc()
	if o.state == alert.Dead {
		m.dead.WithLabelValues(kind, o.reason).Inc()
	}
}
