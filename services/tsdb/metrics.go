package tsdb

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the DB's own.
type metrics struct {
	rows, samples   prometheus.Counter
	rejected        *prometheus.CounterVec
	cuts            prometheus.Counter
	cutSeconds      prometheus.Histogram
	chunks          prometheus.Counter
	chunkBytes      prometheus.Counter
	merges          prometheus.Counter
	corrupt         prometheus.Counter
	sqlReads        prometheus.Counter
	duplicateValues prometheus.Counter
}

func newMetrics(db *DB, reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string, f func(Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return f(db.Stats()) })
	}
	m := &metrics{
		rows:            counter("esmon_tsdb_rows_appended_total", "Rows taken into the head."),
		samples:         counter("esmon_tsdb_samples_appended_total", "Values of the rows taken into the head, missing ones included."),
		rejected:        prometheus.NewCounterVec(prometheus.CounterOpts{Name: "esmon_tsdb_rows_rejected_total", Help: "Rows that cannot be stored, by reason."}, []string{"reason"}),
		cuts:            counter("esmon_tsdb_cuts_total", "Cuts stored."),
		cutSeconds:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "esmon_tsdb_cut_duration_seconds", Help: "Time to encode and store a cut.", Buckets: prometheus.ExponentialBuckets(0.01, 3, 8)}),
		chunks:          counter("esmon_tsdb_chunks_stored_total", "Chunks stored by cuts."),
		chunkBytes:      counter("esmon_tsdb_chunk_bytes_stored_total", "Bytes of the chunks stored by cuts."),
		merges:          counter("esmon_tsdb_blocks_merged_total", "Blocks whose chunks were merged."),
		corrupt:         counter("esmon_tsdb_corrupt_chunks_total", "Times that a chunk was read whose bytes are not what was written."),
		sqlReads:        counter("esmon_tsdb_chunk_fetches_total", "Times that a query read chunks from the database."),
		duplicateValues: counter("esmon_tsdb_duplicate_rows_total", "Rows removed because another of the same time came first."),
	}
	all := []prometheus.Collector{
		m.rows, m.samples, m.rejected, m.cuts, m.cutSeconds, m.chunks, m.chunkBytes, m.merges, m.corrupt, m.sqlReads, m.duplicateValues,
		gauge("esmon_tsdb_entities", "Entities known.", func(s Stats) float64 { return float64(s.Entities) }),
		gauge("esmon_tsdb_schemas", "Schemas known.", func(s Stats) float64 { return float64(s.Schemas) }),
		gauge("esmon_tsdb_series", "Series known.", func(s Stats) float64 { return float64(s.Series) }),
		gauge("esmon_tsdb_head_rows", "Rows in memory that are not stored yet.", func(s Stats) float64 { return float64(s.HeadRows) }),
		gauge("esmon_tsdb_head_bytes", "Memory of the rows that are not stored yet.", func(s Stats) float64 { return float64(s.HeadBytes) }),
		gauge("esmon_tsdb_recent_bytes", "Memory of stored chunks kept for queries.", func(s Stats) float64 { return float64(s.RecentBytes) }),
	}
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the tsdb: %w", err)
		}
	}
	return m, nil
}
