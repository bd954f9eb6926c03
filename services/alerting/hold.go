package alerting

import (
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// hold marks the alerts that cannot be decided, with the reason, and takes the mark
// off those that can. Groups that are being evaluated have their turn later.
func (l *leader) hold(f *fleet) {
	away, tickErr := l.ticker.read(l.look.read)
	stuck := ""
	if away > stuckAfter {
		stuck = fmt.Sprintf("The ingest log has not been read to its end for %s; alerts wait until it is.", away.Round(time.Second))
		if tickErr != nil {
			stuck = fmt.Sprintf("The ingest log has not answered for %s; alerts wait until it does.", away.Round(time.Second))
		}
	}
	l.a.metrics.lag.Set(max(l.look.data().Sub(l.look.read).Seconds(), 0))
	for _, g := range l.order {
		if g.busy {
			continue
		}
		l.endMissing(g, f)
		l.takeResult(g.eval.Hold(l.now.UnixMilli(), g.holder(f, stuck, l.a.cfg.MinCoverage)))
	}
	l.a.publishHeld(l.book)
}

// holder returns what says why an alert of the group is held, nil for one that is not.
func (g *group) holder(f *fleet, stuck string, minCoverage float64) func(*alert.Alert) *alert.Hold {
	agents := map[string]*alert.Hold{}
	manyHold := g.manyHold(f, minCoverage)
	scopes := make(map[string]scope, len(g.rules))
	for i := range g.rules {
		scopes[g.rules[i].Rule.ID] = g.scopes[i]
	}
	why := func(a *alert.Alert) *alert.Hold {
		if fail := g.failing[a.RuleID]; fail != nil {
			return &alert.Hold{Reason: alert.EvaluationFailed, Message: "The rule cannot be evaluated since " + clock(fail.since) + ": " + fail.message}
		}
		switch {
		case scopes[a.RuleID] == overMany && manyHold != nil:
			return manyHold
		case scopes[a.RuleID] == perAgent && a.Agent != many:
			hold, known := agents[a.Agent]
			if !known {
				hold = g.agentHold(f, a.Agent, a.Hold)
				agents[a.Agent] = hold
			}
			if hold != nil {
				return hold
			}
		}
		if stuck != "" {
			return &alert.Hold{Reason: alert.EvaluationFailed, Message: stuck}
		}
		return nil
	}
	return func(a *alert.Alert) *alert.Hold {
		if g.inThePast(a) {
			return a.Hold // how it stands there is not told, and so neither is why
		}
		hold := why(a)
		if hold != nil && a.Hold != nil && a.Hold.Reason == hold.Reason {
			return a.Hold // what was said at first stands: it is not written again each second
		}
		return hold
	}
}

// inThePast tells whether the evaluation has the alert as it was some time ago: times
// are being made up for, and it is told how it stands when they are through.
func (g *group) inThePast(a *alert.Alert) bool {
	if g.catchup != nil && g.catchup.agents[a.Agent] {
		return true
	}
	f := g.failing[a.RuleID]
	return f != nil && !f.pending.empty()
}

// agentHold says why alerts on the agent's data are held. As long as it is too early
// to say it stays as it is.
func (g *group) agentHold(f *fleet, id string, was *alert.Hold) *alert.Hold {
	s := f.agents[id]
	name := s.HostName
	if name == "" {
		name = "agent " + id
	}
	switch f.condition(id) {
	case unknown:
		return was
	case silent:
		since := "longer than is known"
		if s.LastSeen > 0 {
			since = clock(s.LastSeen)
		}
		return &alert.Hold{Reason: alert.AgentSilent, Message: fmt.Sprintf("%s has sent nothing since %s. Look whether the host runs, whether esmon-agent runs on it, and whether it reaches its collector.", name, since)}
	case catchingUp:
		if s.CatchingUp {
			return &alert.Hold{Reason: alert.AgentCatchingUp, Message: fmt.Sprintf("%s sends what it kept while it could not send; its data is there up to %s.", name, clock(s.Complete))}
		}
		return &alert.Hold{Reason: alert.AgentCatchingUp, Message: fmt.Sprintf("The data of %s is there up to %s only. Look whether its clock is right and whether it keeps up with sending.", name, clock(s.Complete))}
	case live:
	}
	if stand, behind := g.late[id]; behind && was != nil && stand < g.done-g.interval {
		return was // until it is level
	}
	return nil
}

// manyHold says why alerts on many agents' data are held.
func (g *group) manyHold(f *fleet, minCoverage float64) *alert.Hold {
	stand, behind := g.late[many]
	if !behind || f.patient {
		return nil
	}
	share, have, of := f.coverage(stand + g.interval - g.offset)
	if share >= minCoverage {
		return nil
	}
	return &alert.Hold{Reason: alert.AgentSilent, Message: fmt.Sprintf("Data of only %d of %d hosts is there; alerts over many hosts wait for at least %.0f %% of them.", have, of, 100*minCoverage)}
}

// endMissing ends the alerts of agents that nobody has known for long: they were
// removed.
func (l *leader) endMissing(g *group, f *fleet) {
	limit := l.a.cfg.ForgetAgents.Milliseconds()
	for id, since := range g.missing {
		if _, known := f.agents[id]; known {
			delete(g.missing, id)
			continue
		}
		if f.read-since < limit {
			continue
		}
		l.takeResult(g.eval.End(l.now.UnixMilli(), func(a *alert.Alert) bool { return a.Agent != id }))
		delete(g.missing, id)
		delete(g.late, id)
		delete(g.without, id)
		l.movedGroup(g)
	}
	// Those that are only noted as late have no alerts, and nothing to make up for.
	for id := range g.late {
		if _, known := f.agents[id]; !known && id != many && g.missing[id] == 0 {
			g.miss(id, max(f.read, 1))
		}
	}
}
