package alertapi

import (
	"slices"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fault"
)

// conditions are what may be true of an alert, beside its state.
var conditions = map[string]func(*item) bool{
	"held":         func(i *item) bool { return i.Hold != nil },
	"no_data":      func(i *item) bool { return i.NoData },
	"acknowledged": func(i *item) bool { return i.Ack != nil },
	"silenced":     func(i *item) bool { return len(i.SilencedBy) > 0 },
	"inhibited":    func(i *item) bool { return len(i.InhibitedBy) > 0 },
	"flapping":     func(i *item) bool { return i.Flapping },
}

// selection is which alerts are asked for; requests for alerts and for groups have it.
type selection interface {
	GetMatchers() []string
	GetStates() []alertv1.AlertState
	GetActiveOnly() bool
	GetConditions() []string
}

// filter selects alerts.
type filter struct {
	matchers   alert.Matchers
	states     []alert.State
	activeOnly bool
	conditions []func(*item) bool
}

func newFilter(req selection) (*filter, error) {
	f := &filter{activeOnly: req.GetActiveOnly(), states: []alert.State{alert.Pending, alert.Firing}}
	var err error
	if f.matchers, err = parseMatchers(req.GetMatchers()); err != nil {
		return nil, err
	}
	if len(req.GetStates()) > 0 {
		f.states = nil
	}
	for state, name := range states {
		if slices.Contains(req.GetStates(), name) {
			f.states = append(f.states, state)
		}
	}
	for _, name := range req.GetConditions() {
		is, ok := conditions[name]
		if !ok {
			return nil, fault.New(fault.Invalid, "condition_unknown", "conditions: there is no %q; use held, no_data, acknowledged, silenced, inhibited or flapping", name)
		}
		f.conditions = append(f.conditions, is)
	}
	return f, nil
}

func parseMatchers(texts []string) (alert.Matchers, error) {
	ms, err := alert.ParseMatchers(texts)
	if err != nil {
		return nil, fault.New(fault.Invalid, "matcher_invalid", "matchers: %s", err)
	}
	return ms, nil
}

// takes tells whether the filter selects the alert.
func (f *filter) takes(i *item) bool {
	switch {
	case !slices.Contains(f.states, i.State), !f.matchers.Match(i.Labels):
		return false
	case f.activeOnly && (i.Ack != nil || len(i.SilencedBy) > 0 || len(i.InhibitedBy) > 0):
		return false
	case len(f.conditions) == 0:
		return true
	}
	return slices.ContainsFunc(f.conditions, func(is func(*item) bool) bool { return is(i) })
}

// counts counts the alerts that satisfy the matchers.
func (f *filter) counts(v *view) map[string]int64 {
	out := map[string]int64{}
	for i := range v.alerts {
		it := &v.alerts[i]
		if !f.matchers.Match(it.Labels) {
			continue
		}
		out[string(it.State)]++
		for name, is := range conditions {
			if is(it) {
				out[name]++
			}
		}
	}
	return out
}
