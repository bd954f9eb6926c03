package settings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Description is one setting or section, for the reference.
type Description struct {
	Path    string // http.address; "" for the root
	Section bool
	Value   string // as it is written in YAML; secrets as ***
	// Owner and Field are where it is declared: the field's comment is its
	// documentation. The root has none.
	Owner reflect.Type
	Field string
}

// Describe returns the sections in the order of their declaration, each followed
// by its own settings.
func (s *Set) Describe() []Description {
	var out []Description
	for i, x := range s.sections {
		if i > 0 && slices.ContainsFunc(s.sections[:i], func(y section) bool { return y.path == x.path }) {
			continue // inlined: its settings are in the list already
		}
		out = append(out, Description{Path: x.path, Section: true, Owner: x.decl.owner, Field: x.decl.field})
		for _, l := range s.leaves {
			if parent, _ := cutLast(l.path); parent == x.path {
				out = append(out, Description{Path: l.path, Value: valueText(l), Owner: l.decl.owner, Field: l.decl.field})
			}
		}
	}
	return out
}

func cutLast(path string) (parent, name string) {
	i := strings.LastIndexByte(path, '.')
	return path[:max(i, 0)], path[i+1:]
}

func valueText(l *leaf) string {
	v := l.value.Interface()
	switch v := v.(type) {
	case time.Duration:
		return durationText(v)
	case []string:
		return "[" + strings.Join(v, ", ") + "]"
	case map[string]string:
		if len(v) == 0 {
			return "{}"
		}
		return strings.TrimPrefix(fmt.Sprint(v), "map")
	}
	if l.value.CanInt() && strings.HasSuffix(l.path, "_bytes") {
		return bytesText(l.value.Int())
	}
	return fmt.Sprint(v)
}

// durationText writes 30d rather than 720h0m0s.
func durationText(d time.Duration) string {
	const day = 24 * time.Hour
	if d != 0 && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func bytesText(n int64) string {
	for i := len(byteUnits) - 1; i >= 0; i-- {
		u := byteUnits[i]
		if strings.HasSuffix(u.suffix, "iB") && n != 0 && n%u.factor == 0 {
			return fmt.Sprintf("%d%s", n/u.factor, u.suffix)
		}
	}
	return fmt.Sprint(n)
}
