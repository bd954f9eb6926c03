package notify

import (
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

// maxInhibitors is how many alerts that hide another are named.
const maxInhibitors = 10

// Status is what the planner knows about an alert.
type Status struct {
	SilencedBy  []string   // ids of silences
	InhibitedBy []string   // keys of alerts; 10 at most
	Flapping    bool       // its changes are not told one by one
	Receivers   []string   // those that it goes to now, and those that know that it fires
	Muted       string     // why its routes tell nothing now; empty if one of them does
	Ack         *alert.Ack // nil if it is not acknowledged
}

// Status returns what is known about an alert; nothing about one that is not known.
func (p *Planner) Status(key alert.Key, now time.Time) Status {
	t := p.alerts[key]
	if t == nil {
		return Status{}
	}
	s := Status{Flapping: t.flapping}
	for _, sl := range t.silences {
		if sl.activeAt(now) {
			s.SilencedBy = append(s.SilencedBy, sl.ID)
		}
	}
	slices.Sort(s.SilencedBy)
	for _, k := range t.inhibitors(maxInhibitors) {
		s.InhibitedBy = append(s.InhibitedBy, string(k))
	}
	slices.Sort(s.InhibitedBy)
	if a := p.ack(t, millis(now)); a != nil {
		copied := *a
		s.Ack = &copied
	}
	told := true
	for _, m := range p.TestRoute(t.alert.Labels, now) {
		s.Receivers = append(s.Receivers, m.Receivers...)
		if m.route == nil || m.muted == "" {
			told = false
		} else if s.Muted == "" {
			s.Muted = m.MutedBy
		}
	}
	if !told {
		s.Muted = ""
	}
	for _, m := range t.members {
		for th := range m.told {
			if m.told[th].fired != 0 {
				s.Receivers = append(s.Receivers, m.group.threads[th].receiver.name)
			}
		}
	}
	slices.Sort(s.Receivers)
	s.Receivers = slices.Compact(s.Receivers)
	return s
}

// Match is a route that takes an alert.
type Match struct {
	Path        string      // of the route
	Receivers   []string    // who is told at once
	Steps       []StepMatch // who is told later if nobody acknowledges
	GroupLabels metric.Labels
	MutedBy     string // why nothing would be told now; empty if it would

	route *Route
	muted string
}

// StepMatch is who is told when nobody acknowledged.
type StepMatch struct {
	After     time.Duration
	Receivers []string
}

// TestRoute says who would be told about an alert with the labels.
func (p *Planner) TestRoute(labels metric.Labels, now time.Time) []Match {
	var out []Match
	silenced := p.silencedBy(labels, now)
	for _, r := range p.cfg.Route.match(labels) {
		m := Match{Path: r.Path, GroupLabels: r.groupLabels(labels), route: r, muted: p.cfg.mutedBy(r, now)}
		if m.muted != "" {
			m.MutedBy = "time interval " + m.muted
		} else if silenced != "" {
			m.MutedBy = "silence " + silenced
		}
		if r.Receiver != "" {
			m.Receivers = append(m.Receivers, r.Receiver)
		}
		if e := p.cfg.Escalations[r.Escalation]; e != nil {
			for _, s := range e.Steps {
				m.step(s.After, p.names(s.To, now))
			}
		}
		out = append(out, m)
	}
	return out
}

func (m *Match) step(after time.Duration, names []string) {
	if after > 0 {
		m.Steps = append(m.Steps, StepMatch{after, names})
		return
	}
	for _, name := range names {
		if !slices.Contains(m.Receivers, name) {
			m.Receivers = append(m.Receivers, name)
		}
	}
}

// silencedBy returns the id of a silence that hides the labels; the first by id.
func (p *Planner) silencedBy(labels metric.Labels, now time.Time) string {
	for _, id := range sortedKeys(p.silences.byID) {
		if s := p.silences.byID[id]; s.activeAt(now) && s.Matchers.Match(labels) {
			return id
		}
	}
	return ""
}

// Matching returns the alerts that are pending or fire and match, the worst first, at
// most limit of them; how many there are; and how many fire that do not match. It is
// what a silence with the matchers would hide.
func (p *Planner) Matching(ms alert.Matchers, limit int) (hits []alert.Alert, total, others int) {
	var all []*tracked
	for _, t := range p.alerts {
		switch {
		case !t.known || t.alert.State != alert.Firing && t.alert.State != alert.Pending:
		case ms.Match(t.alert.Labels):
			all = append(all, t)
		case t.alert.State == alert.Firing:
			others++
		}
	}
	slices.SortFunc(all, worse)
	for _, t := range all[:max(0, min(limit, len(all)))] {
		hits = append(hits, t.alert)
	}
	return hits, len(all), others
}
