package ruleseries

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/record"
)

const (
	// recordBytes is how large a record is before compression, about.
	recordBytes = 256 << 10
	// redefineAfter is how long after a definition was last confirmed it rides again:
	// readers that began later need it.
	redefineAfter = 10 * time.Minute
	// maxKnown bounds the memory of what was confirmed, a partition.
	maxKnown = 500_000
)

// help describes every series that a rule makes.
const help = "Made by a rule."

// Writer writes samples. It is safe for concurrent use.
type Writer struct {
	log bus.Log
	now func() time.Time

	mu sync.Mutex // guards what follows; held through a write, so that definitions are known in order
	// By partition, as readers follow one: when a record holding the definition was
	// confirmed, Unix ms.
	confirmed map[int]map[metric.ID]int64
	builder   record.Builder
}

// New returns a writer to the log.
func New(log bus.Log, now func() time.Time) *Writer {
	return &Writer{log: log, now: now, confirmed: map[int]map[metric.ID]int64{}}
}

// Write writes samples and returns once they are durable. Writing the same again is
// harmless: what came first counts.
func (w *Writer) Write(ctx context.Context, samples []query.Sample) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	partitions := w.log.Partitions()
	shares := make([][]row, len(partitions))
	for i := range samples {
		r := newRow(&samples[i])
		n := r.share(len(partitions))
		shares[n] = append(shares[n], r)
	}
	var errs []error
	for i, rows := range shares {
		errs = append(errs, w.writeTo(ctx, partitions[i], rows))
	}
	return errors.Join(errs...)
}

// row is a sample as a frame of one column.
type row struct {
	entity   *metric.Entity
	schema   *metric.Schema
	entityID metric.ID
	schemaID metric.ID
	time     int64
	value    float64
}

func newRow(s *query.Sample) row {
	r := row{
		schema: &metric.Schema{Columns: []metric.Column{{Name: s.Labels.Get(metric.NameLabel), Type: metric.Gauge, Help: help}}},
		entity: &metric.Entity{}, time: s.T, value: metric.CanonicalValue(s.V),
	}
	for _, l := range s.Labels {
		if l.Name != metric.NameLabel && l.Value != "" {
			r.entity.Labels = append(r.entity.Labels, l)
		}
	}
	r.entityID, r.schemaID = r.entity.ID(), r.schema.ID()
	return r
}

// share returns which of n partitions the row's entity goes to, always the same.
func (r *row) share(n int) int {
	h := fnv.New32a()
	_, _ = h.Write(r.entityID[:]) // a hash never fails
	return int(h.Sum32() % uint32(n))
}

// writeTo writes rows to one partition, in as many records as they take.
func (w *Writer) writeTo(ctx context.Context, partition int, rows []row) error {
	confirmed := w.confirmed[partition]
	if confirmed == nil || len(confirmed) > maxKnown {
		confirmed = map[metric.ID]int64{} // all ride once more
		w.confirmed[partition] = confirmed
	}
	for len(rows) > 0 {
		n, defined := w.build(rows, confirmed)
		if err := w.log.Publish(ctx, partition, w.builder.Encode(nil)); err != nil {
			return fmt.Errorf("write samples of rules to partition %d of the ingest log: %w", partition, err)
		}
		now := w.now().UnixMilli()
		for _, id := range defined {
			confirmed[id] = now
		}
		rows = rows[n:]
	}
	return nil
}

// build puts rows into the builder, as many as one record takes, and returns how many,
// and which definitions ride along.
func (w *Writer) build(rows []row, confirmed map[metric.ID]int64) (n int, defined []metric.ID) {
	b := &w.builder
	b.Reset()
	now := w.now()
	oldest := now.Add(-redefineAfter).UnixMilli()
	riding := map[metric.ID]bool{}
	rides := func(id metric.ID) bool {
		if riding[id] || confirmed[id] > oldest {
			return false
		}
		riding[id] = true
		defined = append(defined, id)
		return true
	}
	b.Batch("", now, 0)
	for n < len(rows) && b.Len() < recordBytes {
		r := &rows[n]
		if rides(r.schemaID) {
			b.DefineSchema(r.schemaID, r.schema)
		}
		if rides(r.entityID) {
			b.DefineEntity(r.entityID, r.entity)
		}
		b.Frame(r.entityID, r.schemaID, r.time, []float64{r.value})
		n++
	}
	return n, defined
}
