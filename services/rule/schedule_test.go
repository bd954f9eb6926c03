package rule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/rule"
)

func TestScheduleActive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines string
		times map[string]bool // RFC 3339
	}{
		{"Mo-Fr 08:00-18:00 Europe/Berlin", map[string]bool{
			"2026-06-01T05:59:59Z": false, "2026-06-01T06:00:00Z": true, "2026-06-01T15:59:59Z": true, "2026-06-01T16:00:00Z": false, // summer: two hours ahead
			"2026-01-05T06:59:59Z": false, "2026-01-05T07:00:00Z": true, "2026-01-05T16:59:59Z": true, "2026-01-05T17:00:00Z": false, // winter: one
			"2026-06-06T10:00:00Z": false, "2026-06-07T10:00:00Z": false, // the weekend
		}},
		{"Fr 22:00-06:00", map[string]bool{
			"2026-06-05T21:59:00Z": false, "2026-06-05T22:00:00Z": true, "2026-06-06T05:59:00Z": true, "2026-06-06T06:00:00Z": false,
			"2026-06-06T22:00:00Z": false, "2026-06-05T05:00:00Z": false,
		}},
		{"Sa-Mo", map[string]bool{
			"2026-06-06T00:00:00Z": true, "2026-06-07T12:00:00Z": true, "2026-06-08T23:59:59Z": true, "2026-06-09T00:00:00Z": false, "2026-06-05T23:59:59Z": false,
		}},
		{"22:00-00:00", map[string]bool{"2026-06-05T23:59:00Z": true, "2026-06-06T00:00:00Z": false, "2026-06-06T21:59:00Z": false}},
		{"00:00-24:00", map[string]bool{"2026-06-05T00:00:00Z": true, "2026-06-05T23:59:59Z": true}},
		{"Monday-wed,Sun 08:00-12:00,13:00-18:00 UTC", map[string]bool{
			"2026-06-01T08:30:00Z": true, "2026-06-01T12:30:00Z": false, "2026-06-03T17:59:00Z": true, "2026-06-04T09:00:00Z": false, "2026-06-07T09:00:00Z": true,
		}},
		{"Mo 10:00-12:00|Tu 09:00-11:00 America/New_York", map[string]bool{
			"2026-06-01T14:00:00Z": true, "2026-06-01T13:00:00Z": false, "2026-06-02T13:00:00Z": true, "2026-06-02T15:30:00Z": false,
		}},
		{"Europe/Berlin", map[string]bool{"2026-06-02T15:30:00Z": true}},
		// Clocks go from 02:00 to 03:00 on the 29th of March and from 03:00 to 02:00 on
		// the 25th of October.
		{"02:00-03:00 Europe/Berlin", map[string]bool{
			"2026-03-29T00:59:59Z": false, "2026-03-29T01:00:00Z": false, // 01:59:59, 03:00:00
			"2026-10-24T23:59:59Z": false, "2026-10-25T00:00:00Z": true, "2026-10-25T01:00:00Z": true, "2026-10-25T01:59:59Z": true, "2026-10-25T02:00:00Z": false,
		}},
		{"Sa 22:00-02:30 Europe/Berlin", map[string]bool{
			"2026-03-29T00:59:59Z": true, "2026-03-29T01:00:00Z": false, "2026-10-25T00:29:00Z": true, "2026-10-25T01:29:00Z": true, "2026-10-25T01:31:00Z": false,
		}},
	} {
		s, err := rule.ParseSchedule(strings.Split(c.lines, "|")...)
		if err != nil {
			t.Errorf("%s: %v", c.lines, err)
			continue
		}
		for text, want := range c.times {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Active(at); got != want {
				t.Errorf("%s at %s (%s): %v", c.lines, text, at.In(s.Zone), got)
			}
		}
	}
}

func TestNoScheduleIsAlwaysActive(t *testing.T) {
	t.Parallel()
	var s *rule.Schedule
	if !s.Active(time.Unix(0, 0)) || s.String() != "" {
		t.Error("it is not")
	}
}

func TestBadSchedules(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]string{
		"": "is no schedule", " ": "is no schedule", "Mo-Fx": "are no days", "Mo-": "are no days", "Mo,,Tu": "are no days", "Mx-Fr": "neither days",
		"8-18": "are no times", "08:00": "are no times", "25:00-26:00": "are no times", "08:60-09:00": "are no times", "08:00-08:00": "are no times", "24:00-02:00": "are no times", "08:0-09:00": "are no times",
		"Mo 08:00-09:00 Mars/Olympus": "nor a time zone", "Local": "nor a time zone", "../../etc/passwd": "nor a time zone", "Mo 08:00-09:00 UTC extra": "is too much",
		"Mo UTC|Tu Europe/Berlin": "one time zone", "-08:00-09:00": "neither", "+8:00-09:00": "neither",
		"08:00-1:9": "are no times", "008:00-09:00": "are no times",
	} {
		if s, err := rule.ParseSchedule(strings.Split(lines, "|")...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v", lines, s, err)
		}
	}
	if _, err := rule.ParseSchedule(); err == nil {
		t.Error("no lines were taken")
	}
}

func FuzzSchedule(f *testing.F) {
	for _, s := range []string{"Mo-Fr 08:00-18:00 Europe/Berlin", "Sa,Su", "22:00-06:00,07:00-08:00", "UTC"} {
		f.Add(s, int64(1_700_000_000))
	}
	f.Fuzz(func(t *testing.T, line string, at int64) {
		s, err := rule.ParseSchedule(line)
		if err != nil {
			return
		}
		when := time.Unix(at, 0)
		active := s.Active(when)
		again, err := rule.ParseSchedule(s.String())
		if err != nil || again.Active(when) != active {
			t.Errorf("%q read again: %v, %v", s, again, err)
		}
		for _, span := range s.Spans {
			if span.From < 0 || span.From >= 1440 || span.To <= 0 || span.To > 1440 || span.From == span.To {
				t.Errorf("%q has the span %+v", line, span)
			}
		}
	})
}
