package dispatch

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxHeld is the longest time for which a receiver's wish to be left alone is heeded.
const maxHeld = time.Hour

// Reasons why messages are put back.
const (
	backBreaker = "breaker"   // the receiver failed again and again
	backAsked   = "throttled" // the receiver asked to be left alone
	backRate    = "rate"      // it takes no more in a time
	backBusy    = "busy"      // enough are on their way to it
	backOrder   = "order"     // an earlier one must be delivered first, or another process has it
	backTwice   = "duplicate" // this process is working at it
	backOutbox  = "outbox"    // the database failed
)

// gates are those of all receivers, by name.
type gates struct {
	cfg *Config

	mu       sync.Mutex // guards what follows
	all      map[string]*gate
	suspects int // messages on their way to receivers that failed last
}

// gate is what is known of one receiver.
type gate struct {
	limiter  *rate.Limiter // nil without a limit
	messages int           // what the limiter is made of
	per      time.Duration

	busy     int // messages on their way
	failures int // in a row
	pause    time.Duration
	open     time.Time // until when it is left alone because it failed
	held     time.Time // until when because it asked for it
	reason   string    // of the last failure
}

// pass lets one message through a gate. It is given back with one of its methods.
type pass struct {
	gs       *gates
	g        *gate
	suspect  bool
	reserved *rate.Reservation
}

// enter asks for a pass. Without one it says why, and when it may be worth asking again,
// if that is known.
func (gs *gates) enter(name string, t *Target, now time.Time) (p *pass, reason string, wait time.Duration) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.get(name, t)
	limit := gs.cfg.PerReceiver
	if g.failures > 0 {
		limit = 1 // which finds out whether it works again
	}
	switch {
	case now.Before(g.held):
		return nil, backAsked, g.held.Sub(now)
	case now.Before(g.open):
		return nil, backBreaker, g.open.Sub(now)
	case g.busy >= limit:
		return nil, backBusy, 0
	case g.failures > 0 && 2*(gs.suspects+1) > gs.cfg.Workers && gs.suspects > 0:
		return nil, backBusy, 0
	}
	p = &pass{gs: gs, g: g, suspect: g.failures > 0}
	if g.limiter != nil {
		p.reserved = g.limiter.ReserveN(now, 1)
		if wait := p.reserved.DelayFrom(now); wait > 0 {
			p.reserved.CancelAt(now)
			return nil, backRate, wait
		}
	}
	g.busy++
	if p.suspect {
		gs.suspects++
	}
	return p, "", 0
}

func (gs *gates) get(name string, t *Target) *gate {
	g := gs.all[name]
	if g == nil {
		g = &gate{}
		gs.all[name] = g
	}
	if g.messages != t.Messages || g.per != t.Per {
		g.messages, g.per, g.limiter = t.Messages, t.Per, limiter(t.Messages, t.Per)
	}
	return g
}

// limiter lets no more than so many through in any such time: half of them at once, the
// other half spread over the time.
func limiter(messages int, per time.Duration) *rate.Limiter {
	if messages <= 0 || per <= 0 {
		return nil
	}
	burst := max(messages/2, 1)
	return rate.NewLimiter(rate.Limit(float64(max(messages-burst, 1))/per.Seconds()), burst)
}

// unused gives the pass back without an attempt.
func (p *pass) unused(now time.Time) {
	p.give(func(*gate) {
		if p.reserved != nil {
			p.reserved.CancelAt(now)
		}
	})
}

// answered gives the pass back after the receiver took the message, or refused this one.
func (p *pass) answered() {
	p.give(func(g *gate) { g.failures, g.pause, g.reason, g.open = 0, 0, "", time.Time{} })
}

// asked gives the pass back after the receiver asked to be left alone for a time.
func (p *pass) asked(now time.Time, wait time.Duration, reason string) {
	p.give(func(g *gate) {
		g.reason = reason
		if until := now.Add(min(wait, maxHeld)); until.After(g.held) {
			g.held = until
		}
	})
}

// failed gives the pass back after the receiver gave no answer or a useless one.
func (p *pass) failed(now time.Time, reason string) {
	p.give(func(g *gate) {
		g.failures++
		g.reason = reason
		if g.failures < p.gs.cfg.BreakerFailures || now.Before(g.open) {
			return // those that were on their way when it opened change nothing
		}
		g.pause = min(max(2*g.pause, p.gs.cfg.BreakerPause), max(p.gs.cfg.MaxBackoff, p.gs.cfg.BreakerPause))
		g.open = now.Add(g.pause)
	})
}

func (p *pass) give(change func(*gate)) {
	p.gs.mu.Lock()
	defer p.gs.mu.Unlock()
	p.g.busy--
	if p.suspect {
		p.gs.suspects--
	}
	change(p.g)
}

// closed returns the receivers that are left alone.
func (gs *gates) closed(now time.Time) map[string]string {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	out := map[string]string{}
	for name, g := range gs.all {
		switch {
		case now.Before(g.held):
			out[name] = fmt.Sprintf("it asked to be left alone until %s: %s", g.held.UTC().Format(time.RFC3339), g.reason)
		case g.failures >= gs.cfg.BreakerFailures:
			out[name] = fmt.Sprintf("it failed %d times in a row and is tried again at %s: %s", g.failures, g.open.UTC().Format(time.RFC3339), g.reason)
		}
	}
	return out
}

// keep forgets the gates of receivers that are not there any more.
func (gs *gates) keep(there map[string]Target) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for name, g := range gs.all {
		if _, ok := there[name]; !ok && g.busy == 0 {
			delete(gs.all, name)
		}
	}
}
