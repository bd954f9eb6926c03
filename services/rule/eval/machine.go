package eval

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
)

const (
	alertNameLabel = alert.NameLabel
	// resolvedRetention is how long an alert that is over is kept, as in Prometheus.
	resolvedRetention = 15 * time.Minute
)

// reasonRule is the reason of what fails because of a rule, whenever it is evaluated
// over the same data.
const reasonRule = "rule_failed"

var errDuplicate = fault.New(fault.Invalid, reasonRule, "two series have the same labels once those of the rule are added; have the rule keep a label that tells them apart")

// slot is a place for an alert: there is one for each label set.
type slot struct {
	key    alert.Key
	labels metric.Labels
	match  string
	alert  *alert.Alert // nil if there is none

	// What the current step found.
	seen     uint64 // its number, if there is an element
	obs      obs
	noData   bool // the element is one that went away
	decision Decision
	verdict  verdict
	since    uint64  // number of the step that made the alert
	shown    float64 // the value that the annotations are of
}

// machine has the alerts of a rule and moves them on from time to time.
type machine struct {
	rule     *rule.Rule
	opt      *Options
	interval int64
	offset   int64
	limit    int

	labels, annotations []template
	fixed               bool     // labels of alerts depend on those of the element only
	own                 []string // labels that are the rule's
	presence            string   // expression; "" if there is none
	apart               bool     // expressions are evaluated at one time each

	elements elements
	slots    map[alert.Key]*slot
	active   []*slot // those with an alert
	steps    uint64
}

func newMachine(r *rule.Rule, g *Group) (*machine, error) {
	m := &machine{
		rule: r, opt: &g.opt, interval: g.interval, offset: g.group.Offset.Milliseconds(), limit: g.group.Limit,
		slots: map[alert.Key]*slot{}, own: []string{metric.NameLabel, alertNameLabel},
	}
	var err error
	if m.labels, err = newTemplates(r, r.Labels); err != nil {
		return nil, err
	}
	if !g.opt.Plain {
		if m.annotations, err = newTemplates(r, r.Annotations); err != nil {
			return nil, err
		}
	}
	m.fixed = !varies(m.labels)
	for _, t := range m.labels {
		m.own = append(m.own, t.name)
	}
	m.elements = elements{known: map[string]*element{}, match: m.matchOf}
	if r.Clear != "" || r.NoData == rule.NoDataKeep || r.NoData == rule.NoDataAlert {
		if m.presence, err = query.Presence(r.Expr); err != nil && r.NoData == rule.NoDataAlert {
			return nil, fmt.Errorf("no_data: %w", err)
		}
	}
	return m, nil
}

// matchOf returns what the labels of an element and of its alert have in common:
// those that are not the rule's.
func (m *machine) matchOf(labels metric.Labels) string { return labelsKey(labels, m.own...) }

func (m *machine) restore(alerts []*alert.Alert) {
	m.slots, m.active = map[alert.Key]*slot{}, nil
	m.elements.known = map[string]*element{}
	for _, a := range alerts {
		kept := *a
		s := m.slot(a.Labels)
		s.alert, s.shown = &kept, math.NaN()
		m.active = append(m.active, s)
	}
}

// slot returns the place of the alert with the labels.
func (m *machine) slot(labels metric.Labels) *slot {
	key := alert.KeyOf(m.rule.ID, labels)
	s := m.slots[key]
	if s == nil {
		s = &slot{key: key, labels: labels, match: m.matchOf(labels)}
		m.slots[key] = s
	}
	return s
}

// place returns the place of the alert that an element makes with its value.
func (m *machine) place(ctx context.Context, o obs, t int64, env Env) *slot {
	bits := math.Float64bits(o.v)
	if o.e.slot != nil && (m.fixed || o.e.bits == bits && !volatile(m.labels)) {
		return o.e.slot
	}
	o.e.slot, o.e.bits = m.slot(m.labelsOf(m.expansion(ctx, o, t, env), o.e)), bits
	return o.e.slot
}

// forgetElements bounds what is remembered of elements that were seen once.
func (m *machine) forgetElements() {
	if len(m.elements.known) <= maxElements {
		return
	}
	m.elements.known, m.slots = map[string]*element{}, map[alert.Key]*slot{}
	for _, s := range m.active {
		m.slots[s.key] = s
	}
}

// frame is what a step sees.
type frame struct {
	t    int64
	expr []obs
	// vanished are elements of the presence expression that were there at the time
	// before and are no more.
	vanished []obs
	off      bool // the rule does not apply at this time
	// clear and present return values by match; they are asked if they are needed.
	clear, present func() (map[string]float64, error)
}

