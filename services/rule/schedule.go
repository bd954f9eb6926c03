package rule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a server in a container or on Windows may have no database of time zones
)

// Limits of schedules.
const (
	maxScheduleLines = 50
	maxScheduleBytes = 500
	minutesOfDay     = 24 * 60
)

// Schedule is a set of times: any of its spans, in its time zone.
type Schedule struct {
	Text  string // as it was written: Mo-Fr 08:00-18:00 Europe/Berlin
	Spans []Span
	Zone  *time.Location
}

// Span is a time of some days of the week.
type Span struct {
	Days     [7]bool // by time.Weekday
	From, To int     // minutes since midnight, To excluded; To < From goes on into the next day
}

// Active tells whether the time is in the schedule. What counts is what a clock on the
// wall shows: 08:00-18:00 is that on the day on which clocks change, too. No schedule
// is always active.
func (s *Schedule) Active(t time.Time) bool {
	if s == nil {
		return true
	}
	t = t.In(s.Zone)
	day, minute := t.Weekday(), t.Hour()*60+t.Minute()
	for _, span := range s.Spans {
		if span.active(day, minute) {
			return true
		}
	}
	return false
}

func (s Span) active(day time.Weekday, minute int) bool {
	if s.From < s.To {
		return s.Days[day] && s.From <= minute && minute < s.To
	}
	yesterday := (day + 6) % 7
	return s.Days[day] && minute >= s.From || s.Days[yesterday] && minute < s.To
}

// String returns the schedule as it was written.
func (s *Schedule) String() string {
	if s == nil {
		return ""
	}
	return s.Text
}

// ParseSchedule reads lines of the form
//
//	[DAYS] [TIMES] [ZONE]
//
// where days are such as Mo-Fr or Mo,We,Sa-Su, times such as 08:00-12:00,13:00-18:00
// or 22:00-06:00, and the zone is one name of the IANA database, the same in all lines
// that have one; UTC if none has. No days are all days, no times are all day.
func ParseSchedule(lines ...string) (*Schedule, error) {
	if len(lines) == 0 || len(lines) > maxScheduleLines {
		return nil, fmt.Errorf("a schedule has 1 to %d lines such as Mo-Fr 08:00-18:00 Europe/Berlin", maxScheduleLines)
	}
	s := &Schedule{Text: strings.Join(lines, "; "), Zone: time.UTC}
	zone := ""
	for _, line := range lines {
		if len(line) > maxScheduleBytes {
			return nil, fmt.Errorf("a line of a schedule has %d bytes at most", maxScheduleBytes)
		}
		if err := s.line(line, &zone); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Schedule) line(line string, zone *string) error {
	words := strings.Fields(line)
	if len(words) == 0 {
		return fmt.Errorf("%q is no schedule: write days, times and a time zone, such as Mo-Fr 08:00-18:00 Europe/Berlin", line)
	}
	days, times := allDays(), []Span{{From: 0, To: minutesOfDay}}
	if d, ok, err := parseDays(words[0]); ok {
		if err != nil {
			return err
		}
		days, words = d, words[1:]
	}
	if len(words) > 0 && strings.ContainsAny(words[0][:1], "0123456789") {
		t, err := parseTimes(words[0])
		if err != nil {
			return err
		}
		times, words = t, words[1:]
	}
	if len(words) > 1 {
		return fmt.Errorf("%q: %q is too much: write days, times and a time zone, such as Mo-Fr 08:00-18:00 Europe/Berlin", line, strings.Join(words[1:], " "))
	}
	if len(words) == 1 {
		if err := s.zone(words[0], zone); err != nil {
			return err
		}
	}
	for _, t := range times {
		s.Spans = append(s.Spans, Span{Days: days, From: t.From, To: t.To})
	}
	return nil
}

func (s *Schedule) zone(name string, before *string) error {
	if *before != "" && *before != name {
		return fmt.Errorf("a schedule is in one time zone, not in %s and %s: make it two rules", *before, name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return fmt.Errorf("%q is neither days, nor times, nor a time zone: write such as Mo-Fr 08:00-18:00 Europe/Berlin", name)
	}
	s.Zone, *before = zone, name
	return nil
}

func allDays() [7]bool { return [7]bool{true, true, true, true, true, true, true} }

// dayNumbers are days by the first two letters of their names; more may follow.
var dayNumbers = map[string]int{"su": 0, "mo": 1, "tu": 2, "we": 3, "th": 4, "fr": 5, "sa": 6}

var dayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

func parseDay(text string) (int, bool) {
	text = strings.ToLower(text)
	if len(text) < 2 {
		return 0, false
	}
	day, ok := dayNumbers[text[:2]]
	return day, ok && strings.HasPrefix(dayNames[day], text)
}

// parseDays reads Mo-Fr,Su. ok is false if it does not begin with a day; it may then
// be something else.
func parseDays(text string) (days [7]bool, ok bool, err error) {
	for i, part := range strings.Split(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, known := parseDay(from)
		if !known && i == 0 {
			return days, false, nil
		}
		last := first
		if isRange {
			var lastKnown bool
			last, lastKnown = parseDay(to)
			known = known && lastKnown
		}
		if !known {
			return days, true, fmt.Errorf("%q are no days: write such as Mo-Fr or Mo,We,Sa-Su (Mo Tu We Th Fr Sa Su)", text)
		}
		for d := first; ; d = (d + 1) % 7 {
			days[d] = true
			if d == last {
				break
			}
		}
	}
	return days, true, nil
}

func parseTimes(text string) ([]Span, error) {
	var out []Span
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		start, ok1 := parseMinute(from)
		end, ok2 := parseMinute(to)
		if !isRange || !ok1 || !ok2 || start == end || start == minutesOfDay {
			return nil, fmt.Errorf("%q are no times: write such as 08:00-18:00, or 22:00-06:00 for one that goes on into the next day", text)
		}
		if end == 0 {
			end = minutesOfDay // 22:00-00:00 ends with the day
		}
		out = append(out, Span{From: start, To: end})
	}
	return out, nil
}

// parseMinute reads 00:00 to 24:00.
func parseMinute(text string) (int, bool) {
	hour, minute, ok := strings.Cut(text, ":")
	if !ok || len(hour) == 0 || len(hour) > 2 || len(minute) != 2 {
		return 0, false
	}
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	n := int(h)*60 + int(m)
	return n, err1 == nil && err2 == nil && m < 60 && n <= minutesOfDay
}
