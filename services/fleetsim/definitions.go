package fleetsim

import (
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/metric"
)

// definitions returns the definitions of all frames; frame i uses entity and
// schema i+1.
func (r *Recording) definitions() ([]*ingestv1.SchemaDefinition, []*ingestv1.EntityDefinition) {
	schemas := make([]*ingestv1.SchemaDefinition, len(r.Frames))
	entities := make([]*ingestv1.EntityDefinition, len(r.Frames))
	for i, f := range r.Frames {
		id := uint32(i + 1)
		schemas[i] = &ingestv1.SchemaDefinition{Id: id, Columns: columns(f.Schema)}
		entities[i] = &ingestv1.EntityDefinition{Id: id, Labels: labels(f.Entity)}
	}
	return schemas, entities
}

func columns(s *metric.Schema) []*ingestv1.Column {
	out := make([]*ingestv1.Column, len(s.Columns))
	for i, c := range s.Columns {
		out[i] = &ingestv1.Column{Name: c.Name, Type: ingestv1.MetricType(c.Type), Unit: c.Unit, Help: c.Help, Labels: labels(c.Labels)}
	}
	return out
}

func labels(ls metric.Labels) []*ingestv1.Label {
	out := make([]*ingestv1.Label, len(ls))
	for i, l := range ls {
		out[i] = &ingestv1.Label{Name: l.Name, Value: l.Value}
	}
	return out
}
