package query

import (
	"context"
	"errors"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/schema"
)

// errByStep says that an expression cannot be evaluated series by series after all: the
// engine has to decide what it results in, or what is wrong with it.
var errByStep = errors.New("the expression is evaluated step by step")

// columns evaluates plans. The values of its results are the engine's memory and valid
// until the answer is closed.
type columns struct {
	service *Service
	source  *queryable
	job     job
	answer  *answer
	points  int // of all leaves
}

// executePlan evaluates a checked job by its plan.
func (s *Service) executePlan(ctx context.Context, q *queryable, j job, p *plan, a *answer) error {
	if p.leaves() > 1 { // all are of the same state of the source
		shared := Share(ctx, q.source)
		a.closers = append(a.closers, func() { _ = shared.Close() })
		own := *q
		own.source, q = shared, &own
	}
	before, opened := *q.budget, len(a.closers)
	c := &columns{service: s, source: q, job: j, answer: a}
	m, err := c.evaluate(ctx, p)
	if errors.Is(err, errByStep) {
		a.closeTo(opened) // what was evaluated for nothing counts no more
		*q.budget = before
		return s.execute(ctx, q, j, a)
	}
	if err != nil {
		return err
	}
	a.warnings, a.infos = nil, nil
	if a.value = m; !j.ranged {
		a.value = vectorOf(m)
	}
	return nil
}

// vectorOf returns series of one value each as the engine's instant vector.
func vectorOf(m promql.Matrix) promql.Vector {
	v := make(promql.Vector, len(m))
	for i := range m {
		v[i] = promql.Sample{Metric: m[i].Metric, T: m[i].Floats[0].T, F: m[i].Floats[0].F}
	}
	return v
}

// evaluate returns the series of a vector that have values.
func (c *columns) evaluate(ctx context.Context, p *plan) (promql.Matrix, error) {
	switch {
	case p.leaf != "":
		return c.leaf(ctx, p.leaf)
	case p.rhs.number:
		m, err := c.evaluate(ctx, p.lhs)
		if err != nil {
			return nil, err
		}
		return p.withNumber(m, func(v float64) (float64, bool) {
			v, stays, _ := apply(p.op, v, p.rhs.value)
			return v, stays
		})
	case p.lhs.number:
		m, err := c.evaluate(ctx, p.rhs)
		if err != nil {
			return nil, err
		}
		return p.withNumber(m, func(v float64) (float64, bool) {
			result, stays, _ := apply(p.op, p.lhs.value, v)
			if p.op.IsComparisonOperator() {
				result = v // it is always the element that is kept
			}
			return result, stays
		})
	}
	lhs, err := c.evaluate(ctx, p.lhs)
	if err != nil {
		return nil, err
	}
	rhs, err := c.evaluate(ctx, p.rhs)
	if err != nil {
		return nil, err
	}
	return p.match(lhs, rhs)
}

// leaf has the engine evaluate a part of the expression.
func (c *columns) leaf(ctx context.Context, text string) (promql.Matrix, error) {
	j := c.job
	j.expr = text
	if err := c.service.execute(ctx, c.source, j, c.answer); err != nil {
		return nil, err
	}
	var m promql.Matrix
	switch v := c.answer.value.(type) {
	case promql.Matrix:
		m = slices.Clone(v) // the engine gives back what stands in its own list, each once
	case promql.Vector:
		m = matrixOf(v)
	default:
		return nil, errByStep
	}
	for i := range m {
		if len(m[i].Histograms) > 0 {
			return nil, errByStep
		}
		c.points += len(m[i].Floats)
	}
	if c.points > c.service.cfg.MaxSamples {
		return nil, errByStep // which lets go of what it needs no more
	}
	return m, nil
}

// matrixOf returns an instant vector as series of one value each. One with a histogram
// is told by its Histograms.
func matrixOf(v promql.Vector) promql.Matrix {
	m, points := make(promql.Matrix, len(v)), make([]promql.FPoint, len(v))
	for i := range v {
		points[i] = promql.FPoint{T: v[i].T, F: v[i].F}
		m[i] = promql.Series{Metric: v[i].Metric, Floats: points[i : i+1 : i+1]}
		if v[i].H != nil {
			m[i].Histograms = []promql.HPoint{{T: v[i].T, H: v[i].H}}
		}
	}
	return m
}

