package alerting

import (
	"slices"
	"sort"

	"github.com/esolutions/esmon/services/alert"
)

// maxLateData is how much late data waits to be worked in at most. Beyond that what is
// of one agent becomes one span, and if that is not enough the oldest is left out.
const maxLateData = 50_000

// lateData is what came after it was decided and is not worked into the history of
// every group yet. It is stored until it is: who goes on from what is stored works in
// all of it, some of it again, which changes nothing.
type lateData struct {
	list   []alert.LateData // by Seq; appended to and cut off in front, else never changed: jobs read parts of it
	last   int64            // Seq that was given last
	stored int64            // up to there it is stored, or about to be
	gone   int64            // up to there it was worked in, or became other spans
}

func (d *lateData) restore(list []alert.LateData) {
	d.list = list
	if n := len(list); n > 0 {
		d.last = list[n-1].Seq
		d.stored = d.last
	}
}

// add adds a span for one group; for all if that is empty.
func (d *lateData) add(group string, s Span) {
	d.last++
	d.list = append(d.list, alert.LateData{Seq: d.last, Group: group, Agent: s.Agent, From: s.From, To: s.To})
}

// addFor adds a span for one group, in pieces. What of a piece the group has not worked
// in yet becomes one with it: after an outage hosts are level one after the other, and
// to correct by each of them would take as often as long.
func (d *lateData) addFor(g *group, s Span) {
	for s.From <= s.To {
		cell := s.From - s.From%g.piece
		part := Span{Agent: s.Agent, From: s.From, To: min(s.To, cell+g.piece-1)}
		s.From = part.To + 1
		d.addPart(g, part, cell)
	}
}

func (d *lateData) addPart(g *group, s Span, cell int64) {
	id := g.def.ID()
	for i, have := range d.list {
		if have.Seq > g.worked && have.Group == id && have.Agent == s.Agent && have.From >= cell && have.To < cell+g.piece {
			d.list = slices.Delete(slices.Clone(d.list), i, i+1) // it stays stored until those before it go
			s = s.with(Span{From: have.From, To: have.To})
			break
		}
	}
	d.add(id, s)
}

// after returns what follows a place. The caller must not change it.
func (d *lateData) after(seq int64) []alert.LateData {
	first := sort.Search(len(d.list), func(i int) bool { return d.list[i].Seq > seq })
	return slices.Clip(d.list[first:])
}

// drop forgets what all groups have worked in.
func (d *lateData) drop(upto int64) {
	first := sort.Search(len(d.list), func(i int) bool { return d.list[i].Seq > upto })
	if first > 0 {
		d.gone = d.list[first-1].Seq
		d.list = d.list[first:]
	}
}

// bound keeps the list bounded, and tells how much was left out for that.
func (d *lateData) bound(limit int) (left int) {
	if len(d.list) <= limit {
		return 0
	}
	type owner struct{ group, agent string }
	at := map[owner]int{}
	var all []alert.LateData
	for _, s := range d.list {
		i, known := at[owner{s.Group, s.Agent}]
		if !known {
			at[owner{s.Group, s.Agent}] = len(all)
			all = append(all, s)
			continue
		}
		all[i].From, all[i].To = min(all[i].From, s.From), max(all[i].To, s.To)
	}
	left = max(0, len(all)-limit/2)
	d.gone, d.list = d.last, nil
	for _, s := range all[left:] {
		d.add(s.Group, Span{Agent: s.Agent, From: s.From, To: s.To})
	}
	return left
}

// fill puts what changed since the last commit into the next one.
func (d *lateData) fill(c *alert.Commit) {
	c.WorkedIn, c.LateData = min(d.gone, d.stored), d.after(d.stored)
	d.gone, d.stored = 0, d.last
}

// noteBackfilled notes which data came late.
func (l *leader) noteBackfilled() {
	b, ok := l.a.deps.Data.(Backfiller)
	if !ok {
		return
	}
	spans := joined(b.Backfilled())
	l.a.unstored = append(l.a.unstored, spans...)
	l.addLate(spans)
}

// addLate adds late data that is for all groups.
func (l *leader) addLate(spans []Span) {
	if len(spans) == 0 {
		return
	}
	for _, s := range spans {
		l.late.add("", s)
	}
	l.touch()
	if left := l.late.bound(maxLateData); left > 0 {
		l.a.log.Warn("too much data came late at once; the history of alerts is not corrected for all of it", "agents", left)
	}
}

// joined returns spans of one agent that adjoin as one.
func joined(spans []Span) []Span {
	var all []Span
	at := map[string]int{} // by agent: its last one
	for _, s := range spans {
		if i, known := at[s.Agent]; known && all[i].near(s) {
			all[i] = all[i].with(s)
			continue
		}
		at[s.Agent] = len(all)
		all = append(all, s)
	}
	return all
}

// dropLateData forgets what all groups have worked in.
func (l *leader) dropLateData() {
	if len(l.late.list) == 0 {
		return
	}
	upto := l.late.last
	for _, g := range l.order {
		upto = min(upto, g.worked)
	}
	l.late.drop(upto)
}
