package ruletest

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
)

// shown is an alert as it is compared.
type shown struct{ labels, annotations map[string]string }

// compareAlerts notes a failure if other alerts fire than are expected.
func (s *suite) compareAlerts(t alertTest, firing []alert.Alert) {
	var expected, got []shown
	for _, a := range t.ExpAlerts {
		labels := maps.Clone(a.ExpLabels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels[alert.NameLabel] = t.Alertname
		expected = append(expected, shown{labels, a.ExpAnnotations})
	}
	for _, a := range firing {
		got = append(got, shown{labelMap(a.Labels), a.Annotations})
	}
	sortShown(expected)
	sortShown(got)
	if slices.EqualFunc(expected, got, equalShown) {
		return
	}
	name := ""
	if s.test.Name != "" {
		name = fmt.Sprintf("    name: %s,\n", s.test.Name)
	}
	s.failures = append(s.failures, fmt.Sprintf("%s    alertname: %s, time: %s, \n        exp:%s, \n        got:%s",
		name, t.Alertname, t.EvalTime, showAll(expected), showAll(got)))
}

func labelMap(ls metric.Labels) map[string]string {
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[l.Name] = l.Value
	}
	return m
}

func equalShown(a, b shown) bool {
	return maps.Equal(a.labels, b.labels) && maps.Equal(a.annotations, b.annotations)
}

func sortShown(all []shown) {
	slices.SortFunc(all, func(a, b shown) int {
		return cmp.Or(cmp.Compare(textOf(a.labels), textOf(b.labels)), cmp.Compare(textOf(a.annotations), textOf(b.annotations)))
	})
}

func showAll(all []shown) string {
	if len(all) == 0 {
		return "[]"
	}
	var b strings.Builder
	b.WriteString("[")
	for i, a := range all {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n            %d:\n              Labels:%s\n              Annotations:%s", i, textOf(a.labels), textOf(a.annotations))
	}
	b.WriteString("\n            ]")
	return b.String()
}

func textOf(m map[string]string) string {
	parts := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, name+"="+strconv.Quote(m[name]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// text returns labels as they are written.
func text(ls metric.Labels) string { return textOf(labelMap(ls)) }

// compareSamples notes a failure if an expression has other samples than are expected.
func (s *suite) compareSamples(t exprTest, got query.Vector) {
	expected := make(query.Vector, 0, len(t.ExpSamples))
	for _, e := range t.ExpSamples {
		sample, err := e.sample()
		if err != nil {
			s.failures = append(s.failures, fmt.Sprintf("    expr: %q, time: %s, err: labels %q: %s", t.Expr, t.EvalTime, e.Labels, err))
			return
		}
		expected = append(expected, sample)
	}
	byLabels := func(a, b query.Sample) int { return metric.Compare(a.Labels, b.Labels) }
	slices.SortFunc(expected, byLabels)
	slices.SortFunc(got, byLabels)
	if !slices.EqualFunc(expected, got, s.equalSample) {
		s.failures = append(s.failures, fmt.Sprintf("    expr: %q, time: %s,\n        exp: %s\n        got: %s", t.Expr, t.EvalTime, showSamples(expected), showSamples(got)))
	}
}

func (e *expectedSample) sample() (query.Sample, error) {
	labels, err := query.ParseLabels(e.Labels)
	if err != nil || e.Histogram == "" {
		return query.Sample{Labels: labels, V: e.Value}, err
	}
	_, values, err := query.ParseSeries("{} " + e.Histogram)
	switch {
	case err != nil:
		return query.Sample{}, err
	case len(values) != 1:
		return query.Sample{}, fmt.Errorf("the histogram has %d values, not one", len(values))
	case values[0].H == nil:
		return query.Sample{}, fmt.Errorf("expected histogram, got %g", values[0].V)
	}
	return query.Sample{Labels: labels, V: e.Value, H: values[0].H}, nil
}

// equalSample compares as promtool does: a value is not equal to itself if it is no
// number, and with fuzzy_compare the last bit does not count.
func (s *suite) equalSample(a, b query.Sample) bool {
	if metric.Compare(a.Labels, b.Labels) != 0 {
		return false
	}
	if a.H != nil || b.H != nil {
		return a.H != nil && b.H != nil && a.H.String() == b.H.String() && a.V == b.V
	}
	return a.V == b.V || s.fuzzy && (math.Nextafter(a.V, math.Inf(-1)) == b.V || math.Nextafter(a.V, math.Inf(1)) == b.V)
}

func showSamples(v query.Vector) string {
	if len(v) == 0 {
		return "nil"
	}
	parts := make([]string, len(v))
	for i, s := range v {
		name, labels := s.Labels.Get(metric.NameLabel), labelMap(s.Labels)
		delete(labels, metric.NameLabel)
		if name == "" || len(labels) > 0 {
			name += textOf(labels)
		}
		if s.H != nil {
			parts[i] = name + " " + s.H.String()
			continue
		}
		parts[i] = name + " " + strconv.FormatFloat(s.V, 'E', -1, 64)
	}
	return strings.Join(parts, ", ")
}
