package ruleseries_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alerting/ruleseries"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/record"
)

// fakeLog keeps what is published, and fails when told to.
type fakeLog struct {
	bus.Log

	partitions []int
	records    map[int][][]byte
	fail       error
}

func newLog(partitions int) *fakeLog {
	l := &fakeLog{records: map[int][][]byte{}}
	for p := range partitions {
		l.partitions = append(l.partitions, p)
	}
	return l
}

func (l *fakeLog) Partitions() []int { return l.partitions }

func (l *fakeLog) Publish(_ context.Context, partition int, rec []byte) error {
	if l.fail != nil {
		return l.fail
	}
	l.records[partition] = append(l.records[partition], rec)
	return nil
}

// reader knows the definitions that came by in a partition.
type reader struct {
	t        *testing.T
	schemas  map[metric.ID]*metric.Schema
	entities map[metric.ID]*metric.Entity
	decoder  record.Decoder
}

func newReader(t *testing.T) *reader {
	return &reader{t: t, schemas: map[metric.ID]*metric.Schema{}, entities: map[metric.ID]*metric.Entity{}}
}

// read returns the rows of a record as text, and how many definitions it had.
func (r *reader) read(payload []byte) (rows []string, definitions int) {
	r.t.Helper()
	rec, err := r.decoder.Decode(payload)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range rec.Schemas {
		r.schemas[d.ID] = d.Schema
	}
	for _, d := range rec.Entities {
		r.entities[d.ID] = d.Entity
	}
	for rec.Next() {
		f := rec.Frame()
		s, e := r.schemas[rec.SchemaIDs[f.Schema]], r.entities[rec.EntityIDs[f.Entity]]
		if s == nil || e == nil {
			r.t.Fatalf("a row whose definition never came by: %v", f)
		}
		rows = append(rows, fmt.Sprintf("%s%v %d %x", s.Columns[0].Name, e.Labels, f.Time, math.Float64bits(f.Values[0])))
	}
	return rows, len(rec.Schemas) + len(rec.Entities)
}

func sample(name, host string, t int64, v float64) query.Sample {
	return query.Sample{Labels: metric.NewLabels(metric.Label{Name: metric.NameLabel, Value: name}, metric.Label{Name: "host_name", Value: host}), T: t, V: v}
}

func TestDefinitionsRideUntilConfirmed(t *testing.T) {
	t.Parallel()
	log, now := newLog(1), time.Unix(1_700_000_000, 0)
	w := ruleseries.New(log, func() time.Time { return now })
	one := []query.Sample{sample("a:b", "h1", 1, metric.Stale()), sample("a:b", "h2", 1, math.Inf(1))}
	log.fail = errors.New("away")
	if err := w.Write(t.Context(), one); !errors.Is(err, log.fail) {
		t.Fatalf("got %v", err)
	}
	log.fail = nil
	for _, step := range []struct {
		after       time.Duration
		samples     []query.Sample
		definitions int
	}{
		{0, one, 3},
		{time.Minute, one, 0},
		{time.Minute, []query.Sample{sample("a:b", "h3", 2, 1)}, 1},
		{9 * time.Minute, one, 3}, // those of long ago ride again
	} {
		now = now.Add(step.after)
		if err := w.Write(t.Context(), step.samples); err != nil {
			t.Fatal(err)
		}
	}
	r := newReader(t)
	var defined []int
	for i, payload := range log.records[0] {
		rows, n := r.read(payload)
		defined = append(defined, n)
		if i == 0 && (len(rows) != 2 || rows[0] != fmt.Sprintf("a:b[{host_name h1}] 1 %x", math.Float64bits(metric.Stale()))) {
			t.Errorf("rows %v", rows)
		}
	}
	if fmt.Sprint(defined) != "[3 0 1 3]" {
		t.Errorf("definitions by record: %v", defined)
	}
}

func TestSeriesStayInTheirPartition(t *testing.T) {
	t.Parallel()
	log := newLog(3)
	w := ruleseries.New(log, time.Now)
	const hosts = 20_000 // more than one record takes
	for round := range 3 {
		var samples []query.Sample
		for h := range hosts {
			samples = append(samples, sample("rate:requests_per_second", fmt.Sprint("a-host-with-a-rather-long-name-", h), int64(round), float64(h)))
		}
		if err := w.Write(t.Context(), samples); err != nil {
			t.Fatal(err)
		}
	}
	seen, total := map[string]int{}, 0
	for p, records := range log.records {
		r := newReader(t)
		for _, payload := range records {
			rows, _ := r.read(payload)
			total += len(rows)
		}
		for _, e := range r.entities {
			key := fmt.Sprint(e.Labels)
			if other, ok := seen[key]; ok {
				t.Fatalf("%s is in partitions %d and %d", key, other, p)
			}
			seen[key] = p
		}
		if len(records) < 5 {
			t.Errorf("partition %d has %d records; want several a round", p, len(records))
		}
	}
	if total != 3*hosts || len(seen) != hosts {
		t.Errorf("%d rows of %d series, want %d of %d", total, len(seen), 3*hosts, hosts)
	}
}
