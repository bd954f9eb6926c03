package query

import (
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

// maxNotation is how many values the notation of a series may stand for: 1x1000000
// is short to write.
const maxNotation = 1_000_000

// Value is a value of a series in promtool's notation.
type Value struct {
	V       float64
	Omitted bool // _: there is no sample
}

// ParseSeries reads the notation that promtool has for series and their values, such
// as up{job="a"} 0 1+2x3 _x2 stale. Errors are faults.
func ParseSeries(text string) (metric.Labels, []Value, error) {
	if n := notationLength(text); n > maxNotation {
		return nil, nil, badData("the series has %d values; the limit is %d", n, maxNotation)
	}
	ls, sequence, err := alone.ParseSeriesDesc(text)
	if err != nil {
		return nil, nil, badData("series %q: %s", text, err)
	}
	values := make([]Value, len(sequence))
	for i, v := range sequence {
		if v.Histogram != nil {
			return nil, nil, fault.New(fault.Invalid, reasonFailed, "series %q: native histograms are not supported", text)
		}
		values[i] = Value{v.Value, v.Omitted}
	}
	return labelsFrom(ls), values, nil
}

// ParseLabels reads a metric with its labels, such as up{job="a"}. Errors are faults.
func ParseLabels(text string) (metric.Labels, error) {
	ls, err := alone.ParseMetric(text)
	if err != nil {
		return nil, badData("metric %q: %s", text, err)
	}
	return labelsFrom(ls), nil
}

// notationLength returns how many values the repetitions in a text stand for at
// least, without making them: the numbers after an x, behind the metric.
func notationLength(text string) (n int) {
	quote, depth, values := byte(0), 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ' ' || c == '\t':
			values = values || depth == 0
		case c == 'x' && values:
			n = addCapped(n, leadingNumber(text[i+1:]))
		}
	}
	return n
}

// leadingNumber returns the number that a text begins with, or a large one if it is
// larger.
func leadingNumber(text string) (n int) {
	for i := 0; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
		n = min(10*n+int(text[i]-'0'), 1<<29)
	}
	return n
}
