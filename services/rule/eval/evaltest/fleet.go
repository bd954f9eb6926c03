package evaltest

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	dbsqlite "github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/tsdb"
)

// Fleet is hosts with metrics in the real time series database.
type Fleet struct {
	Hosts, Metrics int
	Step           time.Duration
	Start          time.Time
	// Value returns the value of a host's metric at a step.
	Value func(host, metric, step int) float64
}

// Name returns the name of a metric.
func Name(metric int) string { return fmt.Sprintf("bench_%03d", metric) }

// Host returns the labels of a host: host_id, host_name, and rack, which ten racks
// have.
func Host(i int) metric.Labels {
	return metric.NewLabels(
		metric.Label{Name: "host_id", Value: fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761, i)},
		metric.Label{Name: "host_name", Value: fmt.Sprintf("host-%04d.example.com", i)},
		metric.Label{Name: "os_type", Value: "linux"},
		metric.Label{Name: "rack", Value: fmt.Sprintf("r%d", i%10)},
	)
}

// Open makes the database with so many steps, cut as storage cuts it, the last steps
// still in memory.
func (f *Fleet) Open(t testing.TB, steps int) *tsdb.DB {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	file, err := dbsqlite.Open(t.Context(), filepath.Join(t.TempDir(), "es_monitor.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() }) // nothing of it is kept
	now := f.Start
	cfg := tsdb.DefaultConfig()
	cfg.Now = func() time.Time { return now }
	db, err := tsdb.Open(t.Context(), cfg, file.Chunks(), log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	db.Begin(0, "log", 1)
	schema := &metric.Schema{}
	for m := range f.Metrics {
		schema.Columns = append(schema.Columns, metric.Column{Name: Name(m), Type: metric.Gauge, Unit: "1"})
	}
	w := writer{t: t, db: db, schema: schema}
	for h := range f.Hosts {
		w.entities = append(w.entities, &metric.Entity{Labels: Host(h)})
	}
	const every = 30
	for i := range steps {
		now = f.Start.Add(time.Duration(i) * f.Step)
		w.write(now, func(h, m int) float64 { return f.Value(h, m, i) })
		if i%every == every-1 {
			if _, err := db.Cut(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			db.Trim()
		}
	}
	return db
}

// writer writes one step of all hosts after the other.
type writer struct {
	t        testing.TB
	db       *tsdb.DB
	schema   *metric.Schema
	entities []*metric.Entity
	builder  record.Builder
	decoder  record.Decoder
	offset   int64
}

func (w *writer) write(at time.Time, value func(h, m int) float64) {
	w.t.Helper()
	const perRecord = 500
	values := make([]float64, len(w.schema.Columns))
	for from := 0; from < len(w.entities); from += perRecord {
		w.builder.Reset()
		w.builder.Batch("agent", at, 0)
		w.builder.DefineSchema(w.schema.ID(), w.schema)
		for h := from; h < min(from+perRecord, len(w.entities)); h++ {
			e := w.entities[h]
			for m := range values {
				values[m] = value(h, m)
			}
			w.builder.DefineEntity(e.ID(), e)
			w.builder.Frame(e.ID(), w.schema.ID(), at.UnixMilli(), values)
		}
		rec, err := w.decoder.Decode(w.builder.Encode(nil))
		if err != nil {
			w.t.Fatal(err)
		}
		w.offset++
		w.db.Append(w.offset, 0, rec)
	}
}
