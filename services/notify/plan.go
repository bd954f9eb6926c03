package notify

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// Plan is what is to be told now. It is to be committed together with the states that
// it is about.
type Plan struct {
	Groups    []alert.Group        // what is to be remembered; a nil document is deleted
	Notify    []alert.Notification // each with a message as its payload
	Events    []alert.Event        // that alerts were told
	EndedAcks []alert.Key          // acknowledgements that ended
	Next      time.Time            // when there is more to tell if nothing changes; zero: never
}

// Plan returns what is to be told at a time. Planning the same again from the same
// state gives the same; the planner itself goes on as if the plan had been committed,
// so that after a commit that failed it must be restored.
func (p *Planner) Plan(now time.Time) (Plan, error) {
	now = now.Truncate(time.Millisecond)
	ended, next := p.advance(now)
	b := &batch{now: now, events: map[alert.Key][]string{}, values: map[alert.Key]alert.Float{}, told: map[*group]bool{}}
	groups := p.ready(millis(now))
	works := map[*receiver][]*work{}
	state := make([]evaluated, len(groups))
	for i, g := range groups {
		state[i].works, state[i].next = p.evaluate(g, now)
		for j := range state[i].works {
			w := &state[i].works[j]
			if r := g.threads[w.thread].receiver; p.known(r.name) && (w.due != 0 || w.overFar > 0) {
				works[r] = append(works[r], w)
			}
		}
	}
	waits := map[*receiver]int64{}
	for _, name := range sortedKeys(p.receivers) {
		r := p.receivers[name]
		if len(works[r]) > 0 {
			waits[r] = p.deliver(b, r, works[r])
		}
		next = soonest(next, p.remind(b, r))
	}
	for i, g := range groups {
		p.settle(b, g, state[i], waits)
	}
	if err := p.write(b); err != nil {
		return Plan{}, err
	}
	if len(p.queue) > 0 {
		next = soonest(next, p.queue[0].next)
	}
	plan := Plan{Groups: b.groups, Notify: b.notify, Events: b.notified(), EndedAcks: ended}
	if next != 0 {
		plan.Next = time.UnixMilli(max(next, millis(now)+1))
	}
	return plan, b.err
}

// batch is a plan that is being made.
type batch struct {
	now     time.Time
	groups  []alert.Group
	notify  []alert.Notification
	events  map[alert.Key][]string
	values  map[alert.Key]alert.Float
	told    map[*group]bool // groups of which something was told
	changed []*group        // whose documents are to be written
	err     error
}

type evaluated struct {
	works []work
	next  int64
}

// ready returns the groups that are to be looked at, by key.
func (p *Planner) ready(now int64) []*group {
	groups := p.dirty
	p.dirty = nil
	for len(p.queue) > 0 && p.queue[0].next <= now {
		g := heap.Pop(&p.queue).(*group)
		if !g.dirty {
			g.dirty = true
			groups = append(groups, g)
		}
	}
	for _, g := range groups {
		g.dirty = false
	}
	slices.SortFunc(groups, func(a, b *group) int { return strings.Compare(a.key, b.key) })
	return groups
}

// settle schedules a group, and has its document written if it changed.
func (p *Planner) settle(b *batch, g *group, s evaluated, waits map[*receiver]int64) {
	if p.groups[g.key] != g {
		return
	}
	if b.told[g] {
		s.works, s.next = p.evaluate(g, b.now)
	}
	now, next := millis(b.now), s.next
	for i := range s.works {
		w := &s.works[i]
		wait := waits[g.threads[w.thread].receiver]
		if !p.known(g.threads[w.thread].receiver.name) {
			continue
		}
		if w.due > now {
			next = soonest(next, w.due)
		}
		if w.due != 0 && w.due <= now || w.overFar > 0 {
			// It waits for its receiver, and counts whenever that is looked at.
			next = soonest(next, max(wait, now+1))
			p.touchGroup(g)
		}
	}
	if next != 0 {
		next = max(next, now+1)
	}
	if len(g.members) == 0 {
		until := p.keepUntil(g, now)
		if until <= now {
			b.forget(g)
			p.removeGroup(g)
			return
		}
		next = soonest(next, until)
	}
	p.schedule(g, next)
	if g.changed {
		b.changed = append(b.changed, g)
	}
}

// keepUntil is how long a group without members is remembered.
func (p *Planner) keepUntil(g *group, now int64) int64 {
	var last int64
	for _, t := range g.threads {
		last = max(last, min(t.last, now))
	}
	if last == 0 {
		return 0
	}
	return last + keepGroup.Milliseconds()
}

// forget has the document of a group deleted.
func (b *batch) forget(g *group) {
	if g.stored {
		b.groups = append(b.groups, alert.Group{Key: g.key})
	}
}

// write adds the documents that changed, in the order of their keys.
func (p *Planner) write(b *batch) error {
	for _, g := range b.changed {
		g.changed = false
		if g.empty() {
			b.forget(g)
			g.stored = false
			continue
		}
		doc, err := g.document()
		if err != nil {
			return err
		}
		g.stored = true
		b.groups = append(b.groups, alert.Group{Key: g.key, Doc: doc})
	}
	for name, r := range p.receivers {
		if !r.changed {
			continue
		}
		r.changed = false
		doc, err := r.document()
		if err != nil {
			return err
		}
		b.groups = append(b.groups, alert.Group{Key: receiverKey(name), Doc: doc})
	}
	slices.SortFunc(b.groups, func(a, b alert.Group) int { return cmp.Compare(a.Key, b.Key) })
	return nil
}

// notified returns one event for each alert that anybody was told of.
func (b *batch) notified() []alert.Event {
	events := make([]alert.Event, 0, len(b.events))
	for key, what := range b.events {
		slices.Sort(what)
		events = append(events, alert.Event{
			Key: key, Time: millis(b.now), Kind: alert.EventNotified,
			Message: strings.Join(slices.Compact(what), "; "), Value: b.values[key],
		})
	}
	slices.SortFunc(events, func(a, b alert.Event) int { return cmp.Compare(a.Key, b.Key) })
	return events
}
