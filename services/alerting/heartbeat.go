package alerting

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	heartbeatTimeout = 10 * time.Second
	// pulseLasts is how long ago everything may have been level for alerting to count
	// as working.
	pulseLasts = time.Minute
)

// pulse tells whether rules are evaluated.
type pulse struct {
	leading atomic.Bool

	mu   sync.Mutex // guards last
	last time.Time  // when everything was evaluated and committed that was due
}

func (p *pulse) begin() { p.leading.Store(true) }

func (p *pulse) end() {
	p.leading.Store(false)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Time{}
}

// beat says that everything is evaluated and committed that was due.
func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
}

func (p *pulse) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leading.Load() && !p.last.IsZero() && time.Since(p.last) < pulseLasts
}

// heartbeat reports outside that alerting works, for as long as it does.
func (a *Alerting) heartbeat(ctx context.Context) {
	if a.cfg.Heartbeat.URL == "" {
		return
	}
	tick := time.NewTicker(a.cfg.Heartbeat.Interval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !a.pulse.alive() {
			continue
		}
		ok := a.postHeartbeat(ctx)
		if !ok && !failing && ctx.Err() == nil {
			// Without the URL and the error, which holds it: it may be a secret.
			a.log.Warn("the heartbeat could not be sent; check alerting.heartbeat.url and whether it can be reached from here")
		}
		failing = !ok
		a.metrics.heartbeat(ok)
	}
}

func (a *Alerting) postHeartbeat(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.cfg.Heartbeat.URL, http.NoBody)
	if err != nil {
		return false
	}
	res, err := a.deps.HTTP.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close() // nothing in it is of interest
	return res.StatusCode < 300
}
