package notify

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify/interval"
	"github.com/esolutions/esmon/services/notify/oncall"
)

// Limits of recurrences.
const (
	maxWindowMinutes = 31 * interval.DayMinutes
	maxCronBytes     = 200
	maxTicks         = 1000 // looked at for one question
)

// Window is a span of time: Start is in it, End is not.
type Window struct{ Start, End time.Time }

// recurrence is when windows open, and how long each is. Expressions are evaluated on
// what clocks show, so that a window opens once on every day that it should: where the
// clocks skip its time, when they do; where they show it twice, at the first.
type recurrence struct {
	cron   string
	length time.Duration
	zone   *time.Location
}

func newRecurrence(r *alert.Recurrence) (*recurrence, error) {
	cron, err := cronExpression(r.Cron)
	if err != nil {
		return nil, err
	}
	if r.Minutes < 1 || r.Minutes > maxWindowMinutes {
		return nil, fmt.Errorf("minutes: %d; a window lasts from 1 to %d", r.Minutes, maxWindowMinutes)
	}
	zone := time.UTC
	if r.TimeZone != "" {
		if zone, err = interval.ParseLocation(r.TimeZone); err != nil {
			return nil, fmt.Errorf("time_zone: %w", err)
		}
	}
	rec := &recurrence{cron: cron, length: time.Duration(r.Minutes) * time.Minute, zone: zone}
	if _, ok := rec.opensAfter(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)); !ok {
		return nil, fmt.Errorf("cron: %q never comes: is there such a day in such a month?", r.Cron)
	}
	return rec, nil
}

// CheckRecurrence tells what is wrong with a recurrence.
func CheckRecurrence(r *alert.Recurrence) error {
	_, err := newRecurrence(r)
	return err
}

// opensAfter returns the first opening after t.
func (r *recurrence) opensAfter(t time.Time) (time.Time, bool) {
	wall := oncall.Wall(t.In(r.zone))
	for range maxTicks {
		next, err := gronx.NextTickAfter(r.cron, wall, false)
		if err != nil || !next.After(wall) {
			return time.Time{}, false
		}
		if at := oncall.Instant(next, r.zone); at.After(t) {
			return at, true
		}
		wall = next
	}
	return time.Time{}, false
}

// openedAt returns the last opening that is not after t.
func (r *recurrence) openedAt(t time.Time) (time.Time, bool) {
	wall := oncall.Wall(t.In(r.zone))
	// In an hour that clocks show a second time, all of it has opened already.
	wall = wall.Add(t.Sub(oncall.Instant(wall, r.zone)))
	inclusive := true
	for range maxTicks {
		prev, err := gronx.PrevTickBefore(r.cron, wall, inclusive)
		if err != nil || prev.After(wall) {
			return time.Time{}, false
		}
		if at := oncall.Instant(prev, r.zone); !at.After(t) {
			return at, true
		}
		wall, inclusive = prev, false
	}
	return time.Time{}, false
}

func (r *recurrence) open(t time.Time) bool {
	at, ok := r.openedAt(t)
	return ok && t.Before(at.Add(r.length))
}

// changes returns when it opens or closes next after t; false if never.
func (r *recurrence) changes(t time.Time) (time.Time, bool) {
	at, ok := r.openedAt(t)
	if !ok || !t.Before(at.Add(r.length)) {
		return r.opensAfter(t)
	}
	end := at.Add(r.length)
	// Windows that overlap are one, as far as it is looked at.
	for range 20 {
		again, ok := r.openedAt(end)
		if !ok || !again.Add(r.length).After(end) {
			break
		}
		end = again.Add(r.length)
	}
	return end, true
}

// Windows returns the next windows of a silence, at most n: one that is open at from
// and those that open later, within the silence's start and end. A silence without a
// recurrence is one window. A recurrence that cannot be read has none.
func Windows(s *alert.Silence, from time.Time, n int) []Window {
	all := Window{time.UnixMilli(s.Start), time.UnixMilli(s.End)}
	if s.Recurrence == nil {
		if n < 1 || !from.Before(all.End) {
			return nil
		}
		return []Window{all}
	}
	r, err := newRecurrence(s.Recurrence)
	if err != nil {
		return nil
	}
	if from.Before(all.Start) {
		from = all.Start
	}
	at, ok := r.openedAt(from)
	if !ok || !from.Before(at.Add(r.length)) {
		at, ok = r.opensAfter(from)
	}
	var out []Window
	for ok && len(out) < n && at.Before(all.End) {
		out = append(out, Window{later(at, all.Start), earlier(at.Add(r.length), all.End)})
		at, ok = r.opensAfter(at)
	}
	return out
}

