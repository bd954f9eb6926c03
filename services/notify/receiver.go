package notify

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// calmGroups is how few groups with news end a storm.
const calmGroups = 3

// receiver is what a receiver was sent, over all groups.
type receiver struct {
	name    string
	seed    string // in the ids of its digests; empty before the first
	number  int64  // of the last digest
	sent    []int64
	storm   bool // digests take the place of single messages
	digests map[toldRef]struct{}
	changed bool
	pace    // of its digests
}

// toldRef is an alert that digests told as firing.
type toldRef struct {
	member *member
	thread int
}

func (p *Planner) receiver(name string) *receiver {
	r := p.receivers[name]
	if r == nil {
		r = &receiver{name: name, digests: map[toldRef]struct{}{}}
		p.receivers[name] = r
	}
	return r
}

// prune forgets messages that do not count any more. Those in the future are from a
// clock that was set back.
func (r *receiver) prune(now int64, window time.Duration) {
	from := now - window.Milliseconds()
	r.sent = slices.DeleteFunc(r.sent, func(t int64) bool { return t <= from || t > now })
}

func (r *receiver) note(now int64) {
	r.sent = append(r.sent, now)
	r.changed = true
}

// reserve is how many messages of a window are kept for digests.
func (l *Limits) reserve() int { return max(1, min(5, l.Messages/4)) }

// digestID is the same whenever the same digest is planned again.
func (r *receiver) digestID() string {
	return hash("digest", r.name, r.seed, strconv.FormatInt(r.number, 10))
}

// deliver decides what a receiver is sent of all that is due, and when there will be
// more; 0: never.
func (p *Planner) deliver(b *batch, r *receiver, works []*work) (next int64) {
	now := millis(b.now)
	due, far := due(works, now)
	if len(due)+len(far) == 0 {
		return 0
	}
	r.prune(now, p.cfg.Limits.Window)
	slices.SortFunc(due, urgent)
	budget := p.single() - len(r.sent)
	r.weather(due, budget, now)
	var rest []*work
	for _, w := range due {
		if budget <= 0 || r.storm && w.over == 0 {
			rest = append(rest, w)
			continue
		}
		budget--
		p.tellGroup(b, r, w)
	}
	rest, next = p.digest(b, r, rest, far)
	if len(rest) == 0 {
		return next
	}
	again := max(p.room(r, p.single(), now), now+1)
	if r.storm {
		again = max(again, r.free(now, nil))
	}
	return soonest(next, again)
}

// single is how many messages of a window are not digests.
func (p *Planner) single() int { return p.cfg.Limits.Messages - p.cfg.Limits.reserve() }

// weather begins a storm when there is more news than may be told, and ends it when
// there is little at the time of a digest, or none for long.
func (r *receiver) weather(due []*work, budget int, now int64) {
	switch {
	case countNews(due) > max(budget, 0):
		r.start()
	case now-r.last > quiet.Milliseconds() || r.last > now:
		r.stop()
	}
	if r.free(now, nil) <= now && countFresh(due) <= min(budget, calmGroups) {
		r.stop()
	}
}

// digest tells what a storm keeps from being told, and the end of what digests told. It
// returns what is still to be told, and when; 0: never.
func (p *Planner) digest(b *batch, r *receiver, rest, far []*work) (left []*work, next int64) {
	now := millis(b.now)
	if len(far) == 0 && (!r.storm || countFresh(rest) == 0) {
		return rest, 0
	}
	if at := r.free(now, nil); at > now || len(r.sent) >= p.cfg.Limits.Messages {
		return rest, max(at, p.room(r, p.cfg.Limits.Messages, now))
	}
	p.tellDigest(b, r, rest, far)
	return slices.DeleteFunc(rest, func(w *work) bool { return w.fresh > 0 && w.over == 0 }), 0
}

func (r *receiver) start() {
	if !r.storm {
		r.storm, r.changed = true, true
	}
}

func (r *receiver) stop() {
	if r.storm {
		r.storm, r.changed = false, true
	}
}

// urgent orders work: ends of what was told first, then the worst, then what fires
// longest, and reminders last.
func urgent(a, b *work) int {
	return cmp.Or(
		boolFirst(!a.reminder, !b.reminder),
		boolFirst(a.over > 0, b.over > 0),
		cmp.Compare(b.rank, a.rank),
		cmp.Compare(a.fired, b.fired),
		cmp.Compare(a.group.key, b.group.key),
	)
}

func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// due returns the work that is to be told now, and that with ends for a digest.
func due(works []*work, now int64) (due, far []*work) {
	for _, w := range works {
		if w.due != 0 && w.due <= now {
			due = append(due, w)
		}
		if w.overFar > 0 {
			far = append(far, w)
		}
	}
	return due, far
}

func countNews(works []*work) int {
	return count(works, func(w *work) bool { return !w.reminder })
}

func countFresh(works []*work) int {
	return count(works, func(w *work) bool { return w.fresh > 0 })
}

func count(works []*work, is func(*work) bool) int {
	n := 0
	for _, w := range works {
		if is(w) {
			n++
		}
	}
	return n
}

// room returns when there is room for another message if so many count.
func (p *Planner) room(r *receiver, limit int, now int64) int64 {
	if n := len(r.sent) - limit; n >= 0 && n < len(r.sent) {
		return r.sent[n] + p.cfg.Limits.Window.Milliseconds()
	}
	return now
}

// remind tells what digests told again, after the time that the root has for that.
func (p *Planner) remind(b *batch, r *receiver) (next int64) {
	now := millis(b.now)
	if len(r.digests) == 0 || r.last == 0 {
		return 0
	}
	open := false
	for ref := range r.digests {
		if p.repeatable(ref, b, now) {
			open = true
			break
		}
	}
	if !open {
		return 0
	}
	at := min(r.last, now) + p.cfg.Route.RepeatInterval.Milliseconds()
	r.prune(now, p.cfg.Limits.Window)
	if at > now {
		return at
	}
	if len(r.sent) >= p.cfg.Limits.Messages {
		return p.room(r, p.cfg.Limits.Messages, now)
	}
	p.tellDigest(b, r, nil, nil)
	return now + p.cfg.Route.RepeatInterval.Milliseconds()
}

func (p *Planner) repeatable(ref toldRef, b *batch, now int64) bool {
	m := ref.member
	if m.group.route == nil || p.muted[m.group.route] != "" {
		return false
	}
	v := p.view(m, now)
	t := p.targets(m.group, b.now)
	what, _ := m.classify(ref.thread, v, &t, now)
	return what == repeats
}

// names resolves who a step tells: receivers, people, and whoever is on call.
func (p *Planner) names(to []string, now time.Time) []string {
	var all []string
	for _, name := range to {
		for _, r := range p.resolve(name, now) {
			if p.known(r) && !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}
