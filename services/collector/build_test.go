package collector_test

import (
	"fmt"
	"strings"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// A batch is put together of parts: batch(1, load(1), disk(1, "sda"), frame(1, 1, 0.5)).
type part func(*ingestv1.Batch)

func batch(sequence uint64, parts ...part) *ingestv1.Batch {
	b := &ingestv1.Batch{Sequence: sequence}
	for _, p := range parts {
		p(b)
	}
	return b
}

// schema defines a schema of gauges; a column is name or name{label=value,…}.
func schema(id uint32, columns ...string) part {
	return func(b *ingestv1.Batch) {
		d := &ingestv1.SchemaDefinition{Id: id}
		for _, c := range columns {
			name, labels, _ := strings.Cut(strings.TrimSuffix(c, "}"), "{")
			d.Columns = append(d.Columns, &ingestv1.Column{Name: name, Type: ingestv1.MetricType_METRIC_TYPE_GAUGE, Labels: labelList(labels)})
		}
		b.Schemas = append(b.Schemas, d)
	}
}

// entity defines an entity of the agent's host; labels are label=value,…
func entity(id uint32, labels string) part { return entityOf(id, "", labels) }

func entityOf(id uint32, target, labels string) part {
	return func(b *ingestv1.Batch) {
		b.Entities = append(b.Entities, &ingestv1.EntityDefinition{Id: id, Target: target, Labels: labelList(labels)})
	}
}

// frame is measured when the batch is put together.
func frame(entity, schema uint32, values ...float64) part {
	return func(b *ingestv1.Batch) { frameAt(time.Now(), entity, schema, values...)(b) }
}

func frameAt(t time.Time, entity, schema uint32, values ...float64) part {
	return func(b *ingestv1.Batch) {
		b.Frames = append(b.Frames, &ingestv1.Frame{Entity: entity, Schema: schema, TimestampMs: t.UnixMilli(), Values: values})
	}
}

// first is what a stream needs to be told once: schema 1 (load1), entity 1 (the
// host itself).
func first(b *ingestv1.Batch) {
	schema(1, "load1")(b)
	entity(1, "")(b)
}

func labelList(text string) []*ingestv1.Label {
	var out []*ingestv1.Label
	for pair := range strings.SplitSeq(text, ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			out = append(out, &ingestv1.Label{Name: name, Value: value})
		}
	}
	return out
}

// manyEntities defines entities from first on, and sends a frame of each.
func manyEntities(from, n uint32, schema uint32) part {
	return func(b *ingestv1.Batch) {
		for id := from; id < from+n; id++ {
			entity(id, fmt.Sprintf("device=d%d", id))(b)
			frame(id, schema, 1)(b)
		}
	}
}
