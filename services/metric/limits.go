package metric

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits bound what a sender may define and send. Each error names the limit.
type Limits struct {
	NameBytes    int           // of a metric's or label's name
	ValueBytes   int           // of a label's value
	HelpBytes    int           // of a help text or a unit
	EntityLabels int           // labels of an entity, the server's included
	ColumnLabels int           // labels of a column
	Columns      int           // columns of a schema
	Future       time.Duration // how far a timestamp may be ahead of the server's clock
	Past         time.Duration `yaml:"-"` // how old a sample may be: the retention
}

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
		return refuse("schema_empty", "the schema has no columns; send at least one")
	}
	if len(s.Columns) > l.Columns {
		return refuse("schema_too_wide", "the schema has %d columns, the limit is %d; make an entity of what comes and goes", len(s.Columns), l.Columns)
	}
	seen := make(map[string]bool, len(s.Columns))
	for i := range s.Columns {
		c := &s.Columns[i]
		if r := l.checkColumn(c); r != nil {
			return r
		}
		key := string(appendLabels(appendString(nil, c.Name), c.Labels))
		if seen[key] {
			return refuse("column_twice", "column %d: metric %q with labels %v stands twice in the schema", i, c.Name, c.Labels)
		}
		seen[key] = true
	}
	return nil
}

func (l *Limits) checkColumn(c *Column) *Refusal {
	if !ValidMetricName(c.Name) {
		return refuse("metric_name_invalid", "metric name %q: use letters, digits, _ and :, not starting with a digit", clip(c.Name))
	}
	if len(c.Name) > l.NameBytes {
		return refuse("metric_name_too_long", "metric name %q has %d bytes, the limit is %d", clip(c.Name), len(c.Name), l.NameBytes)
	}
	for _, text := range []string{c.Unit, c.Help} {
		if len(text) > l.HelpBytes || !utf8.ValidString(text) {
			return refuse("help_invalid", "metric %q: unit and help must be UTF-8 of at most %d bytes", c.Name, l.HelpBytes)
		}
	}
	if len(c.Labels) > l.ColumnLabels {
		return refuse("column_labels_too_many", "metric %q has %d column labels, the limit is %d", c.Name, len(c.Labels), l.ColumnLabels)
	}
	return l.checkLabels(c.Labels, "metric "+c.Name)
}

// CheckEntity returns nil or the first thing wrong with an entity as it was sent,
// before the server adds its own labels.
func (l *Limits) CheckEntity(e *Entity) *Refusal {
	if len(e.Labels) > l.EntityLabels {
		return refuse("entity_labels_too_many", "the entity has %d labels, the limit is %d", len(e.Labels), l.EntityLabels)
	}
	return l.checkLabels(e.Labels, "entity")
}

func (l *Limits) checkLabels(ls Labels, where string) *Refusal {
	for i, lb := range ls {
		switch {
		case !ValidLabelName(lb.Name):
			return refuse("label_name_invalid", "%s: label name %q: use letters, digits and _, not starting with a digit", where, clip(lb.Name))
		case len(lb.Name) > l.NameBytes:
			return refuse("label_name_too_long", "%s: label name %q has %d bytes, the limit is %d", where, clip(lb.Name), len(lb.Name), l.NameBytes)
		case Reserved(lb.Name):
			return refuse("label_reserved", "%s: label %q is set by the server; leave it out", where, lb.Name)
		case !utf8.ValidString(lb.Value):
			return refuse("label_value_invalid", "%s: the value of label %q is not UTF-8", where, lb.Name)
		case len(lb.Value) > l.ValueBytes:
			return refuse("label_value_too_long", "%s: the value of label %q has %d bytes, the limit is %d", where, lb.Name, len(lb.Value), l.ValueBytes)
		case i > 0 && ls[i-1].Name == lb.Name:
			return refuse("label_twice", "%s: label %q stands twice", where, lb.Name)
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
				return refuse("label_on_both", "label %q stands on the entity and on column %q; name one of them differently", l.Name, s.Columns[i].Name)
			}
		}
	}
	return nil
}

// CheckTime returns a refusal for a timestamp outside what is kept.
func (l *Limits) CheckTime(t int64, now time.Time) *Refusal {
	if t > now.Add(l.Future).UnixMilli() {
		ahead := time.UnixMilli(t).Sub(now) // saturates
		return refuse("timestamp_in_future", "timestamp %s is %s ahead of the server's clock, the limit is %s; set the sender's clock",
			time.UnixMilli(t).UTC().Format(time.RFC3339), ahead.Round(time.Second), l.Future)
	}
	if t < now.Add(-l.Past).UnixMilli() {
		return refuse("timestamp_before_retention", "timestamp %s is older than the retention of %s",
			time.UnixMilli(t).UTC().Format(time.RFC3339), l.Past)
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
