package metric

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits bound what a sender may define and send. They are a section of the
// server's settings, and each refusal names the setting.
type Limits struct {
	// NameBytes is the longest name that a metric or a label may have, in bytes.
	NameBytes int
	// ValueBytes is the longest value that a label may have, in bytes.
	ValueBytes int
	// HelpBytes is the longest help text or unit that a metric may have, in bytes.
	HelpBytes int
	// EntityLabels is how many labels an entity (a host, a disk, a process) may
	// have, those that the server adds included.
	EntityLabels int
	// ColumnLabels is how many labels a column of a schema may have besides those
	// of the entity.
	ColumnLabels int
	// Columns is how many columns a schema may have: how many values are sent
	// together about one entity.
	Columns int
	// Future is how far ahead of the server's clock a sample's time may be. What
	// is further ahead is refused.
	Future time.Duration
	// Past is how old a sample may be: the retention.
	Past time.Duration `yaml:"-"`
}

// settingPrefix is where Limits stand in the server's settings, and
// retentionSetting where Past comes from: a refusal names the setting in full, so
// that it can be looked up.
const (
	settingPrefix    = "collector.limits."
	retentionSetting = "tsdb.retention"
)

// maxColumns is what the formats of records and chunks can hold.
const maxColumns = 65_535

// Validate returns every limit that nothing could keep.
func (l *Limits) Validate() error {
	var errs []error
	for _, n := range []struct {
		key   string
		value int
	}{
		{"name_bytes", l.NameBytes}, {"value_bytes", l.ValueBytes}, {"help_bytes", l.HelpBytes},
		{"entity_labels", l.EntityLabels}, {"column_labels", l.ColumnLabels}, {"columns", l.Columns},
	} {
		if n.value < 1 {
			errs = append(errs, fmt.Errorf("%s: %d is no limit; give at least 1", n.key, n.value))
		}
	}
	if l.Columns > maxColumns {
		errs = append(errs, fmt.Errorf("columns: %d is more than can be stored; give at most %d", l.Columns, maxColumns))
	}
	if l.Future < time.Second {
		errs = append(errs, fmt.Errorf("future: %s is too short; give at least 1s", l.Future))
	}
	return errors.Join(errs...)
}

// DefaultLimits are generous for probes and stop what only a mistake makes.
func DefaultLimits() Limits {
	return Limits{
		NameBytes: 200, ValueBytes: 1024, HelpBytes: 1024,
		EntityLabels: 40, ColumnLabels: 10, Columns: 500,
		Future: 10 * time.Minute, Past: 30 * 24 * time.Hour,
	}
}

