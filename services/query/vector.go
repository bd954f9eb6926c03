package query

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

// Sample is a value of a series at a time.
type Sample struct {
	Labels metric.Labels
	T      int64 // Unix milliseconds
	V      float64
	H      *Histogram // in place of V, if not nil
}

// Vector is what an expression has at one time, in the order that functions such as
// sort give it. A scalar is one sample without labels.
type Vector []Sample

// Point is a value at a time.
type Point struct {
	T int64 // Unix milliseconds
	V float64
}

// Line is the values of one label set over time, ascending.
type Line struct {
	Labels metric.Labels
	Points []Point
}

// Matrix is what an expression has at each step of a span, sorted by labels.
type Matrix []Line

// labelsFrom returns the engine's labels in our form. The strings are shared.
func labelsFrom(ls labels.Labels) metric.Labels {
	out := make(metric.Labels, 0, ls.Len())
	ls.Range(func(l labels.Label) { out = append(out, metric.Label{Name: l.Name, Value: l.Value}) })
	return out
}

// vectorFrom returns the result of an instant query. The engine's memory is not kept.
func vectorFrom(value parser.Value) (Vector, error) {
	switch v := value.(type) {
	case promql.Vector:
		out := make(Vector, 0, len(v))
		for i := range v {
			out = append(out, Sample{Labels: labelsFrom(v[i].Metric), T: v[i].T, V: v[i].F, H: histogramOf(v[i].H)})
		}
		return out, nil
	case promql.Scalar:
		return Vector{{T: v.T, V: v.V}}, nil
	}
	return nil, fault.New(fault.Invalid, reasonFailed, "the expression results in a %s; a vector or a number is needed", value.Type())
}

// matrixFrom returns the result of a range query. The engine's memory is not kept.
func matrixFrom(value parser.Value) (Matrix, error) {
	v, ok := value.(promql.Matrix)
	if !ok {
		return nil, fault.New(fault.Invalid, reasonFailed, "the expression results in a %s; a vector or a number is needed", value.Type())
	}
	out := make(Matrix, 0, len(v))
	for i := range v {
		if len(v[i].Histograms) > 0 {
			return nil, errHistogram()
		}
		points := make([]Point, len(v[i].Floats))
		for j, p := range v[i].Floats {
			points[j] = Point{p.T, p.F}
		}
		out = append(out, Line{Labels: labelsFrom(v[i].Metric), Points: points})
	}
	slices.SortFunc(out, func(a, b Line) int { return metric.Compare(a.Labels, b.Labels) })
	return out, nil
}

func errHistogram() error {
	return fault.New(fault.Invalid, reasonFailed, "the expression results in native histograms; over time these are not supported")
}
