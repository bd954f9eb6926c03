package oncall

import (
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

const day = 24 * time.Hour

// Limits, so that no question takes for ever.
const (
	maxSpan   = 400 * day // that Shifts looks at
	leastLook = 8 * day   // for the beginning and the end of a shift
	mostLook  = 100 * day
)

// At returns the shift at a time: who is on call, since when and until when. One that
// lasts longer than the longest turn is cut there. Overrides are those of the calendar.
func (c *Calendar) At(at time.Time, overrides []alert.Override) Shift {
	most := c.look()
	// Most shifts are short, so that it need not look far.
	for look := day; ; look = min(4*look, most) {
		from, to := at.Add(-look), at.Add(look)
		for _, s := range c.Shifts(from, to, overrides) {
			holds := !at.Before(s.Start) && at.Before(s.End)
			if holds && (look == most || s.Start.After(from) && s.End.Before(to)) {
				return s
			}
		}
		if look == most {
			return Shift{Start: at, End: at.Add(most)}
		}
	}
}

// look is how far away a shift may begin or end.
func (c *Calendar) look() time.Duration {
	look := leastLook
	for i := range c.Layers {
		look = max(look, time.Duration(c.Layers[i].Days+1)*day)
	}
	return min(look, mostLook)
}

// Shifts returns who is on call from one time to another, in order and without gaps:
// where nobody is, the person is empty. At most 400 days are looked at.
func (c *Calendar) Shifts(from, to time.Time, overrides []alert.Override) []Shift {
	if to.Sub(from) > maxSpan {
		to = from.Add(maxSpan)
	}
	var out []Shift
	edges := c.edges(from, to, overrides)
	for i, start := range edges {
		end := to
		if i+1 < len(edges) {
			end = edges[i+1]
		}
		person, over := c.who(start, overrides)
		if n := len(out); n > 0 && out[n-1].Person == person && out[n-1].Override == over {
			out[n-1].End = end
			continue
		}
		out = append(out, Shift{Person: person, Start: start, End: end, Override: over})
	}
	return out
}

// edges returns the times from from and before to at which somebody else may be on
// call, sorted; from is the first.
func (c *Calendar) edges(from, to time.Time, overrides []alert.Override) []time.Time {
	if !from.Before(to) {
		return nil
	}
	edges := []time.Time{from}
	add := func(t time.Time) {
		if t.After(from) && t.Before(to) {
			edges = append(edges, t)
		}
	}
	for _, o := range overrides {
		add(time.UnixMilli(o.Start))
		add(time.UnixMilli(o.End))
	}
	for i := range c.Layers {
		l := &c.Layers[i]
		for n := max(l.shift(from, c.Zone), 0); ; n++ {
			t := l.begins(n, c.Zone)
			if !t.Before(to) {
				break
			}
			add(t)
		}
		l.restrictionEdges(from, to, c.Zone, add)
	}
	slices.SortFunc(edges, time.Time.Compare)
	return slices.CompactFunc(edges, time.Time.Equal)
}

func (l *Layer) restrictionEdges(from, to time.Time, zone *time.Location, add func(time.Time)) {
	if len(l.Restrictions) == 0 {
		return
	}
	first := from.In(zone)
	today := Date{first.Year(), first.Month(), first.Day()}
	for n := -1; today.at(n, 0, zone).Before(to); n++ {
		for _, r := range l.Restrictions {
			add(today.at(n, r.From, zone))
			add(today.at(n, r.To, zone))
		}
		// Where the clocks go back, a time of day comes twice.
		addRepeated(today.at(n, 0, zone), today.at(n+1, 0, zone), add)
	}
}

// addRepeated adds every minute of a day on which the clocks go back: what a
// restriction allows may change at more than one of them.
func addRepeated(start, end time.Time, add func(time.Time)) {
	if end.Sub(start) <= 24*time.Hour {
		return
	}
	for t := start; t.Before(end); t = t.Add(time.Minute) {
		add(t)
	}
}
