package eval

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
)

// element is a label set that expressions of a rule result in. Each has one, so that
// what is derived from the labels is derived once.
type element struct {
	labels metric.Labels
	match  string // what it has in common with the alert made of it; see machine.matchOf
	seen   uint64 // mark of a watch

	slot     *slot  // the alert of it: for any value, or for the one below
	bits     uint64 // the value's
	recorded *recorded
}

// elements are those of a rule, by their labels.
type elements struct {
	known map[string]*element
	match func(metric.Labels) string
	marks uint64
}

// mark returns a mark that no element has.
func (es *elements) mark() uint64 {
	es.marks++
	return es.marks
}

// maxElements is how many elements are remembered; with more, all are found anew.
const maxElements = 200_000

func (es *elements) of(labels metric.Labels) *element {
	key := labelsKey(labels)
	e := es.known[key]
	if e == nil {
		e = &element{labels: labels}
		if es.match != nil {
			e.match = es.match(labels)
		}
		es.known[key] = e
	}
	return e
}

// obs is an element with its value at a time.
type obs struct {
	e *element
	v float64
	h *query.Histogram // in place of v, if not nil
}

// template is a text of a rule with its name.
type template struct {
	name     string
	parsed   *rule.Template
	varies   bool // it is not the same for all elements
	volatile bool // it may differ though labels and value are the same
}

func newTemplates(r *rule.Rule, texts map[string]string) ([]template, error) {
	var all []template
	for name, text := range texts {
		parsed, err := rule.NewTemplate(rule.TemplateName(r.Alert), text)
		if err != nil {
			return nil, err //nolint:wrapcheck // it names the template
		}
		t := template{name: name, parsed: parsed, varies: strings.Contains(text, "{{")}
		t.volatile = t.varies && (strings.Contains(text, "query") || strings.Contains(text, "now"))
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b template) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

func varies(ts []template) bool {
	return slices.ContainsFunc(ts, func(t template) bool { return t.varies })
}

func volatile(ts []template) bool {
	return slices.ContainsFunc(ts, func(t template) bool { return t.volatile })
}

// expansion is what templates are expanded with, for one element at a time.
type expansion struct {
	ctx  context.Context //nolint:containedctx // it lives as long as one step
	data rule.Data
}

func (m *machine) expansion(ctx context.Context, o obs, t int64, env Env) *expansion {
	labels := make(map[string]string, len(o.e.labels))
	for _, l := range o.e.labels {
		labels[l.Name] = l.Value
	}
	now := time.UnixMilli(t).UTC()
	return &expansion{ctx, rule.Data{
		Labels: labels, ExternalLabels: m.opt.ExternalLabels, ExternalURL: m.opt.ExternalURL, Value: o.v, Now: now,
		Query: func(ctx context.Context, expr string) ([]rule.Sample, error) {
			v, err := env.Querier.Instant(ctx, expr, now)
			return templateSamples(v), err //nolint:wrapcheck // it is shown to whoever wrote the template
		},
	}}
}

func templateSamples(v query.Vector) []rule.Sample {
	out := make([]rule.Sample, len(v))
	for i, s := range v {
		labels := make(map[string]string, len(s.Labels))
		for _, l := range s.Labels {
			labels[l.Name] = l.Value
		}
		out[i] = rule.Sample{Labels: labels, Value: s.V}
	}
	return out
}

// expand returns the text; one that cannot be made says why, as Prometheus has it.
func (x *expansion) expand(t template) string {
	text, err := t.parsed.Expand(x.ctx, x.data)
	_ = err // the text says it
	return text
}

// labelsOf returns the labels of the alert that an element makes: its own, but for
// the name, and those of the rule.
func (m *machine) labelsOf(x *expansion, e *element) metric.Labels {
	added := make([]metric.Label, 0, len(m.labels)+2)
	added = append(added, metric.Label{Name: metric.NameLabel})
	for _, t := range m.labels {
		added = append(added, metric.Label{Name: t.name, Value: x.expand(t)})
	}
	return e.labels.With(append(added, metric.Label{Name: alertNameLabel, Value: m.rule.Alert})...)
}

// annotate gives an alert the texts for its value.
func (m *machine) annotate(x *expansion, s *slot) {
	annotations := make(map[string]string, len(m.annotations))
	for _, t := range m.annotations {
		annotations[t.name] = x.expand(t)
	}
	s.alert.Annotations = annotations
}

func sameValue(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }
