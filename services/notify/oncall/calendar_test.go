package oncall_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify/oncall"
)

func berlin(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func at(t testing.TB, zone *time.Location, text string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// write writes shifts with local times.
func write(zone *time.Location, shifts []oncall.Shift) string {
	lines := make([]string, len(shifts))
	for i, s := range shifts {
		who := s.Person
		if who == "" {
			who = "nobody"
		}
		if s.Override {
			who += "!"
		}
		lines[i] = fmt.Sprintf("%s %s %s", who, s.Start.In(zone).Format("Mon 02.01. 15:04"), s.End.Sub(s.Start))
	}
	return strings.Join(lines, "\n")
}

func TestWeeklyShiftsFollowTheClocks(t *testing.T) {
	t.Parallel()
	zone := berlin(t)
	c := oncall.Calendar{Zone: zone, Layers: []oncall.Layer{{
		Start: oncall.Date{Year: 2026, Month: 3, Day: 16}, Handover: 9 * 60, Days: 7, Rotation: []string{"anna", "ben", "cem"},
	}}}
	got := write(zone, c.Shifts(at(t, zone, "2026-03-15 00:00"), at(t, zone, "2026-04-13 12:00"), nil))
	want := `nobody Sun 15.03. 00:00 33h0m0s
anna Mon 16.03. 09:00 168h0m0s
ben Mon 23.03. 09:00 167h0m0s
cem Mon 30.03. 09:00 168h0m0s
anna Mon 06.04. 09:00 168h0m0s
ben Mon 13.04. 09:00 3h0m0s`
	if got != want {
		t.Errorf("shifts\n%s\nwant\n%s", got, want)
	}
	s := c.At(at(t, zone, "2026-03-29 12:00"), nil)
	if got := write(zone, []oncall.Shift{s}); got != "ben Mon 23.03. 09:00 167h0m0s" {
		t.Errorf("at noon: %s", got)
	}
}

func TestHandoverAtATimeThatIsSkippedOrComesTwice(t *testing.T) {
	t.Parallel()
	zone := berlin(t)
	c := oncall.Calendar{Zone: zone, Layers: []oncall.Layer{{
		Start: oncall.Date{Year: 2026, Month: 3, Day: 28}, Handover: 2*60 + 30, Days: 1, Rotation: []string{"a", "b"},
	}}}
	got := write(zone, c.Shifts(at(t, zone, "2026-03-28 02:30"), at(t, zone, "2026-03-30 03:00"), nil))
	if want := "a Sat 28.03. 02:30 23h30m0s\nb Sun 29.03. 03:00 23h30m0s\na Mon 30.03. 02:30 30m0s"; got != want {
		t.Errorf("forward:\n%s", got)
	}
	got = write(zone, c.Shifts(at(t, zone, "2026-10-24 02:30"), at(t, zone, "2026-10-26 03:00"), nil))
	if want := "a Sat 24.10. 02:30 24h0m0s\nb Sun 25.10. 02:30 25h0m0s\na Mon 26.10. 02:30 30m0s"; got != want {
		t.Errorf("back:\n%s", got)
	}
	if s := c.At(at(t, zone, "2026-10-25 02:30").Add(time.Hour), nil); s.Person != "b" {
		t.Errorf("the second time: %+v", s)
	}
}

func TestHoursLayersAndRestrictions(t *testing.T) {
	t.Parallel()
	zone := berlin(t)
	day := oncall.Date{Year: 2026, Month: 3, Day: 2} // a Monday
	weekdays := [7]bool{false, true, true, true, true, true, false}
	c := oncall.Calendar{Zone: zone, Layers: []oncall.Layer{
		{Start: day, Hours: 12, Handover: 8 * 60, Rotation: []string{"day", "night"}},
		{Start: day, Days: 1, Rotation: []string{"office"}, Restrictions: []oncall.Restriction{{Days: weekdays, From: 9 * 60, To: 10 * 60}}},
		{Start: day, Days: 1, Rotation: []string{"late"}, Restrictions: []oncall.Restriction{{Days: [7]bool{5: true}, From: 23 * 60, To: 60}}},
	}}
	got := write(zone, c.Shifts(at(t, zone, "2026-03-06 08:00"), at(t, zone, "2026-03-07 12:00"), nil))
	want := `day Fri 06.03. 08:00 1h0m0s
office Fri 06.03. 09:00 1h0m0s
day Fri 06.03. 10:00 10h0m0s
night Fri 06.03. 20:00 3h0m0s
late Fri 06.03. 23:00 2h0m0s
night Sat 07.03. 01:00 7h0m0s
day Sat 07.03. 08:00 4h0m0s`
	if got != want {
		t.Errorf("shifts\n%s\nwant\n%s", got, want)
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	zone := time.UTC
	c := oncall.Calendar{Zone: zone, Layers: []oncall.Layer{{
		Start: oncall.Date{Year: 2026, Month: 3, Day: 2}, Days: 1, Rotation: []string{"a", "b"},
	}}}
	span := func(id, person, from, to string) alert.Override {
		return alert.Override{ID: id, Person: person, Start: at(t, zone, from).UnixMilli(), End: at(t, zone, to).UnixMilli()}
	}
	overrides := []alert.Override{
		span("1", "x", "2026-03-02 12:00", "2026-03-02 18:00"),
		span("2", "y", "2026-03-02 13:00", "2026-03-02 14:00"), // begins later, so it counts
		span("3", "a", "2026-03-03 20:00", "2026-03-04 02:00"),
	}
	got := write(zone, c.Shifts(at(t, zone, "2026-03-02 00:00"), at(t, zone, "2026-03-04 12:00"), overrides))
	want := `a Mon 02.03. 00:00 12h0m0s
x! Mon 02.03. 12:00 1h0m0s
y! Mon 02.03. 13:00 1h0m0s
x! Mon 02.03. 14:00 4h0m0s
a Mon 02.03. 18:00 6h0m0s
b Tue 03.03. 00:00 20h0m0s
a! Tue 03.03. 20:00 6h0m0s
a Wed 04.03. 02:00 10h0m0s`
	if got != want {
		t.Errorf("shifts\n%s\nwant\n%s", got, want)
	}
}

func TestNobodyAndLimits(t *testing.T) {
	t.Parallel()
	c := oncall.Calendar{Zone: time.UTC}
	now := time.Unix(1_772_625_600, 0)
	if s := c.At(now, nil); s.Person != "" || !s.Start.Before(s.End) {
		t.Errorf("nobody: %+v", s)
	}
	if got := c.Shifts(now, now, nil); got != nil {
		t.Errorf("no time: %v", got)
	}
	long := c.Shifts(now, now.AddDate(100, 0, 0), nil)
	if len(long) != 1 || long[0].End.Sub(now) > 401*24*time.Hour {
		t.Errorf("a century: %v", long)
	}
	broken := oncall.Calendar{Zone: time.UTC, Layers: []oncall.Layer{{Rotation: []string{"a"}}, {Hours: 1}}}
	broken.At(now, nil) // must not panic
}

// FuzzShifts wants every shift to say what At says, without gaps.
func FuzzShifts(f *testing.F) {
	f.Add(int64(1_774_700_000), uint8(0), uint8(12), uint16(150), uint16(540), uint16(60), uint8(0x3e))
	f.Add(int64(1_792_880_000), uint8(1), uint8(0), uint16(150), uint16(0), uint16(0), uint8(0x7f))
	f.Fuzz(func(t *testing.T, unix int64, days, hours uint8, handover, from, to uint16, mask uint8) {
		zone := berlin(t)
		var r oncall.Restriction
		for i := range r.Days {
			r.Days[i] = mask&(1<<i) != 0
		}
		r.From, r.To = int(from)%1440, int(to)%1440
		start := time.Unix(unix%(1<<32), 0)
		date := oncall.Date{Year: start.Year(), Month: start.Month(), Day: start.Day()}
		c := oncall.Calendar{Zone: zone, Layers: []oncall.Layer{
			{Start: date, Days: int(days % 30), Hours: max(6, int(hours)), Handover: int(handover) % 1440, Rotation: []string{"a", "b", "c"}},
			{Start: date, Days: 1, Rotation: []string{"x"}, Restrictions: []oncall.Restriction{r}},
		}}
		end := start.Add(72 * time.Hour)
		next := start
		for _, s := range c.Shifts(start, end, nil) {
			if !s.Start.Equal(next) || !s.Start.Before(s.End) {
				t.Fatalf("shift %+v after %s", s, next)
			}
			next = s.End
			for _, at := range []time.Time{s.Start, s.Start.Add(s.End.Sub(s.Start) / 2), s.End.Add(-time.Second)} {
				if got := c.At(at, nil).Person; at.Before(s.End) && !at.Before(s.Start) && got != s.Person {
					t.Fatalf("at %s %q is on call; the shift from %s to %s says %q", at.In(zone), got, s.Start.In(zone), s.End.In(zone), s.Person)
				}
			}
		}
		if !next.Equal(end) {
			t.Fatalf("shifts end at %s", next)
		}
	})
}
