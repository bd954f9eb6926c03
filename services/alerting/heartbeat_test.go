package alerting

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// roundTripper counts heartbeats.
type roundTripper struct {
	n    atomic.Int64
	fail atomic.Bool
}

func (r *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	r.n.Add(1)
	if r.fail.Load() {
		return nil, errors.New("no route")
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

func TestTheHeartbeatStopsWithTheWork(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*world, *process){
		"log":      func(w *world, _ *process) { w.breakLog(true) },
		"database": func(_ *world, p *process) { p.store.dead.Store(true) },
		"lease":    func(_ *world, p *process) { p.deps.Lease.(*fakeLease).held.Store(false) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
				w.rules.set(groupOf(every, "High: cpu > 90"))
				beats, lease := &roundTripper{}, &fakeLease{}
				lease.held.Store(true)
				p := w.start(func(c *Config, d *Deps) {
					c.Heartbeat = HeartbeatConfig{URL: "https://watch.example/x", Interval: 10 * time.Second}
					d.HTTP, d.Lease = &http.Client{Transport: beats}, lease
				})
				defer p.end()
				pass(2*time.Minute + time.Second)
				if got := beats.n.Load(); got < 11 {
					t.Errorf("%d heartbeats in two minutes", got)
				}
				stop(w, p)
				pass(2 * time.Minute)
				before := beats.n.Load()
				pass(10 * time.Minute)
				if got := beats.n.Load(); got != before {
					t.Errorf("%d heartbeats though nothing works", got-before)
				}
			})
		})
	}
}

func TestAHeartbeatThatFails(t *testing.T) {
	t.Parallel()
	inWorld(t, []string{"h1"}, func(t *testing.T, w *world) {
		w.rules.set(groupOf(every, "High: cpu > 90"))
		beats := &roundTripper{}
		beats.fail.Store(true)
		p := w.start(func(c *Config, d *Deps) {
			c.Heartbeat = HeartbeatConfig{URL: "https://watch.example/x", Interval: 10 * time.Second}
			d.HTTP = &http.Client{Transport: beats}
		})
		defer p.end()
		w.cpu("h1", 95)
		pass(time.Minute)
		w.expect("High h1 firing")
		if beats.n.Load() < 5 {
			t.Error("it was not tried again")
		}
	})
}
