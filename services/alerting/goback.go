package alerting

import "github.com/esolutions/esmon/services/alert"

// goBack has a group go on from now: the clock was ahead when it was evaluated last.
// What was evaluated on data that was there is not evaluated again. Alerts stay as they
// are; what was caught up and not told yet is done again.
func (l *leader) goBack(g *group, f *fleet, now int64) {
	l.a.log.Warn("the clock was ahead when a rule group was evaluated last; it goes on from now", "group", g.def.ID(), "evaluated", clock(g.done), "now", clock(now))
	var kept []alert.Alert
	var c changes
	c.init()
	for _, r := range g.def.Rules {
		for _, a := range l.book {
			if a.RuleID != r.ID {
				continue
			}
			if b := before(a, now); b.Evaluated != a.Evaluated {
				a = b
				c.alert(a)
			}
			kept = append(kept, a)
		}
	}
	g.eval.Restore(kept)
	g.setAhead(f)
	g.catchup, g.done = nil, now
	for who, stand := range g.late {
		if stand >= now {
			delete(g.late, who)
		}
	}
	for id, f := range g.failing {
		stand, ok := g.stored.failing[id]
		if !ok {
			stand = f.stand
		}
		*f = failure{stand: min(stand, now), since: min(f.since, now), tries: f.tries, message: f.message}
	}
	l.take(&c)
	l.movedGroup(g)
}

// ahead tells whether the data of most agents that are heard is of later than now: the
// clock is behind, and to go back by it would take the past for the present.
func (f *fleet) ahead(now int64) bool {
	ahead, all := 0, 0
	for _, s := range f.agents {
		if !f.heard(&s) {
			continue
		}
		all++
		if s.newest() > now+f.cfg.SilentAfter.Milliseconds() {
			ahead++
		}
	}
	return 2*ahead > all
}

// setAhead notes who was evaluated up to where the group is: on data that was there,
// whatever the clock said.
func (g *group) setAhead(f *fleet) {
	for id := range f.agents {
		if _, late := g.late[id]; !late {
			g.ahead[id] = max(g.ahead[id], g.done)
		}
	}
	if _, late := g.late[many]; !late {
		g.ahead[many] = max(g.ahead[many], g.done)
	}
}

// before returns the alert with no time after now, as far as the clock alone made it.
func before(a alert.Alert, now int64) alert.Alert {
	if a.Agent == many {
		a.Evaluated = min(a.Evaluated, max(now, a.Fired, a.Resolved))
		a.Active, a.Held = min(a.Active, now), min(a.Held, now)
	}
	return a
}
