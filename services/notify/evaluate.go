package notify

import (
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// class is what there is to tell a receiver about an alert.
type class uint8

const (
	nothing  class = iota
	standing       // it was told that it fires, and it does
	repeats        // so, and that may be repeated
	fresh          // it fires, and that was not told
	step           // so, by a later step of an escalation
	over           // it ended, and that was not told
	overFar        // so, and digests told that it fires
)

// targets are who a group's escalation tells now.
type targets struct {
	base   int       // index of the thread that is told at once; -1: none
	repeat int64     // of the escalation
	steps  [][]int64 // by thread: the times at which it is told, in order
}

// targets looks up who a route tells, and makes threads for them.
func (p *Planner) targets(g *group, now time.Time) targets {
	t := targets{base: -1}
	if g.route == nil {
		return t
	}
	if name := g.route.Receiver; name != "" && p.known(name) {
		t.base = g.thread(p.receiver(name))
	}
	e := p.cfg.Escalations[g.route.Escalation]
	if e == nil {
		return t
	}
	t.repeat = e.Repeat.Milliseconds()
	for _, s := range e.Steps {
		for _, name := range p.names(s.To, now) {
			i := g.thread(p.receiver(name))
			for len(t.steps) <= i {
				t.steps = append(t.steps, nil)
			}
			after := s.After.Milliseconds()
			if n := len(t.steps[i]); n == 0 || t.steps[i][n-1] < after {
				t.steps[i] = append(t.steps[i], after)
			}
		}
	}
	return t
}

// due returns the newest step for a thread that is not later than elapsed; -1: none.
func (t *targets) due(thread int, elapsed int64) int64 {
	if thread >= len(t.steps) {
		return -1
	}
	due := int64(-1)
	for _, after := range t.steps[thread] {
		at := after
		if t.repeat > 0 && elapsed > after {
			at += (elapsed - after) / t.repeat * t.repeat
		}
		if at <= elapsed {
			due = max(due, at)
		}
	}
	return due
}

// after returns the next step for a thread later than elapsed; -1: none.
func (t *targets) after(thread int, elapsed int64) int64 {
	if thread >= len(t.steps) {
		return -1
	}
	next := int64(-1)
	for _, after := range t.steps[thread] {
		at := after
		if at <= elapsed {
			if t.repeat == 0 {
				continue
			}
			at += ((elapsed-after)/t.repeat + 1) * t.repeat
		}
		if next < 0 || at < next {
			next = at
		}
	}
	return next
}

func (t *targets) has(thread int) bool {
	return thread == t.base || thread < len(t.steps) && len(t.steps[thread]) > 0
}

// view is what matters about a member, the same for all threads.
type view struct {
	firing, hidden, acked bool
	fired                 int64
}

func (p *Planner) view(m *member, now int64) view {
	t := m.alert
	v := view{firing: t.firing(), fired: t.alert.Fired}
	if v.firing {
		v.hidden = !m.routed || t.silenced() || t.inhibited()
		v.acked = p.ack(t, now) != nil
	}
	return v
}

// classify says what there is to tell the thread about the member, and when more will
// be by itself; 0: never.
func (m *member) classify(thread int, v view, t *targets, now int64) (what class, next int64) {
	tl := m.toldTo(thread)
	if !v.firing {
		switch {
		case tl.fired == 0:
			return nothing, 0
		case tl.digest:
			return overFar, 0
		}
		return over, 0
	}
	same := tl.fired != 0 && (v.fired <= tl.fired || m.alert.flapping && tl.flap)
	kept := nothing
	if tl.fired != 0 {
		kept = standing
	}
	if v.hidden || v.acked || !t.has(thread) {
		return kept, 0
	}
	if !same && thread == t.base {
		return fresh, 0
	}
	what, next = m.escalate(thread, tl, same, t, now)
	switch {
	case what != nothing:
		return what, next
	case same && m.alert.alert.Hold == nil && !m.alert.flapping:
		return repeats, next
	}
	return kept, next
}

// escalate says whether a step of the escalation tells the thread of the alert.
func (m *member) escalate(thread int, tl told, same bool, t *targets, now int64) (what class, next int64) {
	if thread >= len(t.steps) || m.sinceFired == 0 {
		return nothing, 0
	}
	since := min(m.since, now)
	elapsed := now - since
	if after := t.after(thread, elapsed); after >= 0 {
		next = since + after
	}
	due := t.due(thread, elapsed)
	switch {
	case due < 0 || same && due <= tl.step:
		return nothing, next
	case due == 0:
		return fresh, next
	}
	return step, next
}

// work is what there is to tell one receiver of a group.
type work struct {
	group     *group
	thread    int
	fresh     int // members of the class, steps included
	steps     int
	over      int
	overFar   int
	repeats   int
	standing  int   // all that it was told of and that fire, in its own thread
	rank      int   // of the worst that is fresh
	fired     int64 // when the first that is fresh fired
	due       int64 // when it may be told
	reminder  bool  // nothing is new
	escalates bool  // a later step only
}

// news tells whether there is anything for a message of the thread itself.
func (w *work) news() bool { return w.fresh+w.over > 0 }

// evaluate says what there is to tell about a group, by thread, and when there will be
// more by the steps of an escalation; 0: never. It also tidies the group.
func (p *Planner) evaluate(g *group, now time.Time) (works []work, next int64) {
	if g.route != nil && p.muted[g.route] != "" {
		return nil, 0
	}
	t := p.targets(g, now)
	works = make([]work, len(g.threads))
	for i := range works {
		works[i] = work{group: g, thread: i}
	}
	ms := millis(now)
	for i := len(g.members) - 1; i >= 0; i-- { // from the end: members are removed
		m := g.members[i]
		v := p.view(m, ms)
		if len(t.steps) > 0 && v.firing && !v.hidden {
			m.begin(v, ms)
		}
		for th := range works {
			what, at := m.classify(th, v, &t, ms)
			works[th].count(m, what)
			next = soonest(next, at)
		}
		p.tidy(m, v)
	}
	for i := range works {
		p.timing(&works[i], ms)
	}
	return works, next
}

// begin starts the clock of the escalation, once an episode.
func (m *member) begin(v view, now int64) {
	if m.sinceFired >= v.fired || m.alert.flapping && m.sinceFired != 0 {
		return
	}
	m.since, m.sinceFired = now, v.fired
	m.group.changed = true
}

func (w *work) count(m *member, what class) {
	switch what {
	case step, fresh:
		if what == step {
			w.steps++
		}
		w.fresh++
		w.rank = max(w.rank, m.alert.rank)
		w.fired = soonest(w.fired, max(m.alert.alert.Fired, 1))
	case over:
		w.over++
	case overFar:
		w.overFar++
	}
	if what == repeats && !m.told[w.thread].digest {
		w.repeats++
	}
	if tl := m.toldTo(w.thread); tl.fired != 0 && !tl.digest && what != over {
		w.standing++
	}
}

// tidy forgets what is told to receivers that are gone, and members that nothing is to
// be told of any more.
func (p *Planner) tidy(m *member, v view) {
	if v.firing {
		return
	}
	for th, tl := range m.told {
		if tl.fired != 0 && !p.known(m.group.threads[th].receiver.name) {
			m.setTold(th, told{})
		}
	}
	if m.since != 0 && !m.anyTold() {
		m.since, m.sinceFired = 0, 0
		m.group.changed = true
	}
	if !m.anyTold() && len(m.alert.fires) == 0 {
		m.group.remove(m)
		p.dropUnused(m.alert)
	}
}

// timing says when the work may be told; never, if there is none.
func (p *Planner) timing(w *work, now int64) {
	th := w.group.threads[w.thread]
	free := th.free(now, w.group.route)
	switch {
	case w.news():
		w.due = max(free, 1)
		if w.over == 0 && w.standing == 0 && w.steps == 0 && w.fired <= now {
			// A new group gathers. A time in the future is from another clock.
			w.due = max(w.due, w.fired+w.group.route.GroupWait.Milliseconds())
		}
		w.escalates = w.over == 0 && w.steps == w.fresh
	case w.repeats > 0 && th.last != 0:
		w.reminder = true
		w.due = max(free, min(th.last, now)+w.group.route.RepeatInterval.Milliseconds())
	}
}

// ack returns the acknowledgement that holds for an alert.
func (p *Planner) ack(t *tracked, now int64) *alert.Ack {
	if len(p.acks) == 0 {
		return nil // most of the time, and this is asked of every alert
	}
	a := p.acks[t.alert.Key]
	if a == nil || p.ackEnded(a, t, now) {
		return nil
	}
	return a
}

// ackEnded tells whether an acknowledgement is over: by its time, or because the
// episode for which it was made is.
func (p *Planner) ackEnded(a *alert.Ack, t *tracked, now int64) bool {
	switch {
	case a.Expires != 0 && a.Expires <= now:
		return true
	case a.Sticky:
		return false
	case t == nil || !t.firing():
		return true
	}
	return t.alert.Fired > a.Fired && !t.flapping
}
