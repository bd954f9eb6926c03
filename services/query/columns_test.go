package query_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// operators returns an expression with operators on top.
func (g *generator) operators(depth int) string {
	if depth == 0 {
		return g.expr(g.IntN(2))
	}
	switch g.IntN(4) {
	case 0:
		return g.withScalar(depth)
	case 1:
		return g.binary(depth)
	}
	op := pick(g.Rand, "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=")
	left, right := g.operators(depth-1), g.operators(depth-1)
	switch g.IntN(5) {
	case 0:
		right = pick(g.Rand, "2", "-0.5", "NaN", "(3 - 1)")
	case 1:
		left = pick(g.Rand, "2", "-0.5", "Inf", "0")
	case 2, 3:
		right = left
	}
	match := ""
	if g.IntN(2) == 0 {
		match = pick(g.Rand, "on (host_name, mode, device, le, zone)", "ignoring (os_type)", "ignoring (mode)", "on (host_name)",
			"on (__name__, host_name, mode, device, le, zone)", "on (__name__)", "ignoring (__name__, host_name)", "on ()")
		if left == "2" || right == "2" {
			match = ""
		}
	}
	return fmt.Sprintf("(%s) %s %s (%s)", left, op, match, right)
}

// TestOperatorsAreAsInTheEngine compares what evaluates rules, which applies operators
// to whole series, with the engine.
func TestOperatorsAreAsInTheEngine(t *testing.T) {
	t.Parallel()
	seed := runSeed(t)
	d := newDataset(seed, dataEnd)
	source := datasetMemory(d)
	e := newEvaluator(t, source)
	engine, err := query.New(query.DefaultConfig(), source, discard(), nil)
	if err != nil {
		t.Fatal(err)
	}
	gen := &generator{newRand(seed + 5), d.start, d.end}
	values, failures := 0, 0
	for range 1500 {
		expr := gen.operators(1 + gen.IntN(3))
		start := time.UnixMilli(d.start + gen.Int64N(d.end-d.start)).Truncate(time.Second)
		v, err := engine.Instant(t.Context(), expr, start)
		got, gotErr := e.Instant(t.Context(), expr, start)
		if (gotErr == nil) != (err == nil) || !alike(got, v) {
			if again := func() bool { w, _ := engine.Instant(t.Context(), expr, start); return alike(w, v) }; !always(again) {
				continue
			}
			t.Fatalf("%s at %v: there is\n%v, %v; want\n%v, %v", expr, start, got, gotErr, v, err)
		}
		end := start.Add(time.Duration(gen.IntN(40)) * time.Minute)
		m, err := engine.Range(t.Context(), expr, start, end, time.Minute)
		lines, gotErr := e.Range(t.Context(), expr, start, end, time.Minute)
		if (gotErr == nil) != (err == nil) || !slices.EqualFunc(lines, m, alikeLines) {
			again := func() bool {
				w, _ := engine.Range(t.Context(), expr, start, end, time.Minute)
				return slices.EqualFunc(w, m, alikeLines)
			}
			if !always(again) {
				continue
			}
			t.Fatalf("%s from %v to %v: there is\n%v, %v; want\n%v, %v", expr, start, end, lines, gotErr, m, err)
		}
		for _, l := range m {
			values += len(l.Points)
		}
		if err != nil {
			failures++
		}
	}
	if values < 5_000 || failures < 20 {
		t.Errorf("%d values and %d failures say too little", values, failures)
	}
}

// always tells whether the engine answers the same each time: of equals it takes any, and
// what is added in no order differs in its last bits.
func always(same func() bool) bool {
	for range 30 {
		if !same() {
			return false
		}
	}
	return true
}

func alikeLines(a, b query.Line) bool {
	if metric.Compare(a.Labels, b.Labels) != 0 || len(a.Points) != len(b.Points) {
		return false
	}
	x, y := make(query.Vector, len(a.Points)), make(query.Vector, len(b.Points))
	for i := range a.Points {
		if a.Points[i].T != b.Points[i].T {
			return false
		}
		x[i].V, y[i].V = a.Points[i].V, b.Points[i].V
		if !alike(x[i:i+1], y[i:i+1]) {
			return false
		}
	}
	return true
}
