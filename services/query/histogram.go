package query

import "github.com/prometheus/prometheus/model/histogram"

// Histogram is a native histogram. Only Memory has any, for tests of rules: the
// platform does not store them, and no expression makes one of numbers.
type Histogram struct{ native *histogram.FloatHistogram }

// String returns the histogram in promtool's notation.
func (h *Histogram) String() string { return h.native.TestExpression() }

// histogramOf returns a copy of the engine's histogram; nil of nil.
func histogramOf(h *histogram.FloatHistogram) *Histogram {
	if h == nil {
		return nil
	}
	return &Histogram{h.Copy()}
}

// after returns the histogram as Prometheus' database returns one that follows another
// in a series: it says whether it was reset in between. nil is none.
func (h *Histogram) after(previous *Histogram) *Histogram {
	now := h.native.Copy()
	switch {
	case now.CounterResetHint == histogram.GaugeType:
	case previous == nil || previous.native.CounterResetHint == histogram.GaugeType || now.DetectReset(previous.native):
		now.CounterResetHint = histogram.UnknownCounterReset
	default:
		now.CounterResetHint = histogram.NotCounterReset
	}
	return &Histogram{now}
}
