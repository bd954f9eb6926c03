package rule

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/metric"
)

// hostLabel is what alerts depend on each other by, unless a rule says otherwise.
const hostLabel = "host_name"

// maxDependencies is how many alerts a rule may depend on.
const maxDependencies = 64

var (
	dependencyFields = []string{"alert", "on"}
	noDataValues     = []string{string(NoDataResolve), string(NoDataKeep), string(NoDataAlert)}
)

func (rn *ruleNode) dependencies(self string) []Dependency {
	e, ok := rn.items["depends_on"]
	if !ok {
		return nil
	}
	path, p := rn.field("depends_on"), rn.p
	var out []Dependency
	for i, item := range p.list(e.value, path) {
		field := index(path, i)
		if i >= maxDependencies {
			p.problem(item, field, "a rule depends on %d alerts at most", maxDependencies)
			break
		}
		d := p.dependency(item, field)
		switch d.Alert {
		case "":
			p.problem(item, field, "write the name of an alert, or alert: and on:, a list of labels")
		case self:
			p.problem(item, field, "an alert cannot depend on itself: it would hide itself")
		default:
			out = append(out, d)
		}
	}
	return out
}

func (p *parser) dependency(n *yaml.Node, field string) Dependency {
	d := Dependency{On: []string{hostLabel}}
	if n.Kind != yaml.MappingNode {
		d.Alert, _ = p.text(n, field)
		return d
	}
	f := p.fields(n, field, dependencyFields)
	if e, ok := f["alert"]; ok {
		d.Alert, _ = p.text(e.value, join(field, "alert"))
	}
	e, ok := f["on"]
	if !ok {
		return d
	}
	d.On = []string{} // an empty list: the alert hides this one wherever it fires
	for i, item := range p.list(e.value, join(field, "on")) {
		name, _ := p.text(item, index(join(field, "on"), i))
		if !metric.ValidLabelName(name) {
			p.problem(item, index(join(field, "on"), i), "%q is no name of a label", name)
			continue
		}
		d.On = append(d.On, name)
	}
	return d
}

func (rn *ruleNode) schedule() *Schedule {
	e, ok := rn.items["schedule"]
	if !ok || isNull(e.value) {
		return nil
	}
	field := rn.field("schedule")
	lines := []string{}
	if e.value.Kind == yaml.SequenceNode {
		for i, item := range rn.p.list(e.value, field) {
			line, _ := rn.p.filled(item, index(field, i))
			lines = append(lines, line)
		}
	} else if line, ok := rn.p.filled(e.value, field); ok {
		lines = append(lines, line)
	}
	s, err := ParseSchedule(lines...)
	if err != nil {
		rn.problem("schedule", "%v", err)
		return nil
	}
	return s
}

func (rn *ruleNode) noData() NoData {
	text := rn.text("no_data")
	if text == "" {
		return NoDataResolve
	}
	if !contains(noDataValues, text) {
		rn.problem("no_data", "%q: write one of %s", text, strings.Join(noDataValues, ", "))
		return NoDataResolve
	}
	return NoData(text)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
