package interval

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseMinute reads a time of day, 00:00 to 24:00, as minutes since midnight.
func ParseMinute(text string) (int, error) {
	bad := fmt.Errorf("%q is no time of day: write HH:MM, from 00:00 to 24:00", text)
	hour, minute, found := strings.Cut(text, ":")
	if !found || len(hour) != 2 || len(minute) != 2 {
		return 0, bad
	}
	h, errH := strconv.ParseUint(hour, 10, 8)
	m, errM := strconv.ParseUint(minute, 10, 8)
	if errH != nil || errM != nil || m > 59 || h > 24 || h == 24 && m != 0 {
		return 0, bad
	}
	return int(h*60 + m), nil
}

// ParseTimes reads a range of times of a day.
func ParseTimes(start, end string) (Range, error) {
	if start == "" || end == "" {
		return Range{}, errors.New("start_time and end_time are both needed")
	}
	from, err := ParseMinute(start)
	if err != nil {
		return Range{}, err
	}
	to, err := ParseMinute(end)
	if err != nil {
		return Range{}, err
	}
	if from >= to {
		return Range{}, errors.New("start_time must be before end_time; for a span over midnight write two: one to 24:00, one from 00:00")
	}
	return Range{from, to}, nil
}

// ParseWeekdays reads monday or monday:friday.
func ParseWeekdays(text string) (Range, error) {
	r, err := parseRange(text, func(s string) (int, bool) { return index(weekdays[:], s) })
	if err != nil {
		return r, fmt.Errorf("%w: write a day, such as monday, or a range, such as monday:friday", err)
	}
	if r.Begin > r.End {
		return r, fmt.Errorf("%q ends before it begins: the week begins on Sunday, so write two ranges", text)
	}
	return r, nil
}

// ParseDaysOfMonth reads 1, -1, 1:15 or -3:-1.
func ParseDaysOfMonth(text string) (Range, error) {
	r, err := parseRange(text, number)
	if err != nil {
		return r, fmt.Errorf("%w: write a day, such as 1 or -1 for the last, or a range, such as 1:15", err)
	}
	for _, day := range []int{r.Begin, r.End} {
		if day == 0 || day < -31 || day > 31 {
			return r, fmt.Errorf("%d is no day of a month: use 1 to 31, or -31 to -1", day)
		}
	}
	if r.Begin < 0 && r.End > 0 {
		return r, fmt.Errorf("%q: the end must count from the end of the month as the start does", text)
	}
	if fromEnd28(r.Begin) > fromEnd28(r.End) {
		return r, fmt.Errorf("%q always ends before it begins", text)
	}
	return r, nil
}

// fromEnd28 is what can be known without the month: the shortest has 28 days.
func fromEnd28(day int) int {
	if day < 0 {
		return 28 + day
	}
	return day
}

// ParseMonths reads 1, january or january:march.
func ParseMonths(text string) (Range, error) {
	r, err := parseRange(text, func(s string) (int, bool) {
		if i, ok := index(months[:], s); ok {
			return i + 1, true
		}
		n, ok := number(s)
		return n, ok && n >= 1 && n <= 12
	})
	if err != nil {
		return r, fmt.Errorf("%w: write a month, such as may or 5, or a range, such as january:march", err)
	}
	if r.Begin > r.End {
		return r, fmt.Errorf("%q ends before it begins: write two ranges", text)
	}
	return r, nil
}

// ParseYears reads 2026 or 2026:2028.
func ParseYears(text string) (Range, error) {
	r, err := parseRange(text, number)
	if err != nil {
		return r, fmt.Errorf("%w: write a year, or a range, such as 2026:2028", err)
	}
	if r.Begin > r.End {
		return r, fmt.Errorf("%q ends before it begins", text)
	}
	return r, nil
}

// ParseLocation reads the name of a time zone.
func ParseLocation(name string) (*time.Location, error) {
	loc, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return nil, fmt.Errorf("%q is no time zone: write a name such as Europe/Berlin or UTC", name)
	}
	return loc, nil
}

var (
	weekdays = [...]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
	months   = [...]string{"january", "february", "march", "april", "may", "june", "july",
		"august", "september", "october", "november", "december"}
)

func index(names []string, name string) (int, bool) {
	for i, n := range names {
		if n == name {
			return i, true
		}
	}
	return 0, false
}

func number(text string) (int, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int(n), err == nil
}

func parseRange(text string, member func(string) (int, bool)) (Range, error) {
	first, last, isRange := strings.Cut(strings.ToLower(text), ":")
	if !isRange {
		last = first
	}
	begin, okBegin := member(first)
	end, okEnd := member(last)
	if !okBegin || !okEnd {
		return Range{}, fmt.Errorf("%q cannot be read", text)
	}
	return Range{begin, end}, nil
}
