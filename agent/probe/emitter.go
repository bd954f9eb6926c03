package probe

import (
	"fmt"
	"math"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// Emitter takes the readings of one collection. The zero value is ready. It is
// used by one goroutine.
type Emitter struct {
	readings []Reading
	err      error
}

// Emit adds a reading of an entity of this host. Labels are the entity's own,
// nil for the host itself; they are kept and must not change afterwards. Values
// are copied: one a column. Every NaN counts as missing, so that arithmetic on a
// value that could not be read needs no special case.
func (e *Emitter) Emit(s *metric.Schema, labels metric.Labels, t time.Time, values ...float64) {
	e.EmitTarget("", s, labels, t, values...)
}

// EmitTarget adds a reading of a remote target, or of an entity of it.
func (e *Emitter) EmitTarget(target string, s *metric.Schema, labels metric.Labels, t time.Time, values ...float64) {
	if len(values) != len(s.Columns) {
		if e.err == nil {
			e.err = fmt.Errorf("emit %s: %d values for %d columns", s.Columns[0].Name, len(values), len(s.Columns))
		}
		return
	}
	row := make([]float64, len(values))
	for i, v := range values {
		if math.IsNaN(v) {
			v = metric.Missing()
		}
		row[i] = v
	}
	e.readings = append(e.readings, Reading{Schema: s, Labels: labels, Target: target, Time: t.UnixMilli(), Values: row})
}

// Readings returns what was emitted so far.
func (e *Emitter) Readings() []Reading { return e.readings }

// Err returns the first emission that was refused: a mistake in the probe.
func (e *Emitter) Err() error { return e.err }
