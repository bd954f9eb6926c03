package query

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
)

// timeParam returns a parameter that is a time: seconds since 1970, or RFC 3339.
func timeParam(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	t, err := parseTime(text)
	if err != nil {
		return time.Time{}, invalidParameter(name, fmt.Errorf("invalid time value for '%s': %w", name, err))
	}
	return t, nil
}

// requiredTimeParam is the same for a parameter that must be there.
func requiredTimeParam(r *http.Request, name string) (time.Time, error) {
	t, err := parseTime(r.FormValue(name))
	if err != nil {
		return time.Time{}, invalidParameter(name, err)
	}
	return t, nil
}

func parseTime(text string) (time.Time, error) {
	if t, err := strconv.ParseFloat(text, 64); err == nil {
		return secondsToTime(t)
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	// Clients send the outermost times in this form, which cannot be parsed.
	for _, t := range []time.Time{earliest, latest} {
		if text == t.Format(time.RFC3339Nano) {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", clip(text))
}

func secondsToTime(t float64) (time.Time, error) {
	if !(t >= float64(earliest.Unix()) && t <= float64(latest.Unix())) { // false for NaN too
		return time.Time{}, errTimeRange
	}
	seconds, fraction := math.Modf(t)
	fraction = math.Round(fraction*1000) / 1000
	return time.Unix(int64(seconds), int64(fraction*float64(time.Second))).UTC(), nil
}

// durationParam returns a parameter that is a duration; 0 if it is not there.
func durationParam(r *http.Request, name string) (time.Duration, error) {
	text := r.FormValue(name)
	if text == "" {
		return 0, nil
	}
	return parseDuration(text)
}

// parseDuration reads seconds, or a duration such as 1h30m.
func parseDuration(text string) (time.Duration, error) {
	if d, err := strconv.ParseFloat(text, 64); err == nil {
		ns := d * float64(time.Second)
		if math.IsNaN(ns) || ns >= float64(math.MaxInt64) || ns < float64(math.MinInt64) {
			return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", clip(text))
		}
		return time.Duration(ns), nil
	}
	if d, err := model.ParseDuration(text); err == nil {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", clip(text))
}

// timeoutParam returns the request's own time limit; 0 if it has none.
func timeoutParam(r *http.Request) (time.Duration, error) {
	d, err := durationParam(r, "timeout")
	switch {
	case err != nil:
		return 0, invalidParameter("timeout", err)
	case d <= 0 && r.FormValue("timeout") != "":
		return 0, invalidParameter("timeout", fmt.Errorf("timeout must be positive, got %s", d))
	}
	return d, nil
}

var errNegativeLimit = errors.New("limit must be non-negative")

// limitParam returns how many results are wanted at most; 0 for all.
func limitParam(r *http.Request) (int, error) {
	text := r.FormValue("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err == nil && n < 0 {
		err = errNegativeLimit
	}
	if err != nil {
		return 0, invalidParameter("limit", err)
	}
	return n, nil
}

// clip shortens text of a caller for a message.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
