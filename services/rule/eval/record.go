package eval

import (
	"context"
	"maps"
	"math"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
)

// recorder evaluates a recording rule. It remembers the series that it recorded, so
// that those that go away get a stale marker.
type recorder struct {
	rule     *rule.Rule
	elements elements
	series   map[string]*recorded // by labels as recorded
	primed   bool                 // series has what was recorded before the first time
	apart    bool
	steps    uint64
}

// recorded is a series that a rule records.
type recorded struct {
	labels metric.Labels
	source metric.Labels // of the element that it is made of
	agent  string
	last   int64 // newest time it was recorded at
	there  bool  // it was there at last
	// guessed tells that it may have been recorded by a process before, and is not known
	// to have gone since.
	guessed bool
	seen    uint64 // number of the step in which it was there
}

func newRecorder(r *rule.Rule) *recorder {
	rec := &recorder{rule: r}
	rec.forget()
	rec.primed = true // before there was nothing
	return rec
}

// forget has the recorder find out what was recorded before.
func (r *recorder) forget() {
	r.elements.known, r.series, r.primed = map[string]*element{}, map[string]*recorded{}, false
}

// forgetElements bounds what is remembered of series that are no more.
func (r *recorder) forgetElements() {
	if len(r.elements.known) <= maxElements {
		return
	}
	r.elements.known = map[string]*element{}
	maps.DeleteFunc(r.series, func(_ string, s *recorded) bool { return !s.there && !s.guessed })
}

// evalRecording records the rule's series at each of the times. It returns the error
// of the context or a *RuleError.
func (g *Group) evalRecording(ctx context.Context, r *recorder, times []int64, env Env, out *outcome) error {
	r.forgetElements()
	expr := &grid{
		querier: env.Querier, elements: &r.elements, expr: r.rule.Expr,
		interval: g.interval, offset: g.group.Offset.Milliseconds(), apart: r.apart,
	}
	var buf []obs
	if !r.primed || env.Late {
		before := times[0] - g.interval
		// What cannot be had now was not recorded then, and has no need of a marker.
		if found, err := expr.at(ctx, append([]int64{before}, times...), buf); err == nil {
			r.prime(found, before, times[0], env)
			buf = found
		}
		r.primed = true
	}
	for i, t := range times {
		if err := ctx.Err(); err != nil {
			return err //nolint:wrapcheck // the caller knows it
		}
		var err error
		if buf, err = expr.at(ctx, times[i:], buf); err == nil {
			err = r.step(buf, t, expr.offset, g.group.Limit, env, out)
		}
		if err != nil {
			return &RuleError{r.rule, t, err}
		}
	}
	return nil
}

// prime takes over what was recorded before the first time that is evaluated. Of what
// is not decided yet that is a guess, until it is.
func (r *recorder) prime(found []obs, before, first int64, env Env) {
	r.steps++
	for _, o := range found {
		s := r.of(o.e)
		s.seen = r.steps
		if s.last >= before {
			continue
		}
		if decide(env, o.e.labels, "", first).Decided {
			s.last, s.there, s.guessed = before, true, false
		} else if s.last == math.MinInt64 {
			s.guessed = true
		}
	}
	for _, s := range r.series {
		if s.guessed && s.seen != r.steps && decide(env, s.source, s.agent, first).Decided {
			s.guessed = false
		}
	}
}

// of returns the series that an element is recorded as: with the rule's name and
// labels, which are no templates.
func (r *recorder) of(e *element) *recorded {
	if e.recorded != nil {
		return e.recorded
	}
	added := []metric.Label{{Name: metric.NameLabel, Value: r.rule.Record}}
	for name, value := range r.rule.Labels {
		added = append(added, metric.Label{Name: name, Value: value})
	}
	labels := e.labels.With(added...)
	key := labelsKey(labels)
	s := r.series[key]
	if s == nil {
		s = &recorded{labels: labels, source: e.labels, last: math.MinInt64}
		r.series[key] = s
	}
	e.recorded = s
	return s
}

func (r *recorder) step(found []obs, t, offset int64, limit int, env Env, out *outcome) error {
	r.steps++
	for _, o := range found {
		s := r.of(o.e)
		if s.seen == r.steps {
			return errDuplicate
		}
		s.seen = r.steps
	}
	if limit > 0 && len(found) > limit {
		return fault.New(fault.Invalid, reasonRule, "it has %d series; the limit of the group is %d", len(found), limit)
	}
	for _, o := range found {
		s := o.e.recorded
		if s.last >= t {
			continue
		}
		d := decide(env, o.e.labels, "", t)
		if !d.Decided {
			continue
		}
		s.last, s.there, s.guessed, s.agent, s.source = t, true, false, d.Agent, o.e.labels
		out.samples = append(out.samples, query.Sample{Labels: s.labels, T: t - offset, V: o.v, H: o.h})
	}
	for _, s := range r.series {
		if s.seen == r.steps || !s.there && !s.guessed || s.last >= t || !decide(env, s.source, s.agent, t).Decided {
			continue
		}
		s.last, s.there, s.guessed = t, false, false
		out.samples = append(out.samples, query.Sample{Labels: s.labels, T: t - offset, V: metric.Stale()})
	}
	return nil
}
