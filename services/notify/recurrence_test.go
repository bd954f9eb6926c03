package notify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify"
)

func recurring(cron string, minutes int64, zone string) *alert.Silence {
	return &alert.Silence{
		ID: "s", Start: start.AddDate(-1, 0, 0).UnixMilli(), End: start.AddDate(3, 0, 0).UnixMilli(),
		Recurrence: &alert.Recurrence{Cron: cron, Minutes: minutes, TimeZone: zone},
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	const berlin = "Europe/Berlin"
	for _, c := range []struct {
		name    string
		silence *alert.Silence
		from    string
		want    string
	}{
		{"saturdays", recurring("0 22 * * 6", 120, ""), "2026-03-04 12:00",
			"2026-03-07 22:00-2026-03-08 00:00 2026-03-14 22:00-2026-03-15 00:00"},
		{"one is open", recurring("0 22 * * *", 120, ""), "2026-03-04 23:00",
			"2026-03-04 22:00-2026-03-05 00:00 2026-03-05 22:00-2026-03-06 00:00"},
		{"names", recurring("30 4 1 JAN,jul MON-fri", 30, ""), "2026-03-04 12:00",
			"2026-07-01 04:30-2026-07-01 05:00 2026-07-02 04:30-2026-07-02 05:00"},
		// Clocks go from 2:00 to 3:00: what is skipped opens when they do.
		{"clocks go forward", recurring("30 2 * * *", 60, berlin), "2026-03-28 00:00",
			"2026-03-28 01:30-2026-03-28 02:30 2026-03-29 01:00-2026-03-29 02:00 2026-03-30 00:30-2026-03-30 01:30"},
		{"a night of 23 hours", recurring("0 22 * * *", 480, berlin), "2026-03-28 20:00",
			"2026-03-28 21:00-2026-03-29 05:00 2026-03-29 20:00-2026-03-30 04:00"},
		// Clocks go from 3:00 to 2:00: what comes twice opens the first time only.
		{"clocks go back", recurring("30 2 * * *", 60, berlin), "2026-10-24 12:00",
			"2026-10-25 00:30-2026-10-25 01:30 2026-10-26 01:30-2026-10-26 02:30"},
		{"in the hour that comes again", recurring("30 2 * * *", 60, berlin), "2026-10-25 01:15",
			"2026-10-25 00:30-2026-10-25 01:30 2026-10-26 01:30-2026-10-26 02:30"},
		{"half an hour", recurring("15 2 * * *", 30, "Australia/Lord_Howe"), "2026-10-03 00:00",
			"2026-10-03 15:30-2026-10-03 16:00 2026-10-04 15:15-2026-10-04 15:45"},
		{"leap days", recurring("0 0 29 2 *", 60, ""), "2026-03-04 12:00", "2028-02-29 00:00-2028-02-29 01:00"},
		{"never", recurring("0 0 30 2 *", 60, ""), "2026-03-04 12:00", ""},
		{"broken", recurring("x", 60, ""), "2026-03-04 12:00", ""},
		{"within start and end", &alert.Silence{
			Start: start.UnixMilli(), End: start.Add(3 * time.Hour).UnixMilli(),
			Recurrence: &alert.Recurrence{Cron: "30 * * * *", Minutes: 45},
		}, "2026-03-04 00:00", "2026-03-04 12:00-2026-03-04 12:15 2026-03-04 12:30-2026-03-04 13:15 2026-03-04 13:30-2026-03-04 14:15 2026-03-04 14:30-2026-03-04 15:00"},
		{"no recurrence", &alert.Silence{Start: start.UnixMilli(), End: start.Add(time.Hour).UnixMilli()},
			"2026-03-04 00:00", "2026-03-04 12:00-2026-03-04 13:00"},
	} {
		from, err := time.Parse("2006-01-02 15:04", c.from)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range notify.Windows(c.silence, from, 1+strings.Count(c.want, " ")/3) {
			got = append(got, w.Start.UTC().Format("2006-01-02 15:04")+"-"+w.End.UTC().Format("2006-01-02 15:04"))
			if !notify.SilenceActive(c.silence, w.Start) || !notify.SilenceActive(c.silence, w.End.Add(-time.Millisecond)) {
				t.Errorf("%s: not active in its window from %s", c.name, w.Start)
			}
		}
		if g := strings.Join(got, " "); !strings.HasPrefix(c.want, g) || len(g) < len(c.want)-4 {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, g, c.want)
		}
	}
}

