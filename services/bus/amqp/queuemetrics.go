package amqp

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// queueMetrics are the queue's own.
type queueMetrics struct {
	put                                            prometheus.Histogram
	putFailures, answerFailures, foreign, unwanted prometheus.Counter
	linkMetrics
}

func newQueueMetrics(reg prometheus.Registerer) (*queueMetrics, error) {
	const namespace = "esmon_dispatch_queue"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	m := &queueMetrics{
		put:            prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "put_seconds", Help: "How long a message took to be confirmed by the broker.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}),
		putFailures:    counter("put_failures_total", "Messages that the broker did not confirm; they are put again."),
		answerFailures: counter("answer_failures_total", "Messages whose delay, end or burial failed; they come again."),
		foreign:        counter("foreign_messages_total", "Messages in the queue that are none of this platform; they are put among the dead."),
		unwanted:       counter("unwanted_total", "Times that messages were given back because no worker of this process wanted any."),
		linkMetrics:    newLinkMetrics(namespace),
	}
	for _, c := range []prometheus.Collector{m.put, m.putFailures, m.answerFailures, m.foreign, m.unwanted, m.connects, m.connected, m.blocked} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the queue of notifications: %w", err)
		}
	}
	return m, nil
}
