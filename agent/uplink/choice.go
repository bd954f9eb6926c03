package uplink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/esolutions/esmon/agent/collectors"
)

// choice decides which collector is tried next and how long to wait before. It
// belongs to the goroutine of Run.
//
// A round tries every collector once, one right after the other. After it comes a
// wait that is random and grows with each round; only a stream that carried data
// for some time starts a round anew, so that collectors that take a stream and
// end it at once are not stormed.
type choice struct {
	u    *Uplink
	wait *backoff

	left     []collectors.Candidate    // of the round, not yet tried
	stay     *collectors.Candidate     // to be tried before them
	last     string                    // the collector that is to come after the others
	faults   []error                   // of the round
	lookups  []*collectors.LookupError // of the round
	tried    int                       // attempts of the round
	rounds   int                       // that failed since the last welcome
	refusals int                       // of the identity, since the last welcome
}

// burst is how many collectors are tried without a wait.
const burst = 8

// errNoCollector is returned where no address is configured or was learned.
var errNoCollector = errors.New("no address of a server is known; write servers into the configuration, or enrol the agent anew")

// next returns the collector to try. At the start of a round the addresses are
// looked up. The error says that there is none.
func (p *choice) next(ctx context.Context) (collectors.Candidate, error) {
	if p.stay != nil {
		c := *p.stay
		p.stay = nil
		return c, nil
	}
	if len(p.left) == 0 {
		if err := p.begin(ctx); err != nil {
			return collectors.Candidate{}, err
		}
	}
	c := p.left[0]
	p.left = p.left[1:]
	p.tried++
	return c, nil
}

// begin begins a round.
func (p *choice) begin(ctx context.Context) error {
	u := p.u
	list, lookups, err := u.lookUp(ctx)
	if err != nil {
		return err
	}
	u.roster.noteLookups(u.now(), lookups)
	p.left = u.roster.plan(u.now(), u.identity.Identity().AgentID, list, lookups, p.last)
	p.lookups, p.tried = lookups, 0
	if len(p.left) > 0 {
		return nil
	}
	return errors.Join(p.lookupErrors()...)
}

func (p *choice) lookupErrors() (out []error) {
	for _, l := range p.lookups {
		out = append(out, l)
	}
	return out
}

// lookUp returns the collectors there are now: as configured, else as given at
// enrolment.
func (u *Uplink) lookUp(ctx context.Context) ([]collectors.Candidate, []*collectors.LookupError, error) {
	servers := u.cfg.Servers
	if len(servers) == 0 {
		servers = u.identity.Identity().Servers
	}
	if len(servers) == 0 {
		return nil, nil, errNoCollector
	}
	addresses, err := collectors.ParseAddresses(servers)
	if err != nil {
		return nil, nil, fmt.Errorf("the servers' addresses: %w", err)
	}
	list, lookups := u.dialer.Candidates(ctx, addresses)
	return list, lookups, nil
}

// dialTimeout returns how long a collector may take to be connected to. It grows
// while none answers: lines may be slow, and collectors busy.
func (p *choice) dialTimeout() time.Duration { return p.u.cfg.DialTimeout << min(p.rounds, 2) }

// fresh ends the round; in the next one the collector comes after the others.
func (p *choice) fresh(c collectors.Candidate) {
	p.left, p.faults, p.last = nil, nil, c.String()
}

