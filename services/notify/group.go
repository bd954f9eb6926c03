package notify

import (
	"container/heap"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// keepGroup is how long a group is remembered after its last message when nothing of
// it fires: its threads go on where they were.
const keepGroup = time.Hour

// quiet is how long a thread must be without news for its interval to start again.
const quiet = 10 * time.Minute

// growth is how the interval between messages grows while there is news. It is short
// twice: when many hosts fail within seconds, those that are found last are named soon.
var growth = [...]time.Duration{
	defaultGroupInterval, 5 * time.Second, 10 * time.Second, 20 * time.Second,
	40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute,
}

// group is the alerts that are told together.
type group struct {
	key     string
	route   *Route // nil: no route leads to it any more
	labels  metric.Labels
	seed    string // in the ids of its messages; empty before the first
	threads []*thread
	members []*member
	changed bool // its document has
	stored  bool // it has a document
	dirty   bool
	next    int64 // when it is to be looked at; 0: when something changes
	index   int   // in the queue; -1: not there
}

// thread is the messages of a group to one receiver.
type thread struct {
	receiver *receiver
	number   int64 // of the last message
	pace
}

// pace is how often a thread speaks.
type pace struct {
	last  int64 // when it spoke last
	news  int64 // when it told news last
	level int   // of growth, since then
}

// spoke notes a message with news.
func (c *pace) spoke(now int64) {
	if c.news > 0 && c.news <= now && now-c.news <= quiet.Milliseconds() {
		c.level = min(c.level+1, len(growth)-1)
	} else {
		c.level = 0
	}
	c.last, c.news = now, now
}

// free returns when it may speak again. A time in the future is from a clock that was
// set back, and does not count.
func (c *pace) free(now int64, route *Route) int64 {
	if c.last == 0 || c.last > now {
		return 0
	}
	if route != nil && !route.Grow {
		return c.last + route.GroupInterval.Milliseconds()
	}
	return c.last + growth[c.level].Milliseconds()
}

// member is an alert in a group.
type member struct {
	group  *group
	alert  *tracked
	index  int  // in the group
	routed bool // a route leads it there
	// since is when its escalation began, for the episode that began at sinceFired.
	since, sinceFired int64
	told              []told // by index of the thread; may be shorter
}

// told is what a receiver was told of an alert.
type told struct {
	fired  int64 // the episode that it was told of as firing; 0: none, or its end, too
	step   int64 // how far into the escalation that was, in milliseconds
	digest bool  // in digests only
	flap   bool  // that it flaps
}

func (m *member) toldTo(thread int) told {
	if thread < len(m.told) {
		return m.told[thread]
	}
	return told{}
}

// setTold notes what was told, and keeps the receiver's list of what its digests told.
func (m *member) setTold(thread int, what told) {
	for len(m.told) <= thread {
		m.told = append(m.told, told{})
	}
	before := m.told[thread]
	m.told[thread] = what
	m.group.changed = true
	was, is := before.fired != 0 && before.digest, what.fired != 0 && what.digest
	r, ref := m.group.threads[thread].receiver, toldRef{m, thread}
	switch {
	case is && !was:
		r.digests[ref] = struct{}{}
	case was && !is:
		delete(r.digests, ref)
	}
}

func (m *member) anyTold() bool {
	for _, t := range m.told {
		if t.fired != 0 {
			return true
		}
	}
	return false
}

// thread returns the index of the receiver's thread and makes it if need be.
func (g *group) thread(r *receiver) int {
	for i, t := range g.threads {
		if t.receiver == r {
			return i
		}
	}
	g.threads = append(g.threads, &thread{receiver: r})
	return len(g.threads) - 1
}

// member returns the alert's membership and makes it if need be.
func (g *group) member(t *tracked) *member {
	for _, m := range t.members {
		if m.group == g {
			return m
		}
	}
	m := &member{group: g, alert: t, index: len(g.members)}
	g.members = append(g.members, m)
	t.members = append(t.members, m)
	return m
}

// remove takes a member out.
func (g *group) remove(m *member) {
	last := g.members[len(g.members)-1]
	g.members[m.index], last.index = last, m.index
	g.members = g.members[:len(g.members)-1]
	for i, other := range m.alert.members {
		if other == m {
			m.alert.members = append(m.alert.members[:i], m.alert.members[i+1:]...)
			break
		}
	}
	m.alert.routed = false
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part)) // a hash never fails
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// groupKey names the group of a route that labels belong to.
func (r *Route) groupKey(labels metric.Labels) string {
	parts := make([]string, 0, 2+2*len(labels))
	parts = append(parts, "group", r.id)
	for _, l := range labels {
		parts = append(parts, l.Name, l.Value)
	}
	return hash(parts...)
}

// groupLabels returns the labels by which an alert is grouped.
func (r *Route) groupLabels(labels metric.Labels) metric.Labels {
	if r.GroupByAll {
		return labels
	}
	return labelsOf(labels, r.GroupBy)
}

// messageID is the same whenever the same message is planned again.
func (g *group) messageID(t *thread) string {
	return hash("message", g.key, t.receiver.name, g.seed, strconv.FormatInt(t.number, 10))
}

// match returns the routes that take the labels, as Alertmanager does: of a route's
// children those that match, and the route itself if none does.
func (r *Route) match(labels metric.Labels) []*Route {
	if !r.Matchers.Match(labels) {
		return nil
	}
	var all []*Route
	for _, child := range r.Routes {
		matched := child.match(labels)
		all = append(all, matched...)
		if len(matched) > 0 && !child.Continue {
			break
		}
	}
	if len(all) == 0 {
		all = append(all, r)
	}
	return all
}

// routeAlert puts an alert into its groups.
func (p *Planner) routeAlert(t *tracked) {
	t.routed = true
	for _, r := range p.cfg.Route.match(t.alert.Labels) {
		if r.silent() {
			continue
		}
		labels := r.groupLabels(t.alert.Labels)
		g := p.group(r.groupKey(labels))
		g.route, g.labels = r, labels
		g.member(t).routed = true
		p.touchGroup(g)
	}
}

func (p *Planner) group(key string) *group {
	g := p.groups[key]
	if g == nil {
		g = &group{key: key, index: -1}
		p.groups[key] = g
		p.touchGroup(g)
	}
	return g
}

// groupQueue has the groups by when they are to be looked at.
type groupQueue []*group

func (q groupQueue) Len() int           { return len(q) }
func (q groupQueue) Less(i, j int) bool { return q[i].next < q[j].next }
func (q groupQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *groupQueue) Push(x any) {
	g := x.(*group)
	g.index = len(*q)
	*q = append(*q, g)
}

// Pop implements heap.Interface.
func (q *groupQueue) Pop() any {
	old := *q
	g := old[len(old)-1]
	g.index = -1
	*q = old[:len(old)-1]
	return g
}

// schedule has the group looked at again at next; 0: only when something changes.
func (p *Planner) schedule(g *group, next int64) {
	g.next = next
	switch {
	case g.index >= 0 && next == 0:
		heap.Remove(&p.queue, g.index)
	case g.index >= 0:
		heap.Fix(&p.queue, g.index)
	case next != 0:
		heap.Push(&p.queue, g)
	}
}

// remove forgets a group without members.
func (p *Planner) removeGroup(g *group) {
	p.schedule(g, 0)
	delete(p.groups, g.key)
}

var _ heap.Interface = (*groupQueue)(nil)

func millis(t time.Time) int64 { return t.UnixMilli() }

// keyOf is the key for the receiver's document, which no group has.
func receiverKey(name string) string { return "receiver/" + name }
