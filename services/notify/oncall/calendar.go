// Package oncall says who is on call: calendars of rotations in layers, with
// restrictions to some times of the week, and overrides.
//
// Start reading at [Calendar]. All of it is pure; days and times of day are those of
// the calendar's time zone, also where its clocks are changed.
package oncall

import (
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// Calendar is who is on call when.
type Calendar struct {
	Zone   *time.Location
	Layers []Layer // a later one goes before those above it wherever it has somebody
}

// Layer is people who take turns.
type Layer struct {
	// Start is when the first shift begins: a day of the calendar's time zone, at the
	// handover. Before it nobody is on call.
	Start    Date
	Handover int      // minutes since midnight at which daily and weekly shifts change
	Rotation []string // people, in their order
	Days     int      // length of a shift in days; 0 for one in hours
	Hours    int      // length of a shift in hours, counted through changes of the clocks
	// Restrictions are the only times at which the layer has anybody; none: always.
	Restrictions []Restriction
}

// Restriction is a time of some days of the week.
type Restriction struct {
	Days     [7]bool // by time.Weekday: those on which it begins
	From, To int     // minutes since midnight, To excluded; To <= From goes on into the next day
}

// Date is a day.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// Shift is a time for which somebody is on call.
type Shift struct {
	Person     string // empty: nobody is
	Start, End time.Time
	Override   bool // an override put them there
}

// at returns the time of day on a day. Where the clocks skip it, it is when they do.
func (d Date) at(days, minute int, zone *time.Location) time.Time {
	return Instant(time.Date(d.Year, d.Month, d.Day+days, 0, minute, 0, 0, time.UTC), zone)
}

// Instant returns the first time at which clocks in the zone show what wall shows in
// UTC. Where the clocks skip it, it is the moment at which they do.
func Instant(wall time.Time, zone *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	if shown := Wall(t); !shown.Equal(wall) {
		return skipped(t, wall, zone)
	}
	// Of an hour that comes twice, time.Date may take either.
	for _, earlier := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		if e := t.Add(-earlier); Wall(e).Equal(wall) {
			return e
		}
	}
	return t
}

// Wall returns what clocks in the time's zone show, as a time in UTC.
func Wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// skipped finds the change of the clocks next to t: clocks showed less than wall just
// before, and more from then on.
func skipped(t, wall time.Time, zone *time.Location) time.Time {
	before, after := t.Add(-3*time.Hour).Unix(), t.Add(3*time.Hour).Unix()
	for after-before > 1 {
		middle := before + (after-before)/2
		if Wall(time.Unix(middle, 0).In(zone)).Before(wall) {
			before = middle
		} else {
			after = middle
		}
	}
	return time.Unix(after, 0).In(zone)
}

// person returns who of the layer is on call; empty if nobody is.
func (l *Layer) person(at time.Time, zone *time.Location) string {
	n := l.shift(at, zone)
	if n < 0 || len(l.Rotation) == 0 || !l.allowed(at.In(zone)) {
		return ""
	}
	return l.Rotation[n%len(l.Rotation)]
}

// shift returns the number of the shift, from 0; negative before the first.
func (l *Layer) shift(at time.Time, zone *time.Location) int {
	start := l.Start.at(0, l.Handover, zone)
	if at.Before(start) {
		return -1
	}
	if l.Days <= 0 {
		return int((at.Unix() - start.Unix()) / l.seconds())
	}
	// The division may be off by one around a change of the clocks.
	n := int((at.Unix()-start.Unix())/(24*3600)) / l.Days
	for l.Start.at((n+1)*l.Days, l.Handover, zone).Compare(at) <= 0 {
		n++
	}
	for n > 0 && l.Start.at(n*l.Days, l.Handover, zone).After(at) {
		n--
	}
	return n
}

// begins returns when a shift begins.
func (l *Layer) begins(n int, zone *time.Location) time.Time {
	if l.Days <= 0 {
		return time.Unix(l.Start.at(0, l.Handover, zone).Unix()+int64(n)*l.seconds(), 0)
	}
	return l.Start.at(n*l.Days, l.Handover, zone)
}

// seconds is the length of a shift in hours; they begin on whole seconds.
func (l *Layer) seconds() int64 { return int64(max(l.Hours, 1)) * 3600 }

func (l *Layer) allowed(local time.Time) bool {
	if len(l.Restrictions) == 0 {
		return true
	}
	minute, day := local.Hour()*60+local.Minute(), local.Weekday()
	for _, r := range l.Restrictions {
		if r.has(day, minute) {
			return true
		}
	}
	return false
}

func (r *Restriction) has(day time.Weekday, minute int) bool {
	if r.From < r.To {
		return r.Days[day] && minute >= r.From && minute < r.To
	}
	yesterday := (day + 6) % 7
	return r.Days[day] && minute >= r.From || r.Days[yesterday] && minute < r.To
}

// override returns the one that counts: of several the one that begins last.
func override(overrides []alert.Override, at int64) *alert.Override {
	var best *alert.Override
	for i := range overrides {
		o := &overrides[i]
		if at < o.Start || at >= o.End {
			continue
		}
		if best == nil || o.Start > best.Start || o.Start == best.Start && o.ID > best.ID {
			best = o
		}
	}
	return best
}

// who returns who is on call, and whether by an override. Overrides are those of the
// calendar.
func (c *Calendar) who(at time.Time, overrides []alert.Override) (string, bool) {
	if o := override(overrides, at.UnixMilli()); o != nil {
		return o.Person, true
	}
	for i := len(c.Layers) - 1; i >= 0; i-- {
		if p := c.Layers[i].person(at, c.Zone); p != "" {
			return p, false
		}
	}
	return "", false
}
