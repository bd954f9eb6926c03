package alerting

import (
	"sync"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// Health is how evaluating a rule goes.
type Health string

// How evaluating a rule goes.
const (
	HealthUnknown Health = "unknown" // it was not evaluated yet
	HealthOK      Health = "ok"
	HealthFailing Health = "failing"
)

// RuleStatus is how a rule is.
type RuleStatus struct {
	RuleID, Group, Name string
	Recording           bool
	Health              Health
	Error               string        // the last one, while it fails
	FailingSince        int64         // the time of evaluation at which it began to fail; 0 if it does not
	Evaluated           int64         // the newest time it was evaluated at, for those whose data was there
	Duration            time.Duration // how long that took
	Behind              int           // agents whose data was not there
	// Scope says whose data it waits for: each agent's on its own, that of all, or
	// that of none.
	Scope string
	// Coverage is which share of the agents was there when a rule over all of them was
	// evaluated last; 1 for other rules.
	Coverage              float64
	Pending, Firing, Held int
}

// ruleHealth is what a job notes about a rule.
type ruleHealth struct {
	evaluated int64
	took      time.Duration
	coverage  float64
	err       error
}

var scopeNames = map[scope]string{perAgent: "agent", overMany: "all", ofPlatform: "platform"}

func (j *job) noteHealth(i int, times []int64, took time.Duration, err error) {
	h := &j.g.health[i]
	h.took, h.err = took/time.Duration(len(times)), err
	if err != nil {
		return
	}
	h.evaluated = max(h.evaluated, times[len(times)-1])
	h.coverage = 1
	if j.g.scopes[i] == overMany {
		h.coverage, _, _ = j.fleet.coverage(times[len(times)-1] - j.g.offset)
	}
}

// statusBoard is what others may see of the leader's state.
type statusBoard struct {
	mu    sync.Mutex              // guards what follows
	group map[string][]RuleStatus // by group
	order []string
}

// Rules returns how the rules are. While another process leads, it is empty.
func (a *Alerting) Rules() []RuleStatus {
	a.status.mu.Lock()
	defer a.status.mu.Unlock()
	var all []RuleStatus
	for _, id := range a.status.order {
		all = append(all, a.status.group[id]...)
	}
	return all
}

// counts is how many alerts of a rule are how.
type counts struct{ pending, firing, held int }

func countAlerts(book map[alert.Key]alert.Alert) map[string]counts {
	all := map[string]counts{}
	for _, a := range book {
		n := all[a.RuleID]
		switch a.State {
		case alert.Pending:
			n.pending++
		case alert.Firing:
			n.firing++
		case alert.Inactive, alert.Resolved:
			continue
		}
		if a.Hold != nil {
			n.held++
		}
		all[a.RuleID] = n
	}
	return all
}

// publishStatus lets others see how the groups are that are not being evaluated.
func (a *Alerting) publishStatus(groups []*group, book map[alert.Key]alert.Alert) {
	byRule := countAlerts(book)
	a.status.mu.Lock()
	defer a.status.mu.Unlock()
	was := a.status.group
	a.status.group, a.status.order = make(map[string][]RuleStatus, len(groups)), a.status.order[:0]
	failing := 0
	for _, g := range groups {
		id := g.def.ID()
		a.status.order = append(a.status.order, id)
		if g.busy {
			a.status.group[id] = was[id]
		} else {
			a.status.group[id] = g.status(byRule)
		}
		for i := range a.status.group[id] {
			if a.status.group[id][i].Health == HealthFailing {
				failing++
			}
		}
	}
	a.metrics.failing.Set(float64(failing))
}

// status returns how the rules of the group are.
func (g *group) status(byRule map[string]counts) []RuleStatus {
	all := make([]RuleStatus, 0, len(g.rules))
	for i := range g.rules {
		r, h := g.rules[i].Rule, &g.health[i]
		n := byRule[r.ID]
		s := RuleStatus{
			RuleID: r.ID, Group: g.def.ID(), Name: r.Name(), Recording: r.Record != "", Health: HealthUnknown,
			Evaluated: h.evaluated, Duration: h.took, Scope: scopeNames[g.scopes[i]], Coverage: h.coverage,
			Pending: n.pending, Firing: n.firing, Held: n.held,
		}
		if h.evaluated > 0 {
			s.Health = HealthOK
		}
		if g.scopes[i] == perAgent {
			s.Behind = len(g.late)
			if _, also := g.late[many]; also {
				s.Behind--
			}
		}
		if f := g.failing[r.ID]; f != nil {
			s.Health, s.Error, s.FailingSince = HealthFailing, f.message, f.since
		}
		all = append(all, s)
	}
	return all
}

var holdReasons = []alert.HoldReason{alert.AgentSilent, alert.AgentCatchingUp, alert.EvaluationFailed}

// publishHeld counts the alerts that are held.
func (a *Alerting) publishHeld(book map[alert.Key]alert.Alert) {
	n := map[alert.HoldReason]int{}
	for _, one := range book {
		if one.Hold != nil && one.State != alert.Resolved {
			n[one.Hold.Reason]++
		}
	}
	for _, reason := range holdReasons {
		a.metrics.held.WithLabelValues(string(reason)).Set(float64(n[reason]))
	}
}

// clearStatus is for a process that does not lead any more.
func (a *Alerting) clearStatus() {
	a.status.mu.Lock()
	defer a.status.mu.Unlock()
	a.status.group, a.status.order = nil, nil
	a.metrics.failing.Set(0)
	for _, reason := range holdReasons {
		a.metrics.held.WithLabelValues(string(reason)).Set(0)
	}
}
