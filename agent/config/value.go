package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// raw is a value as it was written: one text, a list or pairs.
type raw struct {
	text  string
	list  []string          // not nil: a list
	pairs map[string]string // not nil: pairs
}

// value is where a setting's value goes. set leaves it as it is on an error.
type value interface {
	set(r raw) error
	// inText returns the raw value of a text, as a variable or a flag has it.
	inText(s string) (raw, error)
	show() string
}

// single is what values of one text have in common.
type single struct{}

func (single) inText(s string) (raw, error) { return raw{text: s}, nil }

func (r raw) single() (string, error) {
	if r.list != nil || r.pairs != nil {
		return "", errors.New("one value is expected, not a list or a section")
	}
	return strings.TrimSpace(r.text), nil
}

type text struct{ to *string }

func (text) inText(s string) (raw, error) { return single{}.inText(s) }
func (v text) show() string               { return *v.to }
func (v text) set(r raw) error {
	s, err := r.single()
	if err == nil {
		*v.to = s
	}
	return err
}

type number struct{ to *int64 }

func (number) inText(s string) (raw, error) { return single{}.inText(s) }
func (v number) show() string               { return strconv.FormatInt(*v.to, 10) }
func (v number) set(r raw) error {
	s, err := r.single()
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no whole number", s)
	}
	*v.to = n
	return nil
}

type count struct{ to *int }

func (count) inText(s string) (raw, error) { return single{}.inText(s) }
func (v count) show() string               { return strconv.Itoa(*v.to) }
func (v count) set(r raw) error {
	n := int64(*v.to)
	if err := (number{&n}).set(r); err != nil {
		return err
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return fmt.Errorf("%d is out of range", n)
	}
	*v.to = int(n)
	return nil
}

type duration struct{ to *time.Duration }

func (duration) inText(s string) (raw, error) { return single{}.inText(s) }
func (v duration) show() string               { return showDuration(*v.to) }
func (v duration) set(r raw) error {
	s, err := r.single()
	if err != nil {
		return err
	}
	d, err := parseDuration(s)
	if err == nil {
		*v.to = d
	}
	return err
}

// parseDuration reads 30s, 1h30m and also whole days: 7d.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 32); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration; write a number and a unit: 500ms, 30s, 10m, 2h, 7d", s)
	}
	return d, nil
}

func showDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// size is a number of bytes.
type size struct{ to *int64 }

var units = []struct {
	suffix string
	factor int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

func (size) inText(s string) (raw, error) { return single{}.inText(s) }

func (v size) show() string {
	for i := 3; i >= 0; i-- {
		if u := units[i]; *v.to >= u.factor && *v.to%u.factor == 0 {
			return strconv.FormatInt(*v.to/u.factor, 10) + u.suffix
		}
	}
	return strconv.FormatInt(*v.to, 10)
}

func (v size) set(r raw) error {
	s, err := r.single()
	if err != nil {
		return err
	}
	digits, factor := s, int64(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			digits, factor = strings.TrimSpace(n), u.factor
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return fmt.Errorf("%q is no size; write bytes or a unit: 1048576, 64MiB, 2GB", s)
	}
	*v.to = n * factor
	return nil
}

// list is a list of texts; in one text they are separated by commas.
type list struct{ to *[]string }

func (list) inText(s string) (raw, error) {
	r := raw{list: []string{}}
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			r.list = append(r.list, item)
		}
	}
	return r, nil
}

func (v list) show() string { return strings.Join(*v.to, ",") }

func (v list) set(r raw) error {
	if r.pairs != nil {
		return errors.New("a list is expected: [a, b], lines that start with `- `, or one text with commas")
	}
	if r.list == nil {
		var err error
		if r, err = v.inText(r.text); err != nil {
			return err
		}
	}
	*v.to = r.list
	return nil
}

// durations are durations by name; in one text: cpu=5s,disk=30s.
type durations struct{ to *map[string]time.Duration }

func (durations) inText(s string) (raw, error) {
	items, err := list{}.inText(s)
	if err != nil {
		return raw{}, err
	}
	r := raw{pairs: map[string]string{}}
	for _, item := range items.list {
		name, d, ok := strings.Cut(item, "=")
		if !ok {
			return raw{}, fmt.Errorf("%q is no pair; write name=duration", item)
		}
		r.pairs[strings.TrimSpace(name)] = strings.TrimSpace(d)
	}
	return r, nil
}

func (v durations) show() string {
	var out []string
	for _, name := range sortedKeys(*v.to) {
		out = append(out, name+"="+showDuration((*v.to)[name]))
	}
	return strings.Join(out, ",")
}

func (v durations) set(r raw) error {
	if r.pairs == nil {
		return errors.New("lines of `name: duration` are expected")
	}
	m := make(map[string]time.Duration, len(r.pairs))
	for _, name := range sortedKeys(r.pairs) {
		d, err := parseDuration(r.pairs[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		m[name] = d
	}
	*v.to = m
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
