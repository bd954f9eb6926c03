package storage

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are storage's own.
type metrics struct {
	records        prometheus.Counter
	failures       prometheus.Counter
	conflicts      prometheus.Counter
	dropped        prometheus.Counter
	lost           *prometheus.CounterVec // by cause
	upkeepFailures *prometheus.CounterVec // by step
}

func newMetrics(reg prometheus.Registerer, s *Storage) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "esmon_storage", Name: name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "esmon_storage", Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		records:        counter("records_total", "Records of the ingest log taken into the head."),
		failures:       counter("cut_failures_total", "Times that a cut could not be stored. Nothing is lost by that."),
		conflicts:      counter("cut_conflicts_total", "Cuts dropped because the stored position was another than expected."),
		dropped:        counter("blocks_dropped_total", "Blocks dropped at the end of their retention."),
		lost:           vec("data_loss_total", "Times that acknowledged data was found lost, by cause: gap in the ingest log, or a corrupt record.", "cause"),
		upkeepFailures: vec("upkeep_failures_total", "Failures in looking after the stored blocks, by step.", "step"),
	}
	for _, cause := range []string{"gap", "corrupt"} {
		m.lost.WithLabelValues(cause) // 0 is worth seeing
	}
	for _, c := range []prometheus.Collector{m.records, m.failures, m.conflicts, m.dropped, m.lost, m.upkeepFailures, newLagCollector(s)} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of storage: %w", err)
		}
	}
	return m, nil
}

// boundsTimeout is how long the log may take to say what it holds.
const boundsTimeout = 3 * time.Second

// lagCollector tells how far storage is behind the log.
type lagCollector struct {
	s                *Storage
	lag, behind, cut *prometheus.Desc
	leads            *prometheus.Desc
}

func newLagCollector(s *Storage) *lagCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("esmon_storage_"+name, help, []string{"partition"}, nil)
	}
	return &lagCollector{
		s:      s,
		lag:    desc("lag_seconds", "Age of the oldest record of the ingest log that queries do not see yet."),
		behind: desc("records_behind", "Records of the ingest log that queries do not see yet."),
		leads:  desc("leads", "1 if this process stores the partition, 0 if another one does."),
		cut:    desc("records_uncommitted", "Records of the ingest log that are not in the database yet."),
	}
}

// Describe implements [prometheus.Collector].
func (c *lagCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.lag
	ch <- c.behind
	ch <- c.cut
	ch <- c.leads
}

// Collect implements [prometheus.Collector].
func (c *lagCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), boundsTimeout)
	defer cancel()
	for _, f := range c.s.followers {
		label := strconv.Itoa(f.partition)
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, max(v, 0), label)
		}
		leads := 0.0
		if f.leading.Load() {
			leads = 1
		}
		gauge(c.leads, leads)
		b, err := c.s.deps.Log.Bounds(ctx, f.partition)
		if err != nil {
			continue // it does not answer: there is nothing to tell
		}
		p, err := c.s.Progress(ctx, f.partition)
		if err != nil {
			continue
		}
		gauge(c.lag, p.Lag.Seconds())
		gauge(c.behind, float64(b.Next-p.Head))
		gauge(c.cut, float64(b.Next-p.Committed))
	}
}
