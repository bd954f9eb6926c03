package control

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

// Bounds on what agents and operators may store.
const (
	maxHostName = 255
	maxHostID   = 128
	maxWord     = 64  // operating system, architecture, version
	maxText     = 256 // descriptions
	maxTags     = 20
	maxTagName  = 200
	maxTagValue = 1024
	maxTargets  = 1000
	maxTargetID = 200
)

// facts are the labels that an agent's data gets. They are replaced as a whole.
type facts struct {
	labels  metric.Labels
	targets map[string]metric.Labels
}

// factsOf returns the labels of an agent: stable ones only, whose change makes
// new series.
func factsOf(a *Agent) *facts {
	labels := []metric.Label{{Name: "host_name", Value: a.HostName}, {Name: "host_id", Value: a.HostID}, {Name: "os_type", Value: a.OSType}}
	for k, v := range a.Tags {
		labels = append(labels, metric.Label{Name: k, Value: v})
	}
	f := &facts{labels: metric.NewLabels(labels...), targets: make(map[string]metric.Labels, len(a.Targets))}
	for _, t := range a.Targets {
		f.targets[t] = metric.NewLabels(metric.Label{Name: "target", Value: t})
	}
	return f
}

func (f *facts) equal(other *facts) bool {
	return slices.Equal(f.labels, other.labels) && maps.EqualFunc(f.targets, other.targets, slices.Equal[metric.Labels])
}

// checkTags returns what is wrong with the operator's tags. They become labels of
// every series of the agent, so the rules of labels hold.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fault.New(fault.Invalid, "tags_too_many", "tags: %d tags, the limit is %d: leave some out", len(tags), maxTags)
	}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if err := checkTag(k, tags[k]); err != nil {
			return err
		}
	}
	return nil
}

func checkTag(name, value string) error {
	switch {
	case !metric.ValidLabelName(name):
		return fault.New(fault.Invalid, "label_name_invalid", "tags: label name %q is not valid: use letters, digits and _, not starting with a digit", clip(name))
	case len(name) > maxTagName:
		return fault.New(fault.Invalid, "label_name_too_long", "tags: label name %q has %d bytes, the limit is %d: shorten it", clip(name), len(name), maxTagName)
	case metric.Reserved(name):
		return fault.New(fault.Invalid, "label_reserved", "tags: label %q is set by the server: take another name", clip(name))
	case value == "":
		return fault.New(fault.Invalid, "tag_empty", "tags: %q has no value: give it one or leave it out", clip(name))
	case !storable(value):
		return fault.New(fault.Invalid, "tag_invalid", "tags: the value of %q is not UTF-8 or contains a NUL character: use text", clip(name))
	case len(value) > maxTagValue:
		return fault.New(fault.Invalid, "label_value_too_long", "tags: the value of %q has %d bytes, the limit is %d: shorten it", clip(name), len(value), maxTagValue)
	}
	return nil
}

// checkTargets returns what is wrong with ids of targets.
func checkTargets(targets []string) error {
	if len(targets) > maxTargets {
		return fault.New(fault.Invalid, "targets_too_many", "targets: %d targets, the limit is %d an agent: give some to another agent", len(targets), maxTargets)
	}
	seen := make(map[string]bool, len(targets))
	for _, t := range targets {
		if !validTarget(t) {
			return fault.New(fault.Invalid, "target_invalid", "targets: %q is not valid: use 1 to %d letters, digits and . _ - : /", clip(t), maxTargetID)
		}
		if seen[t] {
			return fault.New(fault.Invalid, "target_twice", "targets: %q stands twice: leave one out", clip(t))
		}
		seen[t] = true
	}
	return nil
}

func validTarget(t string) bool {
	for _, c := range t {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-:/", c) {
			return false
		}
	}
	return t != "" && len(t) <= maxTargetID
}

// field is a text that a peer sent.
type field struct {
	name, value string
	limit       int
}

// checkText returns what is wrong with texts that a peer sent about itself.
func checkText(fields ...field) error {
	for _, f := range fields {
		switch {
		case len(f.value) > f.limit:
			return fault.New(fault.Invalid, f.name+"_too_long", "%s: %d bytes, the limit is %d: shorten it", f.name, len(f.value), f.limit)
		case !utf8.ValidString(f.value) || strings.ContainsFunc(f.value, control):
			return fault.New(fault.Invalid, f.name+"_invalid", "%s: use UTF-8 text without control characters", f.name)
		}
	}
	return nil
}

// storable tells whether every database can keep the text.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func control(r rune) bool { return r < 0x20 || r == 0x7f }

func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
