package eval

import (
	"context"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/rule"
)

// verdict is what a step finds about an alert.
type verdict uint8

const (
	leave  verdict = iota // it is not decided, or was evaluated before
	gone                  // its condition does not hold
	holds                 // its condition holds
	kept                  // only keep_firing_for keeps it firing
	noData                // there is no data, and the rule has it go on
)

// active tells whether an alert is pending or firing after the step.
func (v verdict) active(a *alert.Alert) bool {
	switch v {
	case gone:
		return false
	case leave:
		return a.State != alert.Resolved
	}
	return true
}

// verdict finds out about an alert that is there already.
func (m *machine) verdict(s *slot, f *frame, env Env) (verdict, error) {
	a, seen := s.alert, s.seen == m.steps
	if a.Evaluated >= f.t {
		s.decision = Decision{}
		return leave, nil
	}
	if a.State == alert.Resolved && seen {
		return leave, nil // it begins anew, or is not decided
	}
	labels := a.Labels
	if seen {
		labels = s.obs.e.labels
	}
	if s.decision = decide(env, labels, a.Agent, f.t); !s.decision.Decided {
		return leave, nil
	}
	switch {
	case seen && s.noData:
		return noData, nil
	case seen:
		return holds, nil
	case f.off || a.State == alert.Resolved:
		return gone, nil
	}
	return m.absent(s, f)
}

// absent finds out about an alert that the expression has no element for.
func (m *machine) absent(s *slot, f *frame) (verdict, error) {
	a := s.alert
	present, value := true, float64(a.Value)
	if a.State == alert.Firing && m.rule.Clear != "" || m.rule.NoData == rule.NoDataAlert || a.State == alert.Firing && m.rule.NoData == rule.NoDataKeep {
		values, err := f.present()
		if err != nil {
			return leave, err
		}
		if values != nil {
			if v, ok := values[s.match]; ok {
				value = v
			} else {
				present = false
			}
		}
	}
	if present && a.State == alert.Firing && m.rule.Clear != "" {
		values, err := f.clear()
		if err != nil {
			return leave, err
		}
		if _, cleared := values[s.match]; !cleared {
			s.obs.v = value
			return holds, nil
		}
	}
	switch {
	case !present && (m.rule.NoData == rule.NoDataAlert || m.rule.NoData == rule.NoDataKeep):
		return noData, nil
	case a.State == alert.Firing && m.keeps(a, f.t):
		return kept, nil
	}
	return gone, nil
}

// keeps tells whether keep_firing_for still keeps an alert firing. As in Prometheus
// it begins at the first time at which the condition did not hold.
func (m *machine) keeps(a *alert.Alert, t int64) bool {
	since := a.Held
	if since == 0 {
		since = t
	}
	return m.rule.KeepFiringFor > 0 && t-since < m.rule.KeepFiringFor.Milliseconds()
}

// move carries out the verdict on an alert.
func (m *machine) move(ctx context.Context, s *slot, t int64, env Env, out *outcome) {
	before := s.alert.State
	switch s.verdict {
	case leave:
		if s.decision.Hold != nil && s.alert.State != alert.Resolved {
			m.hold(s, s.decision.Hold, t, out)
		}
		return
	case gone:
		m.over(s, t, out)
	default:
		m.goOn(ctx, s, t, env, out)
	}
	if s.alert != nil {
		s.alert.Evaluated = t
		if !m.opt.Plain {
			out.refresh(s)
		}
	}
	if m.opt.Series {
		m.record(s, before, t, out)
	}
}

// over is for an alert whose condition does not hold any more.
func (m *machine) over(s *slot, t int64, out *outcome) {
	m.release(s, t, out)
	switch a := s.alert; {
	case a.State == alert.Firing:
		a.State, a.Resolved, a.Held, a.NoData = alert.Resolved, t, 0, false
		out.resolved(a, "")
		out.change(s)
	case a.State == alert.Pending, t-a.Resolved > resolvedRetention.Milliseconds():
		out.forget(s.key)
		s.alert = nil
	}
}

// goOn is for an alert that is pending or firing, and may begin to fire.
func (m *machine) goOn(ctx context.Context, s *slot, t int64, env Env, out *outcome) {
	m.release(s, t, out)
	a := s.alert
	created := s.since == m.steps
	if s.decision.Agent != a.Agent {
		a.Agent = s.decision.Agent
		out.change(s)
	}
	m.markNoData(s, created, t, out)
	if s.verdict == holds {
		a.Value = alert.Float(s.obs.v)
	}
	m.markKept(s, t, out)
	if s.seen == m.steps {
		m.refreshAnnotations(ctx, s, t, env)
	}
	active := time.Duration(t-a.Active) * time.Millisecond
	switch {
	case a.State == alert.Pending && active >= m.rule.For:
		a.State, a.Fired = alert.Firing, t
		out.fired(a)
		out.change(s)
	case a.State == alert.Firing && active < m.rule.For: // the rule was changed
		a.Resolved = t
		out.resolved(a, "The rule now has the condition hold for longer before it fires.")
		a.State, a.Fired, a.Resolved, a.Held = alert.Pending, 0, 0, 0
		out.change(s)
	case created:
		out.event(a, alert.EventPending, t, "")
		out.change(s)
	}
}

// markNoData notes whether there is data. What was pending for one reason begins
// anew for the other.
func (m *machine) markNoData(s *slot, created bool, t int64, out *outcome) {
	a, now := s.alert, s.verdict == noData
	if now && (created || !a.NoData) {
		out.event(a, alert.EventNoData, t, "")
	}
	if now == a.NoData {
		return
	}
	a.NoData = now
	if a.State == alert.Pending && !created {
		a.Active = t
	}
	out.change(s)
}

// markKept notes since when only keep_firing_for keeps the alert firing.
func (m *machine) markKept(s *slot, t int64, out *outcome) {
	switch a := s.alert; {
	case s.verdict == kept && a.Held == 0:
		a.Held = t
		out.change(s)
	case s.verdict != kept && a.Held != 0:
		a.Held = 0
		out.change(s)
	}
}

func (m *machine) refreshAnnotations(ctx context.Context, s *slot, t int64, env Env) {
	if m.opt.Plain || len(m.annotations) == 0 {
		return
	}
	if s.alert.Annotations != nil && sameValue(s.shown, s.obs.v) && !volatile(m.annotations) {
		return
	}
	s.shown = s.obs.v
	m.annotate(m.expansion(ctx, s.obs, t, env), s)
}

// hold marks an alert as one that cannot be decided.
func (*machine) hold(s *slot, why *alert.Hold, t int64, out *outcome) {
	mark, before := *why, s.alert.Hold
	same := before != nil && before.Reason == mark.Reason
	if same && before.Message == mark.Message {
		return
	}
	switch {
	case same:
		mark.Since = before.Since
	case mark.Since == 0:
		mark.Since = t
	}
	s.alert.Hold = &mark
	if !same {
		out.event(s.alert, alert.EventHeld, t, mark.Message)
	}
	out.change(s)
}

// release takes the mark off.
func (*machine) release(s *slot, t int64, out *outcome) {
	if s.alert.Hold == nil {
		return
	}
	s.alert.Hold = nil
	out.event(s.alert, alert.EventReleased, t, "")
	out.change(s)
}
