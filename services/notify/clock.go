package notify

import (
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify/interval"
	"github.com/esolutions/esmon/services/notify/oncall"
)

// advance takes note of the time: silences, mute times, acknowledgements, who is on
// call, and what flaps. It returns when the next of these changes; 0: never.
func (p *Planner) advance(now time.Time) (ended []alert.Key, next int64) {
	next = p.silences.advance(now, p.touch)
	next = soonest(next, p.advanceMutes(now))
	next = soonest(next, p.advanceShifts(now))
	next = soonest(next, p.advanceFlaps(millis(now)))
	ended, at := p.advanceAcks(millis(now))
	return ended, soonest(next, at)
}

func (p *Planner) advanceAcks(now int64) (ended []alert.Key, next int64) {
	for key, a := range p.acks {
		if t := p.alerts[key]; p.ackEnded(a, t, now) {
			ended = append(ended, key)
			delete(p.acks, key)
			p.touchKey(key)
		} else {
			next = soonest(next, a.Expires)
		}
	}
	slices.Sort(ended)
	return ended, next
}

func (p *Planner) advanceFlaps(now int64) (next int64) {
	for t := range p.aging {
		if t.calm(now, &p.cfg.Limits) {
			t.docsChanged()
			p.inhibit.update(t)
			p.touch(t)
			delete(p.aging, t)
		} else if t.flapping {
			next = soonest(next, t.calmAt(now, &p.cfg.Limits))
		}
	}
	return next
}

// advanceMutes looks at time intervals once a minute: they change on whole minutes.
func (p *Planner) advanceMutes(now time.Time) (next int64) {
	minute := now.Unix() / 60
	if len(p.timed) == 0 {
		return 0
	}
	if minute != p.mutedAt {
		p.mutedAt = minute
		for _, r := range p.timed {
			why := p.cfg.mutedBy(r, now)
			if why == p.muted[r] {
				continue
			}
			p.muted[r] = why
			for _, g := range p.groups {
				if g.route == r {
					p.touchGroup(g)
				}
			}
		}
	}
	return (minute + 1) * 60_000
}

// mutedBy says which time interval keeps a route from telling; empty if none does.
func (c *Config) mutedBy(r *Route, now time.Time) string {
	in := func(name string) bool {
		return slices.ContainsFunc(c.Intervals[name], func(iv interval.Interval) bool { return iv.Contains(now) })
	}
	for _, name := range r.Mute {
		if in(name) {
			return name
		}
	}
	if len(r.Active) > 0 && !slices.ContainsFunc(r.Active, in) {
		return "outside of " + strings.Join(r.Active, ", ")
	}
	return ""
}

// timedRoutes returns the routes that time intervals mute.
func (r *Route) timedRoutes() []*Route {
	var all []*Route
	if len(r.Mute)+len(r.Active) > 0 {
		all = append(all, r)
	}
	for _, child := range r.Routes {
		all = append(all, child.timedRoutes()...)
	}
	return all
}

// advanceShifts looks up who is on call where a shift ended.
func (p *Planner) advanceShifts(now time.Time) (next int64) {
	for name, c := range p.cfg.Calendars {
		old := p.shifts[name]
		if now.Before(old.Start) || !now.Before(old.End) {
			s := c.At(now, p.overridesOf(name))
			p.shifts[name] = s
			if s.Person != old.Person {
				p.touchEscalations()
			}
			old = s
		}
		next = soonest(next, millis(old.End))
	}
	return next
}

func (p *Planner) touchEscalations() {
	for _, g := range p.groups {
		if g.route != nil && g.route.Escalation != "" {
			p.touchGroup(g)
		}
	}
}

func (p *Planner) overridesOf(calendar string) []alert.Override {
	var out []alert.Override
	for _, o := range p.overrides {
		if o.Calendar == calendar {
			out = append(out, o)
		}
	}
	return out
}

// resolve returns the receivers that a name in a step stands for.
func (p *Planner) resolve(name string, now time.Time) []string {
	if person, ok := strings.CutPrefix(name, personPrefix); ok {
		return p.cfg.People[person]
	}
	if calendar, ok := strings.CutPrefix(name, onCallPrefix); ok {
		s, _ := p.OnCall(calendar, now)
		return p.cfg.People[s.Person]
	}
	return []string{name}
}

// OnCall returns who is on call by a calendar; false if there is no such calendar. The
// person is empty if nobody is.
func (p *Planner) OnCall(calendar string, at time.Time) (oncall.Shift, bool) {
	c := p.cfg.Calendars[calendar]
	if c == nil {
		return oncall.Shift{}, false
	}
	if s := p.shifts[calendar]; !at.Before(s.Start) && at.Before(s.End) {
		return s, true
	}
	return c.At(at, p.overridesOf(calendar)), true
}

// Shifts returns who is on call by a calendar from one time to another, without gaps:
// where nobody is, the person is empty.
func (p *Planner) Shifts(calendar string, from, to time.Time) []oncall.Shift {
	c := p.cfg.Calendars[calendar]
	if c == nil {
		return nil
	}
	return c.Shifts(from, to, p.overridesOf(calendar))
}
