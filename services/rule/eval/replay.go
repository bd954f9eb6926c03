package eval

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/rule"
)

// Replay evaluates an alerting rule anew at all times from one to the other, over
// the data as it is now. It returns as they should have been the episodes that overlap
// these times or did so as far as is known, and the alerts that are pending at the end.
// known are the episodes that are stored for the rule; those that had begun before are
// gone on with; one that is over before it has a value again keeps the last value that
// is stored. env says what is replayed: what is not decided is left out, and known
// should then have no more. Nothing in the group is changed.
func (g *Group) Replay(ctx context.Context, i int, from, to int64, known []alert.Episode, env Env) (Result, error) {
	r := g.group.Rules[i]
	if r.Alert == "" {
		return Result{}, fmt.Errorf("replay rule %s: it records and has no alerts", r.Name())
	}
	m, err := newMachine(r, g)
	if err != nil {
		return Result{}, fmt.Errorf("replay rule %s: %w", r.Name(), err)
	}
	m.apart = g.machines[i].apart
	first, err := g.seed(ctx, m, from, known, env)
	if err != nil {
		return Result{}, fmt.Errorf("replay rule %s: %w", r.Name(), err)
	}
	var all Result
	for t := first; t <= to; {
		out := newOutcome()
		out.late, out.last = true, to+1
		err := g.evalAlerting(ctx, m, g.times(t, to), env, out)
		if ctx.Err() != nil {
			return Result{}, fmt.Errorf("replay rule %s: %w", r.Name(), ctx.Err())
		}
		all.Add(out.result())
		failure, failed := err.(*RuleError) //nolint:errorlint // it is returned as it is
		if !failed {
			break
		}
		all.Errors = append(all.Errors, *failure)
		t = failure.T + g.interval // as when it was evaluated in time
	}
	all.Events, all.Alerts, all.Refreshed, all.Forget = nil, m.pending(), nil, nil
	all.Add(Result{Episodes: m.open()}) // they may have been so all the time
	all.Episodes = slices.DeleteFunc(all.Episodes, func(e alert.Episode) bool { return !overlaps(e, from, to) && !overlapped(known, e, from, to) })
	return all, nil
}

// Seed has a rule stand where it stood before a time, by the episodes that are known
// of it, and returns the time from which on it has to be evaluated: what is pending
// or only kept firing is known after a while. Alerts that it has are dropped.
func (g *Group) Seed(ctx context.Context, i int, from int64, known []alert.Episode, env Env) (first int64, err error) {
	if g.machines[i] == nil {
		g.recorder[i].forget()
		return g.align(from), nil
	}
	return g.seed(ctx, g.machines[i], from, known, env)
}

func (g *Group) seed(ctx context.Context, m *machine, from int64, known []alert.Episode, env Env) (first int64, err error) {
	first = g.align(from - (m.rule.For + m.rule.KeepFiringFor).Milliseconds())
	present, err := g.presentAt(ctx, m, first-g.interval, env)
	if err != nil {
		return 0, err
	}
	m.restore(m.openAt(known, first-g.interval, present))
	return first, nil
}

// align returns the first time of the group at or after t.
func (g *Group) align(t int64) int64 {
	if rest := t % g.interval; rest > 0 {
		return t + g.interval - rest
	} else if rest < 0 {
		return t - rest
	}
	return t
}

// times returns the times of the group from one to the other, both included.
func (g *Group) times(from, to int64) (times []int64) {
	for t := g.align(from); t <= to; t += g.interval {
		times = append(times, t)
	}
	return times
}

// open returns the episodes of the alerts that fire.
func (m *machine) open() (open []alert.Episode) {
	for _, s := range m.active {
		if s.alert.State == alert.Firing {
			open = append(open, s.alert.Episode())
		}
	}
	return open
}

// pending returns the alerts that are pending.
func (m *machine) pending() (all []alert.Alert) {
	for _, s := range m.active {
		if s.alert.State == alert.Pending {
			all = append(all, *s.alert)
		}
	}
	return all
}

// presentAt returns what there is data of at a time, for rules that ask.
func (g *Group) presentAt(ctx context.Context, m *machine, t int64, env Env) (map[string]float64, error) {
	if m.rule.NoData != rule.NoDataAlert {
		return nil, nil
	}
	at := &grid{querier: env.Querier, elements: &m.elements, expr: m.presence, interval: m.interval, offset: m.offset}
	return at.values(ctx, []int64{t})
}

