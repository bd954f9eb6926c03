package collector

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/metric"
)

// metrics are the collector's own.
type metrics struct {
	frames, samples, batches prometheus.Counter
	oversized                prometheus.Counter
	refusedFrames            *prometheus.CounterVec // by reason
	putOffBatches            *prometheus.CounterVec // by reason
	refusedPoints            *prometheus.CounterVec // by reason
	points                   prometheus.Counter
	records                  *prometheus.CounterVec // by result
	rawBytes, recordBytes    prometheus.Counter
	commit                   prometheus.Histogram
	gap, queue, full         prometheus.Gauge
	streams                  prometheus.Gauge
	ended                    *prometheus.CounterVec // by reason
	staleMarkers             prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "esmon_collector", Name: name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "esmon_collector", Name: name, Help: help}, []string{label})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "esmon_collector", Name: name, Help: help})
	}
	m := &metrics{
		frames:        counter("frames_total", "Frames made durable."),
		samples:       counter("samples_total", "Samples made durable, missing values included."),
		batches:       counter("batches_total", "Batches of agents and pushes made durable."),
		oversized:     counter("messages_too_large_total", "Messages of agents larger than collector.max_batch_bytes; each ended its stream."),
		refusedFrames: vec("refused_frames_total", "Frames refused for good, by reason.", "reason"),
		putOffBatches: vec("put_off_batches_total", "Batches refused that agents may send again, by reason.", "reason"),
		points:        counter("points_total", "Points of pushes made durable."),
		refusedPoints: vec("refused_points_total", "Points of pushes refused, by reason.", "reason"),
		records:       vec("records_total", "Records published to the ingest log, by result: confirmed, full or failed.", "result"),
		rawBytes:      counter("record_raw_bytes_total", "Bytes of confirmed records before compression."),
		recordBytes:   counter("record_bytes_total", "Bytes of confirmed records."),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "esmon_collector", Name: "commit_seconds", Help: "How long compressing and publishing a record took.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		gap:          gauge("commit_gap_seconds", "How long a record is gathered at the current load."),
		queue:        gauge("publishing_bytes", "Uncompressed bytes of records on their way to the log."),
		full:         gauge("log_full", "1 while nothing is taken because the ingest log is full."),
		streams:      gauge("streams", "Open streams of agents."),
		ended:        vec("streams_ended_total", "Streams that ended, by reason.", "reason"),
		staleMarkers: counter("stale_markers_total", "Stale markers written because labels changed."),
	}
	all := []prometheus.Collector{
		m.frames, m.samples, m.batches, m.oversized, m.refusedFrames, m.putOffBatches, m.points, m.refusedPoints, m.records, m.rawBytes,
		m.recordBytes, m.commit, m.gap, m.queue, m.full, m.streams, m.ended, m.staleMarkers,
	}
	m.showZeros()
	return m, register(reg, all...)
}

// What frames, points and batches are refused for, besides what package metric
// checks, and what streams end with, besides what the registry of agents says.
var (
	frameReasons = []string{
		"frame_width", "definition_unknown", "definition_changed", "target_not_assigned",
		"agent_schema_quota", "agent_entity_quota", "agent_series_quota", "agent_definition_bytes",
	}
	pointReasons = []string{"source_sample_rate", "agent_series_quota", "point_twice", "timestamp_invalid"}
	batchReasons = []string{"agent_sample_rate", "log_full"}
	endReasons   = []string{
		"closed", "disconnected", "shutting_down", "certificate_missing", "hello_missing", "hello_timeout", "message_unexpected", tooLarge,
		"definitions_renew", "log_full", "ingest_log_unavailable", "internal",
	}
)

// showZeros makes every known reason visible before it happens for the first
// time: an alert on the increase of a counter misses the first step of one that
// was not there.
func (m *metrics) showZeros() {
	for v, values := range map[*prometheus.CounterVec][]string{
		m.refusedFrames: append(metric.Reasons(), frameReasons...),
		m.refusedPoints: append(metric.Reasons(), pointReasons...),
		m.putOffBatches: batchReasons,
		m.ended:         endReasons,
		m.records:       {"confirmed", "full", "failed"},
	} {
		for _, value := range values {
			v.WithLabelValues(value)
		}
	}
}

func register(reg prometheus.Registerer, cs ...prometheus.Collector) error {
	for _, c := range cs {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics of the collector: %w", err)
		}
	}
	return nil
}

// observe adds gauges that look at the collector when they are read.
func (m *metrics) observe(reg prometheus.Registerer, c *Collector) error {
	gathering := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "esmon_collector", Name: "gathering_bytes", Help: "Uncompressed bytes of the records being gathered.",
	}, func() float64 {
		n := 0
		for _, g := range c.gatherers {
			n += g.queued()
		}
		return float64(n)
	})
	definitions := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "esmon_collector", Name: "definitions", Help: "Schemas and entities in memory, shared by all streams.",
	}, func() float64 {
		n := 0
		for _, g := range c.gatherers {
			n += g.defs.count()
		}
		return float64(n)
	})
	return register(reg, gathering, definitions)
}

func (m *metrics) published(r *gathering, raw int, took time.Duration, err error) {
	m.commit.Observe(took.Seconds())
	switch {
	case errors.Is(err, bus.ErrFull):
		m.records.WithLabelValues("full").Inc()
		m.putOffBatches.WithLabelValues("log_full").Add(float64(len(r.batches)))
	case err != nil:
		m.records.WithLabelValues("failed").Inc()
	default:
		m.records.WithLabelValues("confirmed").Inc()
		m.frames.Add(float64(r.frames))
		m.samples.Add(float64(r.samples))
		m.batches.Add(float64(len(r.batches)))
		m.rawBytes.Add(float64(raw))
		m.recordBytes.Add(float64(len(r.encoded)))
	}
}
