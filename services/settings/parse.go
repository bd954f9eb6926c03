package settings

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Secret is text that is never shown: it prints as ***.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret in %#v too.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret in JSON, YAML and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

var (
	durationType = reflect.TypeFor[time.Duration]()
	stringsType  = reflect.TypeFor[[]string]()
	mapType      = reflect.TypeFor[map[string]string]()
)

// isLeaf tells whether a setting can have the type.
func isLeaf(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return t == stringsType || t == mapType
}

// parse sets v from text. Lists are separated by commas, maps are name=value
// pairs separated by commas.
func parse(v reflect.Value, path, text string) error {
	text = strings.TrimSpace(text)
	switch {
	case v.Type() == durationType:
		return parseDuration(v, text)
	case v.Type() == stringsType:
		v.Set(reflect.ValueOf(splitList(text)))
		return nil
	case v.Type() == mapType:
		return parseMap(v, text)
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
		return nil
	case v.Kind() == reflect.Bool:
		return parseBool(v, text)
	case v.CanFloat():
		return parseFloat(v, text)
	}
	return parseInteger(v, text, strings.HasSuffix(path, "_bytes"))
}

func parseDuration(v reflect.Value, text string) error {
	d, err := ParseDuration(text)
	if err != nil {
		return err
	}
	v.SetInt(int64(d))
	return nil
}

// ParseDuration reads a duration such as 30s, 1h30m, 15d or 2w.
func ParseDuration(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		n, ok := strings.CutSuffix(text, unit)
		if !ok {
			continue
		}
		if f, err := strconv.ParseFloat(n, 64); err == nil && math.Abs(f*float64(length)) < math.MaxInt64 {
			return time.Duration(f * float64(length)), nil
		}
	}
	return 0, fmt.Errorf("%q is no duration; write a number and a unit: 500ms, 30s, 10m, 2h, 15d", text)
}

func parseBool(v reflect.Value, text string) error {
	switch text {
	case "true":
		v.SetBool(true)
	case "false":
		v.SetBool(false)
	default:
		return fmt.Errorf("%q is neither true nor false", text)
	}
	return nil
}

func parseFloat(v reflect.Value, text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%q is no number", text)
	}
	v.SetFloat(f)
	return nil
}

var byteUnits = []struct {
	suffix string
	factor int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

func parseInteger(v reflect.Value, text string, bytes bool) error {
	number, factor := strings.ReplaceAll(text, "_", ""), int64(1)
	if bytes {
		for _, u := range byteUnits {
			if n, ok := strings.CutSuffix(number, u.suffix); ok {
				number, factor = strings.TrimSpace(n), u.factor
				break
			}
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil && errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%s is too large", text)
	case err != nil && bytes:
		return fmt.Errorf("%q is no size; write bytes or a unit: 1048576, 64MiB, 2GB", text)
	case err != nil:
		return fmt.Errorf("%q is no whole number", text)
	}
	return setInteger(v, n, factor, text)
}

func setInteger(v reflect.Value, n, factor int64, text string) error {
	if n > math.MaxInt64/factor || n < math.MinInt64/factor {
		return fmt.Errorf("%s is too large", text)
	}
	n *= factor
	switch {
	case v.CanInt() && v.OverflowInt(n):
		return fmt.Errorf("%s is too large", text)
	case v.CanInt():
		v.SetInt(n)
	case n < 0:
		return fmt.Errorf("%s is negative; write 0 or more", text)
	case v.OverflowUint(uint64(n)):
		return fmt.Errorf("%s is too large", text)
	default:
		v.SetUint(uint64(n))
	}
	return nil
}

func parseMap(v reflect.Value, text string) error {
	m := map[string]string{}
	for _, pair := range splitList(text) {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is no name=value pair", pair)
		}
		m[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	v.Set(reflect.ValueOf(m))
	return nil
}

// splitList splits at commas and drops what is empty.
func splitList(text string) []string {
	list := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}
