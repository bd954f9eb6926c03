package sqlite

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the log's own.
type metrics struct {
	records, bytes, full prometheus.Counter
	commits, checkpoints prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, l *Log) (*metrics, error) {
	m := &metrics{
		records:     prometheus.NewCounter(prometheus.CounterOpts{Name: "esmon_ingest_log_records_total", Help: "Records appended to the embedded ingest log."}),
		bytes:       prometheus.NewCounter(prometheus.CounterOpts{Name: "esmon_ingest_log_appended_bytes_total", Help: "Bytes appended to the embedded ingest log."}),
		full:        prometheus.NewCounter(prometheus.CounterOpts{Name: "esmon_ingest_log_full_total", Help: "Records not taken because storage has not caught up or the disk is nearly full."}),
		commits:     prometheus.NewHistogram(prometheus.HistogramOpts{Name: "esmon_ingest_log_commit_seconds", Help: "How long a durable commit took.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
		checkpoints: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "esmon_ingest_log_checkpoint_seconds", Help: "How long moving the write-ahead log into the file took.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
	}
	kept := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "esmon_ingest_log_bytes", Help: "Bytes of records that are not released yet."}, func() float64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return float64(l.bytes)
	})
	for _, c := range []prometheus.Collector{m.records, m.bytes, m.full, m.commits, m.checkpoints, kept} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the ingest log: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) observe(group []*request, took time.Duration) {
	m.records.Add(float64(len(group)))
	for _, r := range group {
		m.bytes.Add(float64(len(r.record)))
	}
	m.commits.Observe(took.Seconds())
}
