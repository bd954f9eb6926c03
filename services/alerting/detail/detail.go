// Package detail adds to messages what only queries know: what a value is compared
// with, its unit, and how it went over the last hour.
package detail

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
)

const (
	// maxSparks is how many alerts of a message get a sparkline: those that a person
	// looks at first.
	maxSparks = 5
	span      = time.Hour
	step      = time.Minute
	// maxTime bounds how long a message waits for its sparklines: it is better without
	// than late.
	maxTime = 400 * time.Millisecond
)

// Querier evaluates PromQL over time; *query.Evaluator is one.
type Querier interface {
	Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (query.Matrix, error)
}

// Deps is what details stand on.
type Deps struct {
	Querier Querier
	// Rule returns a rule by its id.
	Rule func(id string) (*rule.Rule, bool)
	// Unit returns the unit of a metric, "" if it is not known.
	Unit func(metric string) string
}

// Adder adds details.
type Adder struct {
	deps Deps
	log  *slog.Logger
}

// New returns an adder.
func New(deps Deps, log *slog.Logger) *Adder { return &Adder{deps, log} }

// Add adds what it can find out in a short time.
func (d *Adder) Add(ctx context.Context, m *alert.Message) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	for i := range m.Alerts {
		a := &m.Alerts[i]
		r, ok := d.deps.Rule(a.RuleID)
		if !ok {
			continue
		}
		value := r.Expr
		if c, ok := query.ComparisonOf(r.Expr); ok {
			value, a.Threshold = c.Value, c.String()
		}
		a.Unit = query.Unit(value, d.deps.Unit)
		if i < maxSparks && ctx.Err() == nil {
			a.Spark = d.spark(ctx, value, r, a, time.UnixMilli(m.Time))
		}
	}
}

// spark returns how the value of an alert went, nil if that cannot be told.
func (d *Adder) spark(ctx context.Context, value string, r *rule.Rule, a *alert.MessageAlert, at time.Time) []alert.Float {
	own := append(slices.Collect(maps.Keys(r.Labels)), alert.NameLabel)
	start := at.Add(-span + step)
	matrix, err := d.deps.Querier.Range(ctx, query.Narrow(value, a.Labels, own), start, at, step)
	if err != nil {
		d.log.DebugContext(ctx, "a message goes without a sparkline", "rule", r.ID, "error", err)
		return nil
	}
	for _, line := range matrix {
		if isOf(line.Labels, a.Labels) {
			return spread(line.Points, start)
		}
	}
	return nil
}

// isOf tells whether a line is of an alert: all its labels, but the name, are among
// those of the alert.
func isOf(line, of metric.Labels) bool {
	for _, l := range line {
		if l.Name != metric.NameLabel && of.Get(l.Name) != l.Value {
			return false
		}
	}
	return true
}

// spread puts points to their places, with NaN where there is none.
func spread(points []query.Point, start time.Time) []alert.Float {
	out := make([]alert.Float, span/step)
	for i := range out {
		out[i] = alert.Float(math.NaN())
	}
	for _, p := range points {
		if i := (p.T - start.UnixMilli()) / step.Milliseconds(); i >= 0 && i < int64(len(out)) {
			out[i] = alert.Float(p.V)
		}
	}
	return out
}
