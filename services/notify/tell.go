package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/esolutions/esmon/services/alert"
)

// maxKeys is how many keys of alerts a notification has.
const maxKeys = 100

// listed is an alert in a message.
type listed struct {
	alert *tracked
	fresh bool // what is told of it was not told before
}

// content is what a message is about.
type content struct {
	firing, ended []listed
	flapping      []listed // of those that fire
}

func (c *content) add(to *[]listed, t *tracked, fresh bool) {
	*to = append(*to, listed{t, fresh})
	if fresh && t.flapping {
		c.flapping = append(c.flapping, listed{t, fresh})
	}
}

// sort puts the worst first, as many as are ever shown.
func (c *content) sort() {
	for _, list := range [][]listed{c.firing, c.ended, c.flapping} {
		worstFirst(list, maxKeys)
	}
}

func worseListed(a, b listed) int { return worse(a.alert, b.alert) }

// worstFirst puts the first n in order at the beginning; those behind are in any order.
func worstFirst(list []listed, n int) {
	if len(list) <= 4*n {
		slices.SortFunc(list, worseListed)
		return
	}
	slices.SortFunc(list[:n], worseListed)
	for i := n; i < len(list); i++ {
		if worseListed(list[i], list[n-1]) >= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(list[:n], list[i], worseListed)
		out, in := list[n-1], list[i]
		copy(list[at+1:n], list[at:n-1])
		list[at], list[i] = in, out
	}
}

func (b *batch) note(t *tracked, what, receiver string) {
	key := t.alert.Key
	b.events[key] = append(b.events[key], what+" "+receiver)
	b.values[key] = t.alert.Value
}

// tellGroup sends a receiver what there is to tell of a group.
func (p *Planner) tellGroup(b *batch, r *receiver, w *work) {
	g, now := w.group, millis(b.now)
	targets := p.targets(g, b.now)
	var c content
	for _, m := range slices.Clone(g.members) {
		v := p.view(m, now)
		what, _ := m.classify(w.thread, v, &targets, now)
		p.tellMember(b, &c, m, w, what, v, targets.due(w.thread, now-min(m.since, now)))
	}
	if g.seed == "" {
		g.sow(c.firing)
	}
	th := g.threads[w.thread]
	th.number++
	kind := alert.MessageNews
	switch {
	case w.reminder:
		kind = alert.MessageReminder
		th.last = now
	case w.escalates:
		kind = alert.MessageEscalation
		th.spoke(now)
	default:
		th.spoke(now)
	}
	g.changed, b.told[g] = true, true
	m := p.message(b.now, kind, &c)
	m.ID, m.Order = g.messageID(th), g.key
	m.GroupLabels = labelMap(g.labels)
	p.link(m, &c, g.labels, b.now)
	p.send(b, r, m, &c)
}

// tellMember notes what a message of the thread tells of a member.
func (p *Planner) tellMember(b *batch, c *content, m *member, w *work, what class, v view, due int64) {
	name := m.group.threads[w.thread].receiver.name
	before := m.toldTo(w.thread)
	switch what {
	case fresh, step:
		isNew := before.fired < v.fired
		c.add(&c.firing, m.alert, isNew)
		m.setTold(w.thread, told{fired: v.fired, step: max(due, 0), flap: m.alert.flapping})
		if what == step {
			b.note(m.alert, "escalated to", name)
		} else {
			b.note(m.alert, "firing:", name)
		}
	case standing, repeats:
		c.add(&c.firing, m.alert, false)
		if before.digest {
			before.digest = false // from now on it is in the thread
			m.setTold(w.thread, before)
		}
		if w.reminder && what == repeats {
			b.note(m.alert, "reminder:", name)
		}
	case over:
		c.add(&c.ended, m.alert, true)
		m.setTold(w.thread, told{})
		b.note(m.alert, "resolved:", name)
	}
}

