package query

import (
	"github.com/esolutions/esmon/services/metric"
)

// maxNotation is how many values the notation of a series may stand for: 1x1000000
// is short to write.
const maxNotation = 1_000_000

// maxNumbers is how many numbers the histograms of a series may be made of, about.
const maxNumbers = 10_000_000

// Value is a value of a series in promtool's notation.
type Value struct {
	V       float64
	H       *Histogram // in place of V, if not nil
	Omitted bool       // _: there is no sample
}

// ParseSeries reads the notation that promtool has for series and their values, such
// as up{job="a"} 0 1+2x3 _x2 stale {{sum:3 count:2 buckets:[2]}}. Errors are faults.
func ParseSeries(text string) (metric.Labels, []Value, error) {
	n, longest := notationLength(text)
	if n > maxNotation {
		return nil, nil, badData("the series has %d values; the limit is %d", n, maxNotation)
	}
	if longest > 0 && (n+1)*(longest/2) > maxNumbers {
		return nil, nil, badData("the series has %d values with histograms of %d bytes; that is too much", n, longest)
	}
	ls, sequence, err := alone.ParseSeriesDesc(text)
	if err != nil {
		return nil, nil, badData("series %q: %s", text, err)
	}
	values := make([]Value, len(sequence))
	for i, v := range sequence {
		values[i] = Value{v.Value, histogramOf(v.Histogram), v.Omitted}
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
// least, without making them: the numbers after an x, behind the metric. longest is how
// many bytes the longest histogram is written with.
func notationLength(text string) (n, longest int) {
	quote, depth, values, opened := byte(0), 0, false, 0
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
			if depth == 0 {
				opened = i
			}
			depth++
		case c == '}':
			if depth--; values && depth <= 0 {
				longest = max(longest, i-opened)
			}
		case c == ' ' || c == '\t':
			values = values || depth == 0
		case c == 'x' && values:
			n = addCapped(n, leadingNumber(text[i+1:]))
		}
	}
	return n, longest
}

// leadingNumber returns the number that a text begins with, or a large one if it is
// larger.
func leadingNumber(text string) (n int) {
	for i := 0; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
		n = min(10*n+int(text[i]-'0'), 1<<29)
	}
	return n
}
