package metric

import (
	"math"
	"slices"
	"strings"
)

// NameLabel is the label that carries a series' metric name.
const NameLabel = "__name__"

// Label is a name and a value.
type Label struct{ Name, Value string }

// Labels is a label set: sorted by name, names unique, no empty values.
// [NewLabels] makes one; a literal must keep the order by itself.
type Labels []Label

// NewLabels returns the label set of the given labels: sorted, empty values
// dropped. Of two labels with one name the later wins; [Limits] refuses such
// input before, where it comes from a sender. The argument is not kept.
func NewLabels(labels ...Label) Labels {
	set := make(Labels, 0, len(labels))
	for i, l := range labels {
		later := slices.ContainsFunc(labels[i+1:], func(m Label) bool { return m.Name == l.Name })
		if l.Value != "" && !later {
			set = append(set, l)
		}
	}
	slices.SortFunc(set, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return set
}

// Get returns the value of the label, "" if there is none.
func (ls Labels) Get(name string) string {
	for i := range ls {
		if ls[i].Name == name {
			return ls[i].Value
		}
	}
	return ""
}

// Has tells whether the label is there.
func (ls Labels) Has(name string) bool { return ls.Get(name) != "" }

// With returns a new label set with the given labels added or replaced.
func (ls Labels) With(labels ...Label) Labels {
	return NewLabels(append(slices.Clone(ls), labels...)...)
}

// Clone returns a copy that shares no memory with ls, strings included: label
// text that came in a network buffer must not keep that buffer alive.
func (ls Labels) Clone() Labels {
	out := make(Labels, len(ls))
	for i, l := range ls {
		out[i] = Label{strings.Clone(l.Name), strings.Clone(l.Value)}
	}
	return out
}

// Compare orders label sets by name and value, label by label.
func Compare(a, b Labels) int {
	return slices.CompareFunc(a, b, func(x, y Label) int {
		if c := strings.Compare(x.Name, y.Name); c != 0 {
			return c
		}
		return strings.Compare(x.Value, y.Value)
	})
}

// Type says how the values of a metric behave. The numbers are stored: they
// never change their meaning.
type Type uint8

// The types of metrics.
const (
	Unknown   Type = 0
	Gauge     Type = 1 // goes up and down
	Counter   Type = 2 // only grows, or starts again at zero
	Histogram Type = 3 // member of a classic histogram: _bucket, _sum or _count
	Summary   Type = 4 // member of a summary: quantile, _sum or _count
	Info      Type = 5 // always 1; the labels carry the information
)

var typeNames = [...]string{"unknown", "gauge", "counter", "histogram", "summary", "info"}

// String returns the type as Prometheus spells it.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return typeNames[Unknown]
}

// Column is one metric of a schema.
type Column struct {
	Name   string // final Prometheus form, unit and _total included
	Type   Type
	Unit   string // UCUM code: By, s, 1, {process}
	Help   string // one sentence
	Labels Labels // fixed by the probe's code
}

// Schema is an ordered list of columns. It is immutable once used.
type Schema struct{ Columns []Column }

// Entity is one measured thing. It is immutable once used.
type Entity struct{ Labels Labels }

// Frame is one row: what was read of one entity at one instant.
type Frame struct {
	Entity *Entity
	Schema *Schema
	Time   int64     // Unix milliseconds, taken just before the source was read
	Values []float64 // one a column of the schema
}

// SeriesLabels returns the label set of the series that the column has on the
// entity, [NameLabel] included.
func SeriesLabels(e *Entity, c *Column) Labels {
	set := make(Labels, 0, len(e.Labels)+len(c.Labels)+1)
	set = append(set, e.Labels...)
	set = append(set, c.Labels...)
	set = append(set, Label{NameLabel, c.Name})
	slices.SortFunc(set, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return set
}

// Bit patterns of the NaNs that mean something. Normal and Stale are those of
// Prometheus (model/value), so that its engine understands them.
const (
	normalNaN  uint64 = 0x7ff8000000000001
	staleNaN   uint64 = 0x7ff0000000000002
	missingNaN uint64 = 0x7ff0000000000e50
)

// NaN returns the one NaN that stands for a measured "not a number".
func NaN() float64 { return math.Float64frombits(normalNaN) }

// Stale returns the stale marker.
func Stale() float64 { return math.Float64frombits(staleNaN) }

// Missing returns the value of a column that could not be read.
func Missing() float64 { return math.Float64frombits(missingNaN) }

// IsStale tells whether v is the stale marker.
func IsStale(v float64) bool { return math.Float64bits(v) == staleNaN }

// IsMissing tells whether v stands for no value.
func IsMissing(v float64) bool { return math.Float64bits(v) == missingNaN }

// CanonicalValue returns v with every NaN that means nothing turned into [NaN].
// Signalling bits can be lost on some processors when a float is moved, so
// values travel as bits wherever they are not computed with.
func CanonicalValue(v float64) float64 {
	if v == v || IsStale(v) || IsMissing(v) { //nolint:gocritic // v == v is false for NaN only
		return v
	}
	return NaN()
}
