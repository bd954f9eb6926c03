package interval_test

import (
	"testing"
	"time"

	"github.com/esolutions/esmon/services/notify/interval"
)

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestContains(t *testing.T) {
	t.Parallel()
	r := must[interval.Range](t)
	berlin := must[*time.Location](t)(interval.ParseLocation("Europe/Berlin"))
	office := interval.Interval{
		Times:    []interval.Range{r(interval.ParseTimes("09:00", "17:30"))},
		Weekdays: []interval.Range{r(interval.ParseWeekdays("monday:Friday"))},
		Location: berlin,
	}
	ends := interval.Interval{DaysOfMonth: []interval.Range{r(interval.ParseDaysOfMonth("-3:-1")), r(interval.ParseDaysOfMonth("29:31"))}}
	winter := interval.Interval{
		Months: []interval.Range{r(interval.ParseMonths("december")), r(interval.ParseMonths("1:february"))},
		Years:  []interval.Range{r(interval.ParseYears("2026:2027"))},
	}
	night := interval.Interval{Times: []interval.Range{r(interval.ParseTimes("02:00", "03:00"))}, Location: berlin}
	for _, c := range []struct {
		name string
		iv   *interval.Interval
		at   string
		want bool
	}{
		{"office", &office, "2026-03-04T08:00:00Z", true},
		{"office, its time zone", &office, "2026-03-04T07:59:59Z", false},
		{"office, the end is not in it", &office, "2026-03-04T16:30:00Z", false},
		{"office, last minute", &office, "2026-03-04T16:29:59Z", true},
		{"office, summer", &office, "2026-07-01T07:00:00Z", true},
		{"office, saturday", &office, "2026-03-07T10:00:00Z", false},
		{"ends, 28 days", &ends, "2026-02-26T00:00:00Z", true},
		{"ends, 28 days, before", &ends, "2026-02-25T23:59:59Z", false},
		{"ends, 29 days", &ends, "2028-02-26T12:00:00Z", false},
		{"ends, 30 days", &ends, "2026-04-28T00:00:00Z", true},
		{"ends, 31 days", &ends, "2026-03-28T23:00:00Z", false},
		{"winter", &winter, "2026-12-31T23:59:59Z", true},
		{"winter, too late", &winter, "2028-01-01T00:00:00Z", false},
		{"winter, march", &winter, "2027-03-01T00:00:00Z", false},
		{"empty", &interval.Interval{}, "2026-12-31T23:59:59Z", true},
		{"no ranges", &interval.Interval{Weekdays: []interval.Range{}}, "2026-12-31T23:59:59Z", false},
		{"clocks go forward: there is no such time", &night, "2026-03-29T01:00:00Z", false},
		{"clocks go back: first time", &night, "2026-10-25T00:30:00Z", true},
		{"clocks go back: second time", &night, "2026-10-25T01:30:00Z", true},
		{"clocks go back: over", &night, "2026-10-25T02:00:00Z", false},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.iv.Contains(at); got != c.want {
			t.Errorf("%s: %s: %t", c.name, c.at, got)
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "24:01", "1:00", "01:60", "0100", "-1:00", "aa:bb", "25:00", "00:000"} {
		if m, err := interval.ParseMinute(text); err == nil {
			t.Errorf("time %q is %d", text, m)
		}
	}
	for _, text := range []string{"", "fun", "monday:", "saturday:monday", "0", "monday:tuesday:friday"} {
		if r, err := interval.ParseWeekdays(text); err == nil {
			t.Errorf("weekdays %q are %v", text, r)
		}
	}
	for _, text := range []string{"", "0", "32", "-32", "-1:1", "5:3", "-1:-5", "20:-20", "a"} {
		if r, err := interval.ParseDaysOfMonth(text); err == nil {
			t.Errorf("days %q are %v", text, r)
		}
	}
	for _, text := range []string{"", "0", "13", "march:january", "x"} {
		if r, err := interval.ParseMonths(text); err == nil {
			t.Errorf("months %q are %v", text, r)
		}
	}
	for _, text := range []string{"", "x", "2027:2026", "99999999999"} {
		if r, err := interval.ParseYears(text); err == nil {
			t.Errorf("years %q are %v", text, r)
		}
	}
	for _, text := range []string{"", "Mars", "../../etc/passwd"} {
		if l, err := interval.ParseLocation(text); err == nil {
			t.Errorf("location %q is %v", text, l)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("monday:friday", "-3:-1")
	f.Add("24:00", "1:12")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, parse := range []func(string) (interval.Range, error){
			interval.ParseWeekdays, interval.ParseDaysOfMonth, interval.ParseMonths, interval.ParseYears,
			func(s string) (interval.Range, error) { return interval.ParseTimes(s, b) },
		} {
			r, err := parse(a)
			if err == nil && r.Begin > r.End && r.Begin > 0 && r.End > 0 {
				t.Fatalf("%q is %v", a, r)
			}
			iv := interval.Interval{Weekdays: []interval.Range{r}, DaysOfMonth: []interval.Range{r}}
			iv.Contains(time.Unix(1_772_625_600, 0))
		}
	})
}
