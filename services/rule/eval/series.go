package eval

import (
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// The series that alerts have, as in Prometheus.
const (
	alertsSeries    = "ALERTS"
	forStateSeries  = "ALERTS_FOR_STATE"
	alertStateLabel = "alertstate"
)

// record adds the samples of an alert that was moved on, and stale markers for the
// series that it has no more.
func (m *machine) record(s *slot, before alert.State, t int64, out *outcome) {
	t -= m.offset
	now := alert.Inactive
	if s.alert != nil && s.alert.State != alert.Resolved {
		now = s.alert.State
		out.samples = append(out.samples,
			query.Sample{Labels: m.stateLabels(s, now), T: t, V: 1},
			query.Sample{Labels: m.seriesLabels(s, forStateSeries), T: t, V: float64(s.alert.Active / 1000)})
	}
	// What was made in this step has no series yet, and what was over has none any more.
	if s.since == m.steps || before == alert.Resolved || before == now {
		return
	}
	out.samples = append(out.samples, query.Sample{Labels: m.stateLabels(s, before), T: t, V: metric.Stale()})
	if now == alert.Inactive {
		out.samples = append(out.samples, query.Sample{Labels: m.seriesLabels(s, forStateSeries), T: t, V: metric.Stale()})
	}
}

// seriesLabels returns the labels of a series of the alert. As in Prometheus, a label
// of the rule whose template yields nothing is there with the template's text.
func (m *machine) seriesLabels(s *slot, name string) metric.Labels {
	labels := make([]metric.Label, 0, len(m.labels)+len(s.labels)+1)
	for _, t := range m.labels {
		labels = append(labels, metric.Label{Name: t.name, Value: m.rule.Labels[t.name]})
	}
	labels = append(labels, s.labels...)
	return metric.NewLabels(append(labels, metric.Label{Name: metric.NameLabel, Value: name})...)
}

func (m *machine) stateLabels(s *slot, state alert.State) metric.Labels {
	return m.seriesLabels(s, alertsSeries).With(metric.Label{Name: alertStateLabel, Value: string(state)})
}