// openAt returns alerts for the episodes that an evaluation at a time left pending or
// firing. present is what there was data of then, nil if it does not matter.
func (m *machine) openAt(episodes []alert.Episode, t int64, present map[string]float64) []*alert.Alert {
	var open []*alert.Alert
	for _, e := range episodes {
		if e.RuleID != m.rule.ID || e.Active > t || e.Resolved != 0 && e.Resolved <= t {
			continue
		}
		a := &alert.Alert{
			Key: e.Key, RuleID: e.RuleID, Labels: e.Labels, State: alert.Firing, Value: e.LastValue, Held: m.heldAt(e, t),
			Active: e.Active, Fired: e.Fired, FireValue: e.FireValue, Corrected: e.Corrected, Evaluated: t,
		}
		if _, there := present[m.matchOf(e.Labels)]; present != nil {
			a.NoData = !there
		}
		if e.Fired > t {
			a.State, a.Value, a.Fired, a.Held = alert.Pending, e.FireValue, 0, 0
		}
		open = append(open, a)
	}
	return open
}

// heldAt returns since when only keep_firing_for kept an episode firing at a time, 0
// if it did not: that follows from when it was over. Of one that went on for longer
// the condition held again, so it does not matter.
func (m *machine) heldAt(e alert.Episode, t int64) int64 {
	keep := m.rule.KeepFiringFor.Milliseconds()
	if keep == 0 || e.Resolved == 0 {
		return 0
	}
	since := e.Resolved - (keep+m.interval-1)/m.interval*m.interval
	if since > t {
		return 0
	}
	return since
}

// overlaps tells whether an episode is in a span, both ends included.
func overlaps(e alert.Episode, from, to int64) bool {
	return e.Fired <= to && (e.Resolved == 0 || e.Resolved >= from)
}

// overlapped tells whether the episode was in a span by those that are known. It may be
// over before the span now.
func overlapped(known []alert.Episode, e alert.Episode, from, to int64) bool {
	return slices.ContainsFunc(known, func(was alert.Episode) bool { return was.ID() == e.ID() && overlaps(was, from, to) })
}

// Diff compares the episodes that are stored with those that Replay returned for the
// same span and filter. It returns what has to be stored, marked as corrected, and
// which stored ones were never to be. Episodes that go on after the span are
// compared up to its end only, and end as the stored ones do.
func Diff(stored, computed []alert.Episode, from, to int64) (put []alert.Episode, unmade []alert.EpisodeID) {
	were, beyond := map[alert.EpisodeID]alert.Episode{}, map[alert.Key]alert.Episode{}
	for _, e := range stored {
		if !overlaps(e, from, to) {
			continue
		}
		were[e.ID()] = e
		if e.Resolved > to {
			beyond[e.Key] = e
		}
	}
	for _, e := range computed {
		if _, known := were[e.ID()]; !known && !overlaps(e, from, to) {
			continue
		}
		if last, ok := beyond[e.Key]; ok && e.Resolved == 0 {
			e.Resolved, e.LastValue = last.Resolved, last.LastValue
		}
		was, known := were[e.ID()]
		delete(were, e.ID())
		if known && sameEpisode(was, e) {
			continue
		}
		e.Corrected = true
		put = append(put, e)
	}
	for id := range were {
		unmade = append(unmade, id)
	}
	slices.SortFunc(put, compareEpisodes)
	slices.SortFunc(unmade, func(a, b alert.EpisodeID) int {
		return cmp.Or(cmp.Compare(a.Fired, b.Fired), cmp.Compare(a.Key, b.Key))
	})
	return put, unmade
}

// Differ returns the labels of the alerts that fire at a time by stored episodes or by
// those that Replay returned for a span that ends then, and not by both. Where there
// are any, the late data has consequences beyond the span.
func Differ(stored, computed []alert.Episode, to int64) (labels []metric.Labels) {
	were, are := firingAt(stored, to), firingAt(computed, to)
	for key, of := range were {
		if _, both := are[key]; !both {
			labels = append(labels, of)
		}
	}
	for key, of := range are {
		if _, both := were[key]; !both {
			labels = append(labels, of)
		}
	}
	return labels
}

func firingAt(episodes []alert.Episode, t int64) map[alert.Key]metric.Labels {
	firing := map[alert.Key]metric.Labels{}
	for i := range episodes {
		if e := &episodes[i]; e.Fired <= t && (e.Resolved == 0 || e.Resolved > t) {
			firing[e.Key] = e.Labels
		}
	}
	return firing
}

func sameEpisode(a, b alert.Episode) bool {
	return a.Active == b.Active && a.Resolved == b.Resolved &&
		sameValue(float64(a.FireValue), float64(b.FireValue)) &&
		(b.Resolved == 0 || sameValue(float64(a.LastValue), float64(b.LastValue)))
}
