package collector

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unique"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

const (
	// spareEntities is how many entities beyond the quota a stream may define:
	// those that came and went during a long connection. Agents begin a new stream
	// earlier.
	spareEntities = 60_000
	// maxDefinitionBytes bounds the text of a stream's definitions, as they were
	// sent and as they are stored. They can all fall due in one record, which must stay below what a reader takes
	// (record.MaxRaw), together with maxRecordBytes and maxBatchBytes.
	maxDefinitionBytes = 24 << 20
)

// errTableFull ends a stream whose table holds mostly what is not used any more.
func errTableFull(n int) error {
	return fault.New(fault.Unavailable, "definitions_renew", "the stream defined %d entities: connect again and define those in use", n)
}

// define takes the definitions of a batch.
func (t *table) define(b *ingestv1.Batch, now time.Time) error {
	t.now = now
	for _, d := range b.GetSchemas() {
		t.defineSchema(d)
	}
	for _, d := range b.GetEntities() {
		if err := t.defineEntity(d); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) defineSchema(d *ingestv1.SchemaDefinition) {
	old := t.schemas[d.GetId()]
	switch {
	case old != nil && old.changed:
		return
	case old == nil && len(t.schemas) >= 2*t.cfg.MaxSchemas: // refused ones count here too
		t.schemasFull = true
		return
	}
	s, refusal := t.schemaOf(d)
	if old != nil && old.def != nil {
		if refusal == nil && old.def.id == s.ID() {
			return
		}
		t.dropPairs(func(key uint64, _ *pair) bool { return uint32(key) == d.GetId() })
		t.defs.release(t.now, old.def)
		t.defined--
		t.bytes -= schemaBytes(old.def.schema)
		t.schemas[d.GetId()] = &schemaEntry{refusal: definedAnew("schema", d.GetId()), changed: true}
		return
	}
	e := &schemaEntry{refusal: bounded(refusal)}
	if e.refusal == nil {
		e.refusal = t.admitSchema(s)
	}
	if e.refusal == nil {
		e.def = t.defs.schema(s.ID(), s)
		t.defined++
		t.bytes += schemaBytes(e.def.schema) // the shared one's: help may differ
	}
	t.schemas[d.GetId()] = e
}

func (t *table) admitSchema(s *metric.Schema) *metric.Refusal {
	if t.defined >= t.cfg.MaxSchemas {
		return t.tooManySchemas()
	}
	if t.bytes+schemaBytes(s) > maxDefinitionBytes {
		return t.tooManyBytes()
	}
	return nil
}

func (t *table) defineEntity(d *ingestv1.EntityDefinition) error {
	old := t.entities[d.GetId()]
	switch {
	case old != nil && old.changed:
		return nil
	case old == nil && len(t.entities) >= t.cfg.MaxEntities+spareEntities:
		if t.resolved < t.cfg.MaxEntities/2 {
			return errTableFull(len(t.entities))
		}
		t.entitiesFull = true
		return nil
	}
	own, refusal := t.ownLabels(d)
	if old != nil && old.refusal == nil {
		if refusal == nil && slices.Equal(old.own, own) && old.target == d.GetTarget() {
			return nil
		}
		t.dropPairs(func(key uint64, _ *pair) bool { return uint32(key>>32) == d.GetId() })
		t.unresolve(old)
		t.ownBytes -= old.bytes()
		t.entities[d.GetId()] = &entityEntry{refusal: definedAnew("entity", d.GetId()), changed: true}
		return nil
	}
	e := &entityEntry{own: own, target: shared(d.GetTarget())}
	if refusal == nil && t.ownBytes+e.bytes() > maxDefinitionBytes {
		refusal = t.tooManyBytes()
	}
	if refusal != nil {
		e = &entityEntry{refusal: bounded(refusal)}
	}
	t.ownBytes += e.bytes()
	t.entities[d.GetId()] = e
	return nil
}

func (e *entityEntry) bytes() int { return labelBytes(e.own) + len(e.target) }

func definedAnew(what string, id uint32) *metric.Refusal {
	return &metric.Refusal{Reason: "definition_changed", Message: fmt.Sprintf("%s %d was defined differently before on this stream: give a new number to a new %s", what, id, what)}
}

// schemaOf takes a schema over from a message and checks it. Texts are shared
// with equal ones: agents send the same again and again.
func (t *table) schemaOf(d *ingestv1.SchemaDefinition) (*metric.Schema, *metric.Refusal) {
	s := &metric.Schema{Columns: make([]metric.Column, len(d.GetColumns()))}
	for i, c := range d.GetColumns() {
		labels, refusal := labelsOf(c.GetLabels(), "metric "+clip(c.GetName()))
		if refusal != nil {
			return nil, refusal
		}
		labels = withoutEmpty(labels)
		s.Columns[i] = metric.Column{Name: shared(c.GetName()), Type: typeOf(c.GetType()), Unit: shared(c.GetUnit()), Help: shared(c.GetHelp()), Labels: labels}
	}
	return s, t.cfg.Limits.CheckSchema(s)
}

func (t *table) ownLabels(d *ingestv1.EntityDefinition) (metric.Labels, *metric.Refusal) {
	own, refusal := labelsOf(d.GetLabels(), "entity")
	if refusal == nil {
		refusal = t.cfg.Limits.CheckEntity(&metric.Entity{Labels: own})
	}
	return withoutEmpty(own), refusal
}

// labelsOf takes labels over from a message, sorted and as they are otherwise.
func labelsOf(in []*ingestv1.Label, where string) (metric.Labels, *metric.Refusal) {
	out := make(metric.Labels, len(in))
	for i, l := range in {
		out[i] = metric.Label{Name: shared(l.GetName()), Value: shared(l.GetValue())}
	}
	slices.SortFunc(out, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			return nil, &metric.Refusal{Reason: "label_twice", Message: fmt.Sprintf("%s: label %q stands twice: leave one out", where, clip(out[i].Name))}
		}
	}
	return out, nil
}

// withoutEmpty drops labels with an empty value: they are no labels.
func withoutEmpty(ls metric.Labels) metric.Labels {
	return slices.DeleteFunc(ls, func(l metric.Label) bool { return l.Value == "" })
}

// typeOf returns the type; one this program does not know is unknown.
func typeOf(t ingestv1.MetricType) metric.Type {
	if t < 0 || t > ingestv1.MetricType_METRIC_TYPE_INFO {
		return metric.Unknown
	}
	return metric.Type(t)
}

// shared returns s with the memory of an equal string that is in use already.
func shared(s string) string { return unique.Make(s).Value() }

// perText is what lengths and identities add to texts, about.
const perText = 4

func schemaBytes(s *metric.Schema) int {
	n := 0
	for i := range s.Columns {
		c := &s.Columns[i]
		n += len(c.Name) + len(c.Unit) + len(c.Help) + perText + labelBytes(c.Labels)
	}
	return n
}

func labelBytes(ls metric.Labels) int {
	n := 0
	for _, l := range ls {
		n += len(l.Name) + len(l.Value) + perText
	}
	return n
}

// bounded returns the refusal with a message of a bounded size: it is kept as
// long as the stream.
func bounded(r *metric.Refusal) *metric.Refusal {
	if r == nil {
		return nil
	}
	return &metric.Refusal{Reason: r.Reason, Message: sendable(r.Message)}
}
