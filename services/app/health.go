package app

import (
	"context"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/cluster"
)

// readiness is a part that says why it cannot do its work.
type readiness struct {
	name   string
	target string // that cannot work without it; empty for all that run here
	check  func() error
}

// healthEvery is how often it is looked whether the targets can do their work.
const healthEvery = time.Second

// notReady returns why this process cannot do its work, nothing if it can.
func (a *App) notReady() []string {
	var reasons []string
	for _, r := range a.ready {
		if err := r.check(); err != nil {
			reasons = append(reasons, r.name+": "+err.Error())
		}
	}
	return reasons
}

// works tells whether what the target needs here is there.
func (a *App) works(target string) bool {
	for _, r := range a.ready {
		if (r.target == "" || r.target == target) && r.check() != nil {
			return false
		}
	}
	return true
}

// cached returns a check that is made at most every [healthEvery].
func cached(check func() error) func() error {
	var mu sync.Mutex
	var at time.Time
	var last error
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(at) >= healthEvery {
			last, at = check(), time.Now()
		}
		return last
	}
}

// tellHealth tells other nodes which targets work here, and whether this one evaluates
// the rules, until ctx ends.
func (a *App) tellHealth(ctx context.Context, server *cluster.Server, p *platform) error {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		for _, t := range a.cfg.Targets {
			server.SetServing(t, a.works(t))
		}
		if p.alerts != nil && p.alerts.alerting != nil {
			server.SetLeading(cluster.Alerting, p.alerts.alerting.Leads())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