// Refusal says why a definition or a frame is not accepted.
type Refusal struct {
	Reason  string // stable id, such as label_name_invalid
	Message string // what, where and what to do
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

func refuse(reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// reasons are those of all refusals in this package. [Reasons] gives them away.
var reasons = [...]string{
	"schema_empty", "schema_too_wide", "column_twice", "column_labels_too_many",
	"metric_name_invalid", "metric_name_too_long", "help_invalid",
	"entity_labels_too_many", "label_name_invalid", "label_name_too_long", "label_reserved",
	"label_value_invalid", "label_value_too_long", "label_twice", "label_on_both",
	"timestamp_in_future", "timestamp_before_retention",
}

// Reasons returns the reason ids that the checks here refuse with, so that a
// counter can show each of them at zero before it happens for the first time.
func Reasons() []string { return slices.Clone(reasons[:]) }

// Reserved tells whether a label name is kept for the server: senders may not
// use it. Names with two leading underscores are reserved as in Prometheus.
func Reserved(name string) bool {
	switch name {
	case "host_name", "host_id", "os_type", "source", "target":
		return true
	}
	return strings.HasPrefix(name, "__")
}

// CheckSchema returns nil or the first thing wrong with the schema.
func (l *Limits) CheckSchema(s *Schema) *Refusal {
	if len(s.Columns) == 0 {
		return refuse("schema_empty", "the schema has no columns: define at least one")
	}
	if len(s.Columns) > l.Columns {
		return refuse("schema_too_wide", "the schema has %d columns, the limit is %d (%scolumns): make an entity of what comes and goes, or raise the setting", len(s.Columns), l.Columns, settingPrefix)
	}
	seen := make(map[string]bool, len(s.Columns))
	for i := range s.Columns {
		c := &s.Columns[i]
		if r := l.checkColumn(c); r != nil {
			return r
		}
		key := string(appendLabels(appendString(nil, c.Name), c.Labels))
		if seen[key] {
			return refuse("column_twice", "column %d: metric %q with the same labels stands twice in the schema: leave one out, or tell them apart by a label", i, c.Name)
		}
		seen[key] = true
	}
	return nil
}

func (l *Limits) checkColumn(c *Column) *Refusal {
	if !ValidMetricName(c.Name) {
		return refuse("metric_name_invalid", "metric name %q is not valid: use letters, digits, _ and :, not starting with a digit", clip(c.Name))
	}
	if len(c.Name) > l.NameBytes {
		return refuse("metric_name_too_long", "metric name %q has %d bytes, the limit is %d (%sname_bytes): shorten it, or raise the setting", clip(c.Name), len(c.Name), l.NameBytes, settingPrefix)
	}
	if r := l.checkText(c, "help", c.Help); r != nil {
		return r
	}
	if r := l.checkText(c, "unit", c.Unit); r != nil {
		return r
	}
	if len(c.Labels) > l.ColumnLabels {
		return refuse("column_labels_too_many", "metric %q has %d column labels, the limit is %d (%scolumn_labels): put what comes and goes on the entity, or raise the setting", clip(c.Name), len(c.Labels), l.ColumnLabels, settingPrefix)
	}
	return l.checkLabels(c.Labels, "metric "+clip(c.Name))
}

// checkText checks the help or the unit of a column; what says which.
func (l *Limits) checkText(c *Column, what, text string) *Refusal {
	if len(text) > l.HelpBytes {
		return refuse("help_invalid", "metric %q: the %s has %d bytes, the limit is %d (%shelp_bytes): shorten it, or raise the setting", clip(c.Name), what, len(text), l.HelpBytes, settingPrefix)
	}
	if !utf8.ValidString(text) {
		return refuse("help_invalid", "metric %q: the %s is not UTF-8: encode it so", clip(c.Name), what)
	}
	return nil
}

// CheckEntity returns nil or the first thing wrong with an entity as it was sent,
// before the server adds its own labels.
func (l *Limits) CheckEntity(e *Entity) *Refusal {
	if len(e.Labels) > l.EntityLabels {
		return refuse("entity_labels_too_many", "the entity has %d labels, the limit is %d (%sentity_labels): leave some out, or raise the setting", len(e.Labels), l.EntityLabels, settingPrefix)
	}
	return l.checkLabels(e.Labels, "entity")
}

func (l *Limits) checkLabels(ls Labels, where string) *Refusal {
	for i, lb := range ls {
		switch {
		case !ValidLabelName(lb.Name):
			return refuse("label_name_invalid", "%s: label name %q is not valid: use letters, digits and _, not starting with a digit", where, clip(lb.Name))
		case len(lb.Name) > l.NameBytes:
			return refuse("label_name_too_long", "%s: label name %q has %d bytes, the limit is %d (%sname_bytes): shorten it, or raise the setting", where, clip(lb.Name), len(lb.Name), l.NameBytes, settingPrefix)
		case Reserved(lb.Name):
			return refuse("label_reserved", "%s: label %q is set by the server: leave it out", where, clip(lb.Name))
		case !utf8.ValidString(lb.Value):
			return refuse("label_value_invalid", "%s: the value of label %q is not UTF-8: encode it so", where, clip(lb.Name))
		case len(lb.Value) > l.ValueBytes:
			return refuse("label_value_too_long", "%s: the value of label %q has %d bytes, the limit is %d (%svalue_bytes): shorten it, or raise the setting", where, clip(lb.Name), len(lb.Value), l.ValueBytes, settingPrefix)
		case i > 0 && ls[i-1].Name == lb.Name:
			return refuse("label_twice", "%s: label %q stands twice: leave one out", where, clip(lb.Name))
		}
	}
	return nil
}

// CheckPair returns a refusal if a label stands on both the entity and a column
// of the schema: the series would have two values for it.
func CheckPair(e *Entity, s *Schema) *Refusal {
	for i := range s.Columns {
		for _, l := range s.Columns[i].Labels {
			if e.Labels.Has(l.Name) {
				return refuse("label_on_both", "label %q stands on the entity and on column %q: name one of them differently", clip(l.Name), clip(s.Columns[i].Name))
			}
		}
	}
	return nil
}

// CheckTime returns a refusal for a timestamp outside what is kept.
func (l *Limits) CheckTime(t int64, now time.Time) *Refusal {
	if t > now.Add(l.Future).UnixMilli() {
		ahead := time.UnixMilli(t).Sub(now) // saturates
		return refuse("timestamp_in_future", "timestamp %s is %s ahead of the server's clock, the limit is %s (%sfuture): set the clock of the sender, or raise the setting",
			time.UnixMilli(t).UTC().Format(time.RFC3339), ahead.Round(time.Second), l.Future, settingPrefix)
	}
	if t < now.Add(-l.Past).UnixMilli() {
		return refuse("timestamp_before_retention", "timestamp %s is older than the retention of %s (%s): send newer data, or raise the setting",
			time.UnixMilli(t).UTC().Format(time.RFC3339), l.Past, retentionSetting)
	}
	return nil
}

// ValidMetricName tells whether the name has Prometheus' classic form.
func ValidMetricName(name string) bool { return validName(name, true) }

// ValidLabelName tells whether the name has Prometheus' classic form.
func ValidLabelName(name string) bool { return validName(name, false) }

func validName(name string, colon bool) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || colon && c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// clip shortens text of a sender for a message.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