func TestCheckRecurrence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    alert.Recurrence
		want string
	}{
		{alert.Recurrence{Cron: "0 22 * * 6", Minutes: 1}, ""},
		{alert.Recurrence{Cron: "*/5 0-23/2 1,15 * SUN", Minutes: 1, TimeZone: "Asia/Tokyo"}, ""},
		{alert.Recurrence{Cron: "0 22 * * 6", Minutes: 0}, "minutes: 0"},
		{alert.Recurrence{Cron: "0 22 * * 6", Minutes: 1 << 40}, "minutes:"},
		{alert.Recurrence{Cron: "0 22 * *", Minutes: 1}, "has 4 fields"},
		{alert.Recurrence{Cron: "@daily", Minutes: 1}, "has 1 fields"},
		{alert.Recurrence{Cron: "60 * * * *", Minutes: 1}, `minute: "60" is no value: use 0 to 59`},
		{alert.Recurrence{Cron: "1,99 * * * *", Minutes: 1}, `minute: "99" is no value`},
		{alert.Recurrence{Cron: "* * * 13 *", Minutes: 1}, `month: "13" is no value`},
		{alert.Recurrence{Cron: "* * L * *", Minutes: 1}, `day of month: "L" is no value`},
		{alert.Recurrence{Cron: "* * * * 5-2", Minutes: 1}, "ends before it begins"},
		{alert.Recurrence{Cron: "*/0 * * * *", Minutes: 1}, "the step"},
		{alert.Recurrence{Cron: ", * * * *", Minutes: 1}, `"" is no value`},
		{alert.Recurrence{Cron: "0 0 31 2 *", Minutes: 1}, "never comes"},
		{alert.Recurrence{Cron: strings.Repeat("0", 300) + " * * * *", Minutes: 1}, "300"},
		{alert.Recurrence{Cron: "0 0 * * *", Minutes: 1, TimeZone: "Nowhere"}, `"Nowhere" is no time zone`},
	} {
		err := notify.CheckRecurrence(&c.r)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) && c.want != "300" {
			t.Errorf("%+v: %v; want %q", c.r, err, c.want)
		}
	}
}

func TestCheckSilence(t *testing.T) {
	t.Parallel()
	ok := alert.Silence{Matchers: matchers(t, "a=b"), Start: 1, End: 2}
	if err := notify.CheckSilence(&ok); err != nil {
		t.Error(err)
	}
	all, ends, broken := ok, ok, ok
	all.Matchers = matchers(t, `a=~".*"`)
	ends.End = 1
	broken.Recurrence = &alert.Recurrence{}
	for _, s := range []alert.Silence{all, ends, broken} {
		if notify.CheckSilence(&s) == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}

func FuzzRecurrence(f *testing.F) {
	f.Add("0 22 * * 6", int64(60), "Europe/Berlin", int64(1_772_625_600))
	f.Add("*/7 2-3 29 2 MON", int64(44_640), "America/St_Johns", int64(1_793_000_000))
	f.Add("30 2 * * 7", int64(1), "Australia/Lord_Howe", int64(1_790_956_800))
	f.Fuzz(func(t *testing.T, cron string, minutes int64, zone string, at int64) {
		r := alert.Recurrence{Cron: cron, Minutes: minutes, TimeZone: zone}
		if notify.CheckRecurrence(&r) != nil {
			return
		}
		from := time.Unix(at%(1<<32), 0)
		s := alert.Silence{Start: from.UnixMilli(), End: from.AddDate(10, 0, 0).UnixMilli(), Recurrence: &r}
		before := from.Add(-time.Second)
		for _, w := range notify.Windows(&s, from, 3) {
			if !w.Start.Before(w.End) || w.Start.Before(before) || w.Start.Before(from) {
				t.Fatalf("window %s to %s, from %s, after one from %s", w.Start, w.End, from, before)
			}
			if !notify.SilenceActive(&s, w.Start) {
				t.Fatalf("not active when its window opens at %s", w.Start)
			}
			before = w.Start
		}
	})
}