// step moves the alerts on to a time. If it returns an error nothing has changed.
func (m *machine) step(ctx context.Context, f *frame, env Env, out *outcome) error {
	m.steps++
	fresh, err := m.look(ctx, f, env)
	if err != nil {
		return err
	}
	active := 0
	for _, s := range m.active {
		if s.verdict, err = m.verdict(s, f, env); err != nil {
			return err
		}
		if s.verdict.active(s.alert) {
			active++
		}
	}
	if active += len(fresh); m.limit > 0 && active > m.limit {
		return fault.New(fault.Invalid, reasonRule, "it has %d alerts; the limit of the group is %d", active, m.limit)
	}
	for _, s := range fresh {
		m.begin(s, f.t)
	}
	for _, s := range m.active {
		m.move(ctx, s, f.t, env, out)
	}
	m.active = slices.DeleteFunc(m.active, func(s *slot) bool { return s.alert == nil })
	return nil
}

// look finds the places of the elements and returns those that get a new alert.
func (m *machine) look(ctx context.Context, f *frame, env Env) (fresh []*slot, err error) {
	for _, o := range f.expr {
		s := m.place(ctx, o, f.t, env)
		if s.seen == m.steps {
			return nil, errDuplicate
		}
		s.seen, s.obs, s.noData = m.steps, o, false
		if m.isFresh(s, f.t, env) {
			fresh = append(fresh, s)
		}
	}
	if len(f.vanished) == 0 {
		return fresh, nil
	}
	known := map[string]bool{}
	for _, s := range m.active {
		known[s.match] = known[s.match] || s.alert.State != alert.Resolved
	}
	for _, o := range f.vanished {
		if known[o.e.match] {
			continue // its alert goes on, marked
		}
		s := m.place(ctx, o, f.t, env)
		if s.seen == m.steps {
			continue
		}
		s.seen, s.obs, s.noData = m.steps, o, true
		if m.isFresh(s, f.t, env) {
			fresh = append(fresh, s)
		}
	}
	return fresh, nil
}

// isFresh tells whether an element makes a new alert.
func (m *machine) isFresh(s *slot, t int64, env Env) bool {
	if a := s.alert; a != nil && (a.State != alert.Resolved || a.Evaluated >= t) {
		return false
	}
	s.decision = decide(env, s.obs.e.labels, "", t)
	return s.decision.Decided
}

func decide(env Env, labels metric.Labels, agent string, t int64) Decision {
	if env.Decide == nil {
		return Decision{Decided: true}
	}
	return env.Decide(labels, agent, t)
}

// begin makes a new alert.
func (m *machine) begin(s *slot, t int64) {
	if s.alert == nil {
		m.active = append(m.active, s)
	}
	s.alert = &alert.Alert{
		Key: s.key, RuleID: m.rule.ID, Labels: s.labels, State: alert.Pending,
		Value: alert.Float(s.obs.v), Active: t, NoData: s.noData, Agent: s.decision.Agent,
	}
	s.verdict, s.shown, s.since = holds, math.NaN(), m.steps
	if s.noData {
		s.verdict = noData
	}
	if m.opt.GeneratorURL != nil {
		s.alert.GeneratorURL = m.opt.GeneratorURL(m.rule)
	}
}

// fail marks what is pending or firing as held, because the rule cannot be evaluated.
// What has its turn later keeps the mark that it has.
func (m *machine) fail(t int64, reason error, env Env, out *outcome) {
	for _, s := range m.active {
		a := s.alert
		if a.State == alert.Resolved || a.Evaluated >= t {
			continue
		}
		hold := &alert.Hold{Reason: alert.EvaluationFailed, Message: "The rule cannot be evaluated: " + reason.Error()}
		if d := decide(env, a.Labels, a.Agent, t); !d.Decided {
			if d.Hold == nil {
				continue
			}
			hold = d.Hold
		}
		m.hold(s, hold, t, out)
	}
}

// holdAll marks alerts as held, or takes the mark off.
func (m *machine) holdAll(t int64, why func(*alert.Alert) *alert.Hold, out *outcome) {
	for _, s := range m.active {
		if s.alert.State == alert.Resolved {
			continue
		}
		hold, was := why(s.alert), s.alert.Hold
		switch {
		case hold == nil:
			m.release(s, t, out)
		case was == nil || was.Reason != hold.Reason:
			m.hold(s, hold, t, out)
		}
	}
}

// end resolves and forgets the alerts that keep refuses.
func (m *machine) end(t int64, keep func(*alert.Alert) bool, out *outcome) {
	for _, s := range m.active {
		if keep(s.alert) {
			continue
		}
		if s.alert.State == alert.Firing {
			s.alert.State, s.alert.Resolved = alert.Resolved, t
			out.resolved(s.alert, "There is no rule or no agent for it any more.")
		}
		out.forget(s.key)
		s.alert = nil
	}
	m.active = slices.DeleteFunc(m.active, func(s *slot) bool { return s.alert == nil })
}
