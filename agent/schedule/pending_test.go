package schedule_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/schedule"
	"github.com/esolutions/esmon/agent/spool"
)

// promised is a sink that refuses readings from before what was said to be complete.
type promised struct {
	t    *testing.T
	mu   sync.Mutex
	said time.Time
	late map[string]int
}

func (p *promised) Put(c spool.Collection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range c.Readings {
		if r.Time < p.said.UnixMilli() {
			p.late[c.Probe]++
		}
	}
}

// ask notes what the schedule says now.
func (p *promised) ask(s *schedule.Schedule) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := s.Pending(); at.After(p.said) {
		p.said = at
	}
	return p.said
}

func random(max time.Duration) func(context.Context, *probe.Emitter) error {
	return func(ctx context.Context, e *probe.Emitter) error {
		at := time.Now()
		select {
		case <-time.After(rand.N(max)):
		case <-ctx.Done():
		}
		e.Emit(schema, nil, at, 1)
		return nil
	}
}

func TestPendingIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		out := &promised{t: t, late: map[string]int{}}
		cfg := schedule.DefaultConfig()
		cfg.Agent = "a"
		s, err := schedule.New(cfg, []probe.Probe{
			&fake{name: "quick", interval: 10 * time.Second},
			&fake{name: "slow", interval: 15 * time.Second, collect: random(12 * time.Second)},
			&fake{name: "seldom", interval: 10 * time.Minute},
			&fake{name: "stuck", interval: 20 * time.Second, collect: func(_ context.Context, e *probe.Emitter) error {
				at := time.Now()
				<-hang
				e.Emit(schema, nil, at, 1)
				return nil
			}},
		}, out, time.Now, discard())
		if err != nil {
			t.Fatal(err)
		}
		if at := s.Pending(); !at.IsZero() {
			t.Errorf("before the first run %s is pending", at)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		for range 20_000 {
			time.Sleep(61 * time.Millisecond)
			out.ask(s)
		}
		behind := time.Since(out.ask(s))
		if behind > 15*time.Second {
			t.Errorf("what is pending is %s old: a probe that hangs must not hold it back", behind)
		}
		close(hang)
		time.Sleep(time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if out.late["stuck"] == 0 {
			t.Error("the probe that hung brought nothing late: nothing was tested")
		}
		delete(out.late, "stuck")
		if len(out.late) > 0 {
			t.Errorf("readings of before what was said to be complete: %v", out.late)
		}
	})
}
