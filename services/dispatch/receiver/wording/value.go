package wording

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/alert"
)

// Value writes a value with its unit, a UCUM code such as By, s, % or {process}.
func Value(f alert.Float, unit string) string {
	v := float64(f)
	switch {
	case math.IsNaN(v):
		return "no value"
	case math.IsInf(v, 0):
		return withUnit(strings.TrimPrefix(strconv.FormatFloat(v, 'f', -1, 64), "+"), unit)
	}
	base, per, isRate := strings.Cut(unit, "/")
	if isRate {
		per = "/" + Line(per)
	}
	switch base {
	case "By":
		return scaled(v, 1024, "B", "KiB", "MiB", "GiB", "TiB", "PiB") + per
	case "bit":
		return scaled(v, 1000, "bit", "kbit", "Mbit", "Gbit", "Tbit") + per
	case "Hz":
		return scaled(v, 1000, "Hz", "kHz", "MHz", "GHz") + per
	case "s", "ms", "us", "ns", "min", "h", "d":
		if !isRate {
			return seconds(v * secondsOf[base])
		}
	}
	return withUnit(Number(v), unit)
}

var secondsOf = map[string]float64{"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60, "h": 3600, "d": 86400}

// scaled writes the value in the unit that leaves it below the step.
func scaled(v, step float64, units ...string) string {
	i := 0
	for i < len(units)-1 && math.Abs(v) >= step {
		v /= step
		i++
	}
	return Number(v) + " " + units[i]
}

func withUnit(number, unit string) string {
	unit = Cut(Line(unit), 40)
	switch unit {
	case "", "1":
		return number
	case "Cel":
		unit = "°C"
	}
	if strings.HasPrefix(unit, "{") {
		unit = strings.NewReplacer("{", "", "}", "").Replace(unit)
	}
	return number + " " + unit
}

// Number writes a number with four digits, or all of those before the point.
func Number(v float64) string {
	abs := math.Abs(v)
	switch {
	case v == 0:
		return "0" // also the negative one
	case abs >= 1e15 || abs < 1e-4:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case abs >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	text := strconv.FormatFloat(v, 'f', max(0, 3-int(math.Floor(math.Log10(abs)))), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func seconds(s float64) string {
	switch abs := math.Abs(s); {
	case abs == 0:
		return "0 s"
	case abs < 1e-6:
		return Number(s*1e9) + " ns"
	case abs < 1e-3:
		return Number(s*1e6) + " µs"
	case abs < 1:
		return Number(s*1e3) + " ms"
	case abs < 60:
		return Number(s) + " s"
	case abs > 100*365*86400:
		return Number(s/86400) + " d"
	}
	return Duration(time.Duration(s * float64(time.Second)))
}

// Duration writes a duration in its two largest units, such as 2 d 3 h.
func Duration(d time.Duration) string {
	if d < 0 {
		if d == math.MinInt64 {
			d++
		}
		return "-" + Duration(-d)
	}
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	units := []struct {
		name   string
		length time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.length {
			continue
		}
		text := strconv.FormatInt(int64(d/u.length), 10) + " " + u.name
		if i+1 < len(units) {
			if rest := d % u.length / units[i+1].length; rest > 0 {
				text += " " + strconv.FormatInt(int64(rest), 10) + " " + units[i+1].name
			}
		}
		return text
	}
	return ""
}

// Time writes a time of the platform, in UTC, which all who read it share.
func Time(ms int64) string {
	if ms == 0 {
		return "never"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 UTC")
}

// Span writes how long it is from one time to another, or nothing if it is not known.
func Span(from, to int64) string {
	length := to - from
	if from == 0 || to < from || length < 0 || length > math.MaxInt64/int64(time.Millisecond) {
		return ""
	}
	return Duration(time.Duration(length) * time.Millisecond)
}
