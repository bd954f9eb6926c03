package query

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// maxBuffered is how many bytes of an answer are gathered before any is written.
const maxBuffered = 8 << 20

// jsonWriter writes JSON byte for byte as Prometheus does. The first error stays.
type jsonWriter struct {
	to      io.Writer
	buf     []byte
	flushed bool // something was written
	err     error
}

func (w *jsonWriter) flush() {
	if w.err == nil {
		_, w.err = w.to.Write(w.buf)
	}
	w.buf, w.flushed = w.buf[:0], true
}

// room writes what is gathered once it is much.
func (w *jsonWriter) room() {
	if len(w.buf) >= maxBuffered {
		w.flush()
	}
}

func (w *jsonWriter) raw(s string) { w.buf = append(w.buf, s...) }

// value writes anything in the standard encoding.
func (w *jsonWriter) value(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		w.err = firstError(w.err, fmt.Errorf("encode answer: %w", err))
		return
	}
	w.buf = append(w.buf, text...)
	w.room()
}

// result writes a query's result.
func (w *jsonWriter) result(v parser.Value) {
	switch v := v.(type) {
	case promql.Vector:
		w.vector(v)
	case promql.Matrix:
		w.matrix(v)
	default: // a scalar or a string knows its own form
		w.value(v)
	}
}

func (w *jsonWriter) vector(v promql.Vector) {
	w.raw(`[`)
	for i := range v {
		if i > 0 {
			w.raw(`,`)
		}
		w.raw(`{"metric":`)
		w.labels(v[i].Metric)
		w.raw(`,"value":`)
		w.point(v[i].T, v[i].F)
		w.raw(`}`)
		w.room()
	}
	w.raw(`]`)
}

func (w *jsonWriter) matrix(m promql.Matrix) {
	w.raw(`[`)
	for i := range m {
		if i > 0 {
			w.raw(`,`)
		}
		w.raw(`{"metric":`)
		w.labels(m[i].Metric)
		w.points(m[i].Floats)
		w.raw(`}`)
	}
	w.raw(`]`)
}

func (w *jsonWriter) points(points []promql.FPoint) {
	for i, p := range points {
		if i == 0 {
			w.raw(`,"values":[`)
		} else {
			w.raw(`,`)
		}
		w.point(p.T, p.F)
		w.room()
	}
	if len(points) > 0 {
		w.raw(`]`)
	}
}

func (w *jsonWriter) point(t int64, v float64) {
	w.raw(`[`)
	w.timestamp(t)
	w.raw(`,"`)
	w.float(v)
	w.raw(`"]`)
}

// timestamp writes milliseconds as seconds with as many places as are needed for
// them, three or none.
func (w *jsonWriter) timestamp(ms int64) {
	if ms < 0 {
		w.raw(`-`)
		ms = -ms
	}
	w.buf = strconv.AppendInt(w.buf, ms/1000, 10)
	if fraction := ms % 1000; fraction != 0 {
		w.buf = append(w.buf, '.', byte('0'+fraction/100), byte('0'+fraction/10%10), byte('0'+fraction%10))
	}
}

func (w *jsonWriter) float(v float64) {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	w.buf = strconv.AppendFloat(w.buf, v, format, -1, 64)
}

func (w *jsonWriter) labels(ls labels.Labels) {
	separator := byte('{')
	ls.Range(func(l labels.Label) {
		w.buf = append(w.buf, separator)
		w.text(l.Name)
		w.raw(`:`)
		w.text(l.Value)
		separator = ','
	})
	if separator == '{' {
		w.raw(`{`)
	}
	w.raw(`}`)
}

// text writes a string without the escapes for HTML that the standard encoding
// has: Prometheus writes labels so.
func (w *jsonWriter) text(s string) {
	w.raw(`"`)
	begin := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if escape := escapeOf(r, size); escape != "" {
			w.raw(s[begin:i])
			w.raw(escape)
			begin = i + size
		}
		i += size
	}
	w.raw(s[begin:])
	w.raw(`"`)
}

func escapeOf(r rune, size int) string {
	switch {
	case r == '"':
		return `\"`
	case r == '\\':
		return `\\`
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < ' ':
		return fmt.Sprintf(`\u%04x`, r)
	case r == utf8.RuneError && size == 1:
		return `\ufffd`
	}
	return ""
}