// changesMetric tells whether the results are not values of the metric any more.
func (p *plan) changesMetric() bool { return !p.op.IsComparisonOperator() }

// withNumber applies an operator with a number to all values, in place.
func (p *plan) withNumber(m promql.Matrix, do func(float64) (v float64, stays bool)) (promql.Matrix, error) {
	out := m[:0]
	for _, s := range m {
		n := 0
		for _, point := range s.Floats {
			if v, stays := do(point.F); stays {
				s.Floats[n] = promql.FPoint{T: point.T, F: v}
				n++
			}
		}
		if s.Floats = s.Floats[:n]; n == 0 {
			continue
		}
		if p.changesMetric() {
			s.Metric = s.Metric.DropReserved(schema.IsMetadataLabel)
		}
		out = append(out, s)
	}
	if p.changesMetric() && out.ContainsSameLabelset() {
		return nil, errByStep // it is an error only where both have a value at the same time
	}
	return out, nil
}

// match applies an operator to the values of series that belong together, in place of
// the left ones. Where a group of one side has several series it is for the engine: it
// is an error only where two have a value at the same time.
func (p *plan) match(lhs, rhs promql.Matrix) (promql.Matrix, error) {
	key := p.keys()
	right := make(map[string]int, len(rhs))
	for i := range rhs {
		k := key(rhs[i].Metric)
		if _, twice := right[string(k)]; twice {
			return nil, errByStep
		}
		right[string(k)] = i
	}
	left := make(map[string]struct{}, len(lhs))
	names := labels.NewBuilder(labels.EmptyLabels())
	out := lhs[:0]
	for _, l := range lhs {
		k := key(l.Metric)
		if _, twice := left[string(k)]; twice {
			return nil, errByStep
		}
		left[string(k)] = struct{}{}
		i, there := right[string(k)]
		if !there {
			continue
		}
		if l.Floats = p.join(l.Floats, rhs[i].Floats); len(l.Floats) == 0 {
			continue
		}
		l.Metric = p.resultLabels(names, l.Metric)
		out = append(out, l)
	}
	if p.changesMetric() && p.matching.On && out.ContainsSameLabelset() {
		return nil, errByStep // they were told apart by the name, which is gone
	}
	return out, nil
}

// keys returns a function that tells what of the labels has to be equal. Its result is
// valid until the next call.
func (p *plan) keys() func(labels.Labels) []byte {
	var buf []byte
	names := slices.Clone(p.matching.MatchingLabels)
	if p.matching.On {
		slices.Sort(names)
		return func(ls labels.Labels) []byte {
			buf = ls.BytesWithLabels(buf, names...)
			return buf
		}
	}
	names = append(names, model.MetricNameLabel, model.MetricTypeLabel, model.MetricUnitLabel)
	slices.Sort(names)
	return func(ls labels.Labels) []byte {
		buf = ls.BytesWithoutLabels(buf, names...)
		return buf
	}
}

// join applies the operator where both have a value, in place of the left ones.
func (p *plan) join(lhs, rhs []promql.FPoint) []promql.FPoint {
	out := lhs[:0]
	for _, l := range lhs {
		for len(rhs) > 0 && rhs[0].T < l.T {
			rhs = rhs[1:]
		}
		if len(rhs) == 0 {
			break
		}
		if rhs[0].T != l.T {
			continue
		}
		if v, stays, _ := apply(p.op, l.F, rhs[0].F); stays {
			out = append(out, promql.FPoint{T: l.T, F: v})
		}
	}
	return out
}

// resultLabels returns the labels of what came of a series on the left.
func (p *plan) resultLabels(b *labels.Builder, of labels.Labels) labels.Labels {
	b.Reset(of)
	if p.changesMetric() {
		schema.Metadata{}.SetToLabels(b)
	}
	if p.matching.On {
		b.Keep(p.matching.MatchingLabels...)
	} else {
		b.Del(p.matching.MatchingLabels...)
	}
	return b.Labels()
}
