package alertapi

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify"
	"github.com/esolutions/esmon/services/rule"
)

// viewAge is how old a view may be: many look at the same time and again and again.
const viewAge = time.Second

// view is all alerts at one moment. It is not changed.
type view struct {
	alerts   []item // by order: see compareItems
	byKey    map[alert.Key]int
	silences []alert.Silence

	mu      sync.Mutex // the planner is for one at a time
	planner *notify.Planner
}

// item is an alert with what routes and people make of it.
type item struct {
	alert.Alert
	notify.Status
}

// views makes views and keeps the last one.
type views struct {
	deps *Deps

	mu   sync.Mutex // guards what follows; held while a view is made, so that one is made for all who wait
	last *view
	at   time.Time
}

func newViews(deps *Deps) *views { return &views{deps: deps} }

// forget has the next one who asks get a new view.
func (v *views) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = nil
}

// get returns a view that is not older than viewAge.
func (v *views) get(ctx context.Context) (*view, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.deps.Now()
	if v.last != nil && now.Sub(v.at) < viewAge && !now.Before(v.at) {
		return v.last, nil
	}
	snapshot, err := v.deps.Store.State(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the states of alerts: %w", err)
	}
	v.last, v.at = v.build(&snapshot, now), now
	return v.last, nil
}

func (v *views) build(s *alert.Snapshot, now time.Time) *view {
	routes, options := notify.DefaultConfig(), v.deps.Planner
	if l := v.deps.Config.Current(); l != nil {
		routes = l.Routes
		options.DependsOn = func(id string) []rule.Dependency {
			if _, r, ok := l.Rule(id); ok {
				return r.DependsOn
			}
			return nil
		}
	}
	planner := notify.New(routes, options)
	_ = planner.Restore(s.Groups, s.Alerts, s.Operator) // documents that cannot be read are the leader's to report
	out := &view{planner: planner, silences: s.Operator.Silences, byKey: make(map[alert.Key]int, len(s.Alerts))}
	for i := range s.Alerts {
		out.alerts = append(out.alerts, item{s.Alerts[i], planner.Status(s.Alerts[i].Key, now)})
	}
	slices.SortFunc(out.alerts, compareItems)
	for i := range out.alerts {
		out.byKey[out.alerts[i].Key] = i
	}
	return out
}

// find returns the alert of the key.
func (v *view) find(key alert.Key) (*item, bool) {
	i, ok := v.byKey[key]
	if !ok {
		return nil, false
	}
	return &v.alerts[i], true
}

// ask gives the planner to do, which is for one at a time.
func (v *view) ask(do func(p *notify.Planner)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	do(v.planner)
}
