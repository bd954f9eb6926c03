package wording

import (
	"math"
	"strings"

	"github.com/esolutions/esmon/services/alert"
)

// bars are the heights of a curve.
var bars = []rune("▁▂▃▄▅▆▇█")

// gap stands where there was no value.
const gap = '·'

// Spark draws values as a line of at most width blocks between their least and greatest;
// of several values in one block the greatest is drawn. It is empty if there is no value.
func Spark(values []alert.Float, width int) string {
	if width < 1 {
		return ""
	}
	columns := columnsOf(values, min(width, len(values)))
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range columns {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	var b strings.Builder
	some := false
	for _, v := range columns {
		some = some || !math.IsNaN(v)
		b.WriteRune(bar(v, low, high))
	}
	if !some {
		return ""
	}
	return b.String()
}

// columnsOf returns the greatest value of each of n parts.
func columnsOf(values []alert.Float, n int) []float64 {
	columns := make([]float64, n)
	for i := range columns {
		columns[i] = math.NaN()
		for _, v := range values[i*len(values)/n : (i+1)*len(values)/n] {
			if f := float64(v); math.IsNaN(columns[i]) || f > columns[i] {
				columns[i] = f
			}
		}
	}
	return columns
}

func bar(v, low, high float64) rune {
	last := len(bars) - 1
	switch {
	case math.IsNaN(v):
		return gap
	case math.IsInf(v, 1):
		return bars[last]
	case math.IsInf(v, -1):
		return bars[0]
	case low == high:
		return bars[last/2]
	}
	share := v/2 - low/2 // halves, because the difference of two large numbers may overflow
	return bars[min(last, int(share/(high/2-low/2)*float64(len(bars))))]
}