// tellDigest sends a receiver one message in place of those of many groups. Without
// any work it is a reminder of what digests told before.
func (p *Planner) tellDigest(b *batch, r *receiver, groups, far []*work) {
	now := millis(b.now)
	var c content
	told := map[*tracked]bool{}
	for _, w := range groups {
		if w.fresh > 0 {
			p.digestFresh(b, &c, w, told)
		}
	}
	for _, w := range far {
		p.digestEnded(b, &c, w)
	}
	for ref := range r.digests {
		if t := ref.member.alert; !told[t] && t.firing() {
			told[t] = true
			c.add(&c.firing, t, false)
		}
	}
	if r.seed == "" {
		r.seed = strconv.FormatInt(now, 36)
	}
	r.number++
	if len(groups)+len(far) > 0 {
		r.spoke(now)
	} else {
		r.last = now
	}
	m := p.message(b.now, alert.MessageDigest, &c)
	m.ID, m.Order = r.digestID(), "digest/"+r.name
	m.Digest = digestLines(&c)
	p.link(m, &c, nil, b.now)
	p.send(b, r, m, &c)
}

func (p *Planner) digestFresh(b *batch, c *content, w *work, told map[*tracked]bool) {
	g, now := w.group, millis(b.now)
	targets := p.targets(g, b.now)
	b.told[g] = true
	for _, m := range g.members {
		v := p.view(m, now)
		what, _ := m.classify(w.thread, v, &targets, now)
		if what != fresh && what != step {
			continue
		}
		before := m.toldTo(w.thread)
		c.add(&c.firing, m.alert, before.fired < v.fired)
		told[m.alert] = true
		m.setTold(w.thread, toldInDigest(before, v, m, max(targets.due(w.thread, now-min(m.since, now)), 0)))
		b.note(m.alert, "firing, in a digest:", g.threads[w.thread].receiver.name)
	}
}

// toldInDigest keeps what the group's own thread told: its end is told there.
func toldInDigest(before told, v view, m *member, step int64) told {
	return told{
		fired: v.fired, step: step, flap: m.alert.flapping,
		digest: before.fired == 0 || before.digest,
	}
}

func (p *Planner) digestEnded(b *batch, c *content, w *work) {
	g, now := w.group, millis(b.now)
	b.told[g] = true
	for _, m := range g.members {
		if tl := m.toldTo(w.thread); tl.fired == 0 || !tl.digest || p.view(m, now).firing {
			continue
		}
		c.add(&c.ended, m.alert, true)
		m.setTold(w.thread, told{})
		b.note(m.alert, "resolved, in a digest:", g.threads[w.thread].receiver.name)
	}
}

// sow makes the group's part of ids from the first alert that is told in it: the
// episode was never told in it before.
func (g *group) sow(first []listed) {
	if len(first) == 0 {
		g.seed = g.key
		return
	}
	oldest := slices.MinFunc(first, func(a, b listed) int {
		return cmp.Or(
			cmp.Compare(a.alert.alert.Fired, b.alert.alert.Fired),
			cmp.Compare(a.alert.alert.Key, b.alert.alert.Key),
		)
	})
	g.seed = hash(strconv.FormatInt(oldest.alert.alert.Fired, 10), string(oldest.alert.alert.Key))
}

// send adds the notification.
func (p *Planner) send(b *batch, r *receiver, m *alert.Message, c *content) {
	m.Receiver = r.name
	r.note(millis(b.now))
	payload, err := json.Marshal(m)
	if err != nil {
		b.err = fmt.Errorf("write a message to %s: %w", r.name, err)
		return
	}
	b.notify = append(b.notify, alert.Notification{
		ID: m.ID, Receiver: r.name, Order: m.Order, Title: m.Title,
		Keys: c.keys(), Alerts: len(c.firing) + len(c.ended),
		Payload: payload, Created: millis(b.now),
	})
}

// keys returns the keys of the alerts, those that fire first.
func (c *content) keys() []alert.Key {
	n := min(len(c.firing)+len(c.ended), maxKeys)
	keys := make([]alert.Key, 0, n)
	for _, list := range [][]listed{c.firing, c.ended} {
		for _, l := range list[:min(len(list), n-len(keys))] {
			keys = append(keys, l.alert.alert.Key)
		}
	}
	return keys
}