// SilenceActive tells whether a silence hides what it matches at the time.
func SilenceActive(s *alert.Silence, at time.Time) bool {
	now := at.UnixMilli()
	if now < s.Start || now >= s.End {
		return false
	}
	if s.Recurrence == nil {
		return true
	}
	r, err := newRecurrence(s.Recurrence)
	return err == nil && r.open(at)
}

// CheckSilence tells what is wrong with a silence that somebody wants to make.
func CheckSilence(s *alert.Silence) error {
	switch {
	case len(s.Matchers) == 0 || s.Matchers.MatchEmpty():
		return errors.New("matchers: at least one must not match an empty value, or it would hide nearly everything")
	case s.End <= s.Start:
		return errors.New("end_time: must be after start_time")
	case s.Recurrence != nil:
		if err := CheckRecurrence(s.Recurrence); err != nil {
			return fmt.Errorf("recurrence: %w", err)
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// cronField is what a field may have.
type cronField struct {
	name     string
	min, max int
	names    string // of three letters each, from min
}

var cronFields = [5]cronField{
	{name: "minute", max: 59},
	{name: "hour", max: 23},
	{name: "day of month", min: 1, max: 31},
	{name: "month", min: 1, max: 12, names: "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
	{name: "weekday", max: 7, names: "SUNMONTUEWEDTHUFRISAT"},
}

// cronExpression checks an expression of five fields, all of it: the library looks
// only as far as it needs to. It returns it with numbers for names.
func cronExpression(text string) (string, error) {
	if len(text) > maxCronBytes {
		return "", fmt.Errorf("cron: it has %d bytes; the limit is %d", len(text), maxCronBytes)
	}
	fields := strings.Fields(strings.ToUpper(text))
	if len(fields) != len(cronFields) {
		return "", fmt.Errorf("cron: %q has %d fields; write five: minute, hour, day of month, month, weekday, such as 0 22 * * 6", text, len(fields))
	}
	for i := range fields {
		parts := strings.Split(fields[i], ",")
		for j, part := range parts {
			p, err := cronFields[i].part(part)
			if err != nil {
				return "", fmt.Errorf("cron: %s: %w", cronFields[i].name, err)
			}
			parts[j] = p
		}
		fields[i] = strings.Join(parts, ",")
	}
	return strings.Join(fields, " "), nil
}

// part reads *, a number, a range, and any of them with a step.
func (f *cronField) part(text string) (string, error) {
	span, step, stepped := strings.Cut(text, "/")
	if stepped {
		if n, err := strconv.ParseUint(step, 10, 8); err != nil || n < 1 || int(n) > f.max {
			return "", fmt.Errorf("the step of %q must be from 1 to %d", text, f.max)
		}
		step = "/" + step
	}
	if span == "*" {
		return span + step, nil
	}
	first, last, isRange := strings.Cut(span, "-")
	a, err := f.number(first)
	if err != nil {
		return "", err
	}
	if !isRange {
		if stepped { // n/step means from n on
			return fmt.Sprintf("%d-%d%s", a, f.max, step), nil
		}
		return strconv.Itoa(a), nil
	}
	b, err := f.number(last)
	if err != nil {
		return "", err
	}
	if b < a {
		return "", fmt.Errorf("%q ends before it begins", text)
	}
	return fmt.Sprintf("%d-%d%s", a, b, step), nil
}

func (f *cronField) number(text string) (int, error) {
	if i := strings.Index(f.names, text); len(text) == 3 && i >= 0 && i%3 == 0 {
		return f.min + i/3, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || int(n) < f.min || int(n) > f.max {
		return 0, fmt.Errorf("%q is no value: use %d to %d", text, f.min, f.max)
	}
	return int(n), nil
}
