package postgres

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the database connections' own.
type metrics struct {
	statements prometheus.Histogram
	errors     *prometheus.CounterVec // by SQLSTATE
	resets     *prometheus.CounterVec // by reason
}

func newMetrics(reg prometheus.Registerer, pools map[string]*pgxpool.Pool) (*metrics, error) {
	m := &metrics{
		statements: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "esmon_postgres_statement_seconds", Help: "How long statements took at the database, successful or not.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10, 60},
		}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "esmon_postgres_errors_total", Help: "Statements that failed, by SQLSTATE; connection where the server did not answer.",
		}, []string{"code"}),
		resets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "esmon_postgres_resets_total",
			Help: "How often all connections were thrown away, by reason: the SQLSTATE of a server that is no primary any more or shuts down, or broken.",
		}, []string{"reason"}),
	}
	for _, c := range []prometheus.Collector{m.statements, m.errors, m.resets, &poolCollector{pools: pools}} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the database: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) observe(took time.Duration, err error) {
	m.statements.Observe(took.Seconds())
	if err == nil {
		return
	}
	code := "connection"
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		code = e.Code
	}
	m.errors.WithLabelValues(code).Inc()
}

var (
	connectionsDesc = prometheus.NewDesc("esmon_postgres_connections", "Connections to the database, by pool and state.", []string{"pool", "state"}, nil)
	waitDesc        = prometheus.NewDesc("esmon_postgres_connection_wait_seconds_total", "How long callers waited for a connection, by pool.", []string{"pool"}, nil)
)

// poolCollector counts connections when it is asked.
type poolCollector struct{ pools map[string]*pgxpool.Pool }

// Describe names the metrics.
func (c *poolCollector) Describe(ch chan<- *prometheus.Desc) { ch <- connectionsDesc; ch <- waitDesc }

// Collect counts.
func (c *poolCollector) Collect(ch chan<- prometheus.Metric) {
	for name, pool := range c.pools {
		s := pool.Stat()
		ch <- prometheus.MustNewConstMetric(connectionsDesc, prometheus.GaugeValue, float64(s.AcquiredConns()), name, "busy")
		ch <- prometheus.MustNewConstMetric(connectionsDesc, prometheus.GaugeValue, float64(s.IdleConns()), name, "idle")
		ch <- prometheus.MustNewConstMetric(connectionsDesc, prometheus.GaugeValue, float64(s.ConstructingConns()), name, "connecting")
		ch <- prometheus.MustNewConstMetric(waitDesc, prometheus.CounterValue, s.AcquireDuration().Seconds(), name)
	}
}
