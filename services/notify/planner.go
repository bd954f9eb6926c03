package notify

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify/oncall"
	"github.com/esolutions/esmon/services/rule"
)

// Options are what a planner needs beside its configuration.
type Options struct {
	// ExternalURL is what links in messages begin with; empty: there are none.
	ExternalURL string
	// Sign adds to a path, which may have a query, until when it is good and a
	// signature. nil: links are not signed.
	Sign func(path string, now time.Time) string
	// DependsOn returns what a rule depends on; nil: nothing.
	DependsOn func(ruleID string) []rule.Dependency
}

// Planner decides who is told what and when. Its methods must not be called at the
// same time.
type Planner struct {
	cfg  *Config
	opt  Options
	have map[string]bool // the receivers that there are; nil: not known

	alerts    map[alert.Key]*tracked
	groups    map[string]*group
	receivers map[string]*receiver
	acks      map[alert.Key]*alert.Ack
	overrides []alert.Override
	silences  *silences
	inhibit   *inhibitor
	aging     map[*tracked]struct{} // those that fired before, lately
	muted     map[*Route]string     // by which time interval, now
	mutedAt   int64                 // minute for which that holds
	timed     []*Route              // that time intervals mute
	shifts    map[string]oncall.Shift
	dirty     []*group
	queue     groupQueue
}

// New returns a planner that knows of no alerts.
func New(cfg *Config, opt Options) *Planner {
	p := &Planner{cfg: cfg, opt: opt}
	p.reset()
	return p
}

func (p *Planner) reset() {
	p.have = nil
	if p.cfg.Receivers != nil {
		p.have = make(map[string]bool, len(p.cfg.Receivers))
		for _, name := range p.cfg.Receivers {
			p.have[name] = true
		}
	}
	p.alerts = map[alert.Key]*tracked{}
	p.groups = map[string]*group{}
	p.receivers = map[string]*receiver{}
	p.acks = map[alert.Key]*alert.Ack{}
	p.overrides = nil
	p.silences = newSilences()
	p.inhibit = newInhibitor(p)
	p.aging = map[*tracked]struct{}{}
	p.muted, p.mutedAt = map[*Route]string{}, 0
	p.timed = p.cfg.Route.timedRoutes()
	p.shifts = map[string]oncall.Shift{}
	p.dirty, p.queue = nil, nil
}

// Config returns the configuration that is in force.
func (p *Planner) Config() *Config { return p.cfg }

// SetConfig changes the configuration. What was told stays: a receiver that an alert
// does not go to any more is still told of its end.
func (p *Planner) SetConfig(cfg *Config) { p.rebuild(func() { p.cfg = cfg }) }

// SetDependencies changes what rules depend on.
func (p *Planner) SetDependencies(dependsOn func(ruleID string) []rule.Dependency) {
	p.rebuild(func() { p.opt.DependsOn = dependsOn })
}

// rebuild starts again from what would be stored now.
func (p *Planner) rebuild(change func()) {
	docs, changed := p.documents()
	op := p.operator()
	alerts := make([]alert.Alert, 0, len(p.alerts))
	for _, t := range p.alerts {
		if t.known {
			alerts = append(alerts, t.alert)
		}
	}
	change()
	// The documents are its own, so they can be read.
	_ = p.Restore(docs, alerts, op)
	// What was not given to be stored before still is to be.
	for key := range changed {
		if g := p.groups[key]; g != nil {
			g.changed = true
		}
		if r := p.receivers[strings.TrimPrefix(key, receiverKey(""))]; r != nil {
			r.changed = true
		}
	}
}

// known tells whether there is such a receiver.
func (p *Planner) known(name string) bool { return p.have == nil || p.have[name] }

func (p *Planner) operator() alert.Operator {
	op := alert.Operator{Overrides: p.overrides}
	for _, s := range p.silences.byID {
		op.Silences = append(op.Silences, s.Silence)
	}
	for _, a := range p.acks {
		op.Acks = append(op.Acks, *a)
	}
	return op
}

