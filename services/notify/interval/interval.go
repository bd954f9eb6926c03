// Package interval has sets of times as Alertmanager's time intervals describe them:
// by time of day, weekday, day of the month, month and year in a time zone.
//
// Start reading at [Interval] and its method Contains.
package interval

import "time"

// DayMinutes is how many minutes a day has, and the end of the last of them.
const DayMinutes = 24 * 60

// Interval is a set of times. A part that is nil holds always; of a part with several
// ranges any may hold.
type Interval struct {
	Times       []Range // minutes since midnight, the end excluded
	Weekdays    []Range // 0 is Sunday
	DaysOfMonth []Range // from 1; negative ones count from the end of the month, -1 is its last
	Months      []Range // from 1
	Years       []Range
	Location    *time.Location // nil: UTC
}

// Range is from Begin to End, both included unless said otherwise.
type Range struct{ Begin, End int }

func (r Range) has(n int) bool { return n >= r.Begin && n <= r.End }

// Contains tells whether the time is in the interval.
func (iv *Interval) Contains(t time.Time) bool {
	if iv.Location != nil {
		t = t.In(iv.Location)
	} else {
		t = t.UTC()
	}
	return iv.hasTime(t) && iv.hasDay(t) &&
		anyHas(iv.Months, int(t.Month())) &&
		anyHas(iv.Weekdays, int(t.Weekday())) &&
		anyHas(iv.Years, t.Year())
}

func anyHas(rs []Range, n int) bool {
	for _, r := range rs {
		if r.has(n) {
			return true
		}
	}
	return rs == nil
}

func (iv *Interval) hasTime(t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	for _, r := range iv.Times {
		if minute >= r.Begin && minute < r.End {
			return true
		}
	}
	return iv.Times == nil
}

// hasDay clamps ranges to the month, as Alertmanager does: 29:31 is the 29th and the
// 30th in April, and nothing in a February of 28 days.
func (iv *Interval) hasDay(t time.Time) bool {
	last := daysInMonth(t)
	for _, r := range iv.DaysOfMonth {
		begin, end := fromEnd(r.Begin, last), fromEnd(r.End, last)
		if begin > last {
			continue
		}
		if day := t.Day(); day >= begin && day <= min(end, last) {
			return true
		}
	}
	return iv.DaysOfMonth == nil
}

func fromEnd(day, last int) int {
	if day < 0 {
		return last + day + 1
	}
	return day
}

func daysInMonth(t time.Time) int {
	return time.Date(t.Year(), t.Month()+1, 0, 12, 0, 0, 0, time.UTC).Day()
}
