package probe

import "github.com/esolutions/esmon/services/metric"

// Counter returns a column that only grows. Name, unit and the alternating
// names and values of attributes are those of the OpenTelemetry conventions,
// or begin with "esmon." where these have none.
func Counter(name, unit, help string, attributes ...string) metric.Column {
	return column(metric.Counter, name, unit, help, attributes)
}

// Gauge returns a column that goes up and down. See [Counter].
func Gauge(name, unit, help string, attributes ...string) metric.Column {
	return column(metric.Gauge, name, unit, help, attributes)
}

// Info returns a column that is always 1: the entity's labels carry the facts.
func Info(name, help string) metric.Column {
	return column(metric.Info, name, "", help, nil)
}

// Schema returns the schema of the columns.
func Schema(columns ...metric.Column) *metric.Schema { return &metric.Schema{Columns: columns} }

// Label returns a label set of one label, the usual identity of a thing.
func Label(name, value string) metric.Labels {
	return metric.NewLabels(metric.Label{Name: name, Value: value})
}

func column(t metric.Type, name, unit, help string, attributes []string) metric.Column {
	labels := make([]metric.Label, 0, len(attributes)/2)
	for i := 0; i+1 < len(attributes); i += 2 {
		labels = append(labels, metric.Label{Name: metric.LabelName(attributes[i]), Value: attributes[i+1]})
	}
	return metric.Column{
		Name: metric.Translate(name, unit, t), Type: t, Unit: unit, Help: help,
		Labels: metric.NewLabels(labels...),
	}
}