// Restore forgets everything and starts from what is stored. The error says which
// documents could not be read; the planner then takes those groups for untold.
func (p *Planner) Restore(groups []alert.Group, alerts []alert.Alert, op alert.Operator) error {
	p.reset()
	// Rules first, so that alerts find what they depend on.
	for i := range alerts {
		p.inhibit.learn(alerts[i].RuleID)
	}
	p.Operator(op)
	var errs []error
	for _, g := range groups {
		if err := p.restoreGroup(g); err != nil {
			errs = append(errs, err)
		}
	}
	p.Update(alerts, nil)
	return errors.Join(errs...)
}

// Update takes alerts that changed, and those that are not kept any more, which are
// over if anybody was told that they fire.
func (p *Planner) Update(changed []alert.Alert, forgotten []alert.Key) {
	for i := range changed {
		p.update(&changed[i])
	}
	for _, key := range forgotten {
		t := p.alerts[key]
		if t == nil || !t.known {
			continue
		}
		t.known = false
		p.inhibit.update(t)
		p.silences.remove(t)
		p.touch(t)
		p.dropUnused(t)
	}
}

func (p *Planner) update(a *alert.Alert) {
	t := p.alerts[a.Key]
	if t == nil {
		t = &tracked{}
		p.alerts[a.Key] = t
	}
	before := t.alert
	first := !t.known
	t.set(a)
	again := !first && t.began(&before, &p.cfg.Limits)
	if first {
		p.silences.add(t)
	}
	if len(t.fires) > 0 {
		p.aging[t] = struct{}{}
	}
	p.inhibit.learn(a.RuleID)
	p.inhibit.update(t)
	// Of one that is over, the routes say whether its groups are muted, and its groups
	// remember how often it fired.
	if !t.routed && (t.firing() || len(t.members)+len(t.fires) > 0) {
		p.routeAlert(t) // which touches its groups
	} else if first || before.State != a.State || before.Fired != a.Fired || (before.Hold == nil) != (a.Hold == nil) {
		p.touch(t)
	}
	if again {
		t.docsChanged()
	}
}

// touch has the groups of an alert looked at by the next plan.
func (p *Planner) touch(t *tracked) {
	for _, m := range t.members {
		p.touchGroup(m.group)
	}
}

func (p *Planner) touchGroup(g *group) {
	if !g.dirty {
		g.dirty = true
		p.dirty = append(p.dirty, g)
	}
}

// dropUnused forgets an alert that neither is kept nor was told to anybody.
func (p *Planner) dropUnused(t *tracked) {
	if !t.known && len(t.members) == 0 {
		delete(p.alerts, t.alert.Key)
		delete(p.aging, t)
	}
}

// Operator takes what people have set, as a whole.
func (p *Planner) Operator(op alert.Operator) {
	acks := make(map[alert.Key]*alert.Ack, len(op.Acks))
	for i := range op.Acks {
		a := op.Acks[i]
		acks[a.Key] = &a
	}
	for key, a := range acks {
		if old := p.acks[key]; old == nil || *old != *a {
			p.touchKey(key)
		}
	}
	for key := range p.acks {
		if acks[key] == nil {
			p.touchKey(key)
		}
	}
	p.acks = acks
	if !slices.Equal(p.overrides, op.Overrides) {
		p.overrides = slices.Clone(op.Overrides)
		p.forgetShifts()
	}
	p.silences.set(op.Silences, p.alerts, p.touch)
}

func (p *Planner) touchKey(key alert.Key) {
	if t := p.alerts[key]; t != nil {
		p.touch(t)
	}
}

// forgetShifts has everybody who is on call looked up again. Who was, is kept to see
// the difference.
func (p *Planner) forgetShifts() {
	for name, s := range p.shifts {
		s.End = time.Time{}
		p.shifts[name] = s
	}
}

// sortedKeys returns the keys of the groups in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