// after takes what became of the attempt and returns how long to wait before the
// next.
func (p *choice) after(ctx context.Context, c collectors.Candidate, o outcome) time.Duration {
	u := p.u
	if o.opened {
		p.rounds, p.refusals = 0, 0
	}
	if o.steady {
		p.faults = nil
	}
	verdict, refusal := judge(o.cause, o.err)
	switch verdict {
	case sameAgain:
		p.stay = &c
		return 0
	case goElsewhere:
		u.log.InfoContext(ctx, "the collector asks the agent to connect anew, to another if there is one", "server", c.String(), "message", o.err.Error())
		if o.steady {
			p.fresh(c)
			return 0
		}
		p.last = c.String()
		return p.more(ctx)
	case refusedForAll:
		return p.refused(ctx, c, o.err, refusal)
	case tooLarge:
		p.stay = &c
		u.state.failed(u.now(), o.err, nil)
		first := p.wait.attempt == 0
		if d := p.wait.next(); !first { // nothing was acknowledged since the last time
			return d
		}
		return 0
	case noBetterElsewhere:
		if _, own := errors.AsType[*ownError](o.cause); !own {
			u.roster.refused(u.now(), c, o.err)
		}
		u.state.failed(u.now(), o.err, nil)
		p.fresh(c)
		d := p.wait.next()
		u.logFailure(ctx, c.String(), o.err, nil, d)
		return d
	}
	return p.failed(ctx, c, o)
}

// failed handles a failure that another collector may not have.
func (p *choice) failed(ctx context.Context, c collectors.Candidate, o outcome) time.Duration {
	u := p.u
	var least time.Duration
	f := &failure{server: c.String(), err: o.err, lasting: lasting(o)}
	if f.lasting {
		least = u.cfg.RefusedRetry
	}
	if e, ok := errors.AsType[*collectors.ProxyError](o.cause); ok && e.Down {
		u.roster.refused(u.now(), c, o.err)
		p.left = slices.DeleteFunc(p.left, func(l collectors.Candidate) bool {
			return l.Proxy != nil && c.Proxy != nil && l.Proxy.String() == c.Proxy.String()
		})
	} else {
		u.roster.failed(u.now(), c, o.err, least)
	}
	u.state.failed(u.now(), o.err, nil)
	p.faults = append(p.faults, f)
	if o.steady {
		p.fresh(c)
		// At random: all agents of a collector that died come at this moment.
		d := time.Duration(p.wait.random(int64(u.cfg.BackoffBase) + 1))
		u.logFailure(ctx, c.String(), o.err, nil, d)
		return d
	}
	return p.more(ctx)
}

// more returns the wait before the next attempt of the round, or, if it is over,
// before the next round.
func (p *choice) more(ctx context.Context) time.Duration {
	u := p.u
	if len(p.left) > 0 {
		if p.tried%burst == 0 {
			return time.Duration(p.wait.random(int64(u.cfg.BackoffBase) + 1))
		}
		return 0
	}
	faults := append(p.faults, p.lookupErrors()...)
	p.faults = nil
	p.rounds++
	d := p.wait.next()
	if len(faults) > 0 {
		if allLasting(faults) {
			d = u.refusedWait()
		}
		u.logRound(ctx, faults, d)
	}
	return d
}

// refusedWait is the wait after a refusal that trying again does not change.
func (u *Uplink) refusedWait() time.Duration {
	return u.cfg.RefusedRetry/2 + time.Duration(u.random(int64(u.cfg.RefusedRetry)))
}

// refused handles a refusal of the identity. All collectors of a platform know
// the same, so they are not asked in a row: one other is heard soon, as the first
// may be wrong (its clock, say), the rest in the pace of RefusedRetry.
func (p *choice) refused(ctx context.Context, c collectors.Candidate, err error, refusal *forGood) time.Duration {
	u := p.u
	d := u.refusedWait()
	if p.refusals == 0 && u.roster.len() > 1 {
		d = min(d, time.Duration(u.random(int64(u.cfg.BackoffMax)+1)))
	}
	p.refusals++
	p.fresh(c)
	u.roster.refused(u.now(), c, err)
	u.state.failed(u.now(), err, refusal)
	u.logFailure(ctx, c.String(), err, refusal, d)
	return d
}

// none handles that there is no collector to try.
func (p *choice) none(ctx context.Context, err error) time.Duration {
	d := p.wait.next()
	p.u.state.failed(p.u.now(), err, nil)
	p.u.logRound(ctx, []error{err}, d)
	return d
}
