package gateway

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	refused     *prometheus.CounterVec
	connections prometheus.Gauge
	sockets     prometheus.Gauge
	watches     prometheus.Gauge
	messages    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "esmon_http_requests_total", Help: "HTTP requests answered, by who answered and class of status.",
		}, []string{"handler", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "esmon_http_request_duration_seconds", Help: "Time to answer HTTP requests.",
			Buckets: []float64{0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60},
		}, []string{"handler"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "esmon_http_refused_total", Help: "HTTP requests and connections that the gateway itself refused, by reason.",
		}, []string{"reason"}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "esmon_http_connections", Help: "Open HTTP connections.",
		}),
		sockets: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "esmon_live_sockets", Help: "Open live WebSockets.",
		}),
		watches: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "esmon_live_socket_watches", Help: "Watches on all live WebSockets.",
		}),
		messages: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "esmon_live_socket_messages_total", Help: "Messages sent on live WebSockets.",
		}),
	}
	reg.MustRegister(m.requests, m.seconds, m.refused, m.connections, m.sockets, m.watches, m.messages)
	return m
}

// statusClass keeps the number of series small: 2xx, 4xx and so on.
func statusClass(code int) string { return strconv.Itoa(code/100) + "xx" }
