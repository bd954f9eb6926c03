package rule

import (
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/metric"
)

type duration = time.Duration

var (
	ruleFields = []string{
		"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations",
		"clear", "severity", "owner", "runbook", "depends_on", "schedule", "no_data", "lateness",
	}
	// alertOnly have no meaning for a recording rule.
	alertOnly = []string{"annotations", "for", "keep_firing_for", "clear", "severity", "owner", "runbook", "depends_on", "schedule", "no_data"}
)

// ruleNode is a rule that is being read.
type ruleNode struct {
	p     *parser
	n     *yaml.Node
	path  string
	items map[string]entry
	// places say where labels and annotations stand, by their field.
	places map[string]*yaml.Node
}

func (p *parser) rule(n *yaml.Node, path string, g *Group) *Rule {
	rn := &ruleNode{p: p, n: n, path: path, items: p.fields(n, path, ruleFields), places: map[string]*yaml.Node{}}
	r := &Rule{Line: n.Line}
	r.Record, r.Alert = rn.text("record"), rn.text("alert")
	r.Expr = rn.expr("expr")
	r.For, r.KeepFiringFor = rn.duration("for"), rn.duration("keep_firing_for")
	r.Lateness = rn.duration("lateness")
	own := rn.labels()
	r.Annotations = rn.annotations()
	r.Clear = rn.expr("clear")
	r.Severity, r.Owner = rn.text("severity"), rn.text("owner")
	r.Runbook = p.runbook(rn.text("runbook"))
	r.DependsOn = rn.dependencies(r.Alert)
	r.Schedule = rn.schedule()
	r.NoData = rn.noData()
	r.Labels = over(over(g.Labels, fieldLabels(r)), own)
	if r.Runbook != "" {
		r.Annotations = over(map[string]string{"runbook_url": r.Runbook}, r.Annotations)
	}
	rn.validate(r, own)
	r.ID = p.ruleID(g, r)
	return r
}

// fieldLabels returns the labels that fields of their own stand for.
func fieldLabels(r *Rule) map[string]string {
	out := map[string]string{}
	if r.Severity != "" {
		out["severity"] = r.Severity
	}
	if r.Owner != "" {
		out["owner"] = r.Owner
	}
	return out
}

func (rn *ruleNode) field(name string) string { return join(rn.path, name) }

// at returns where a field stands, or the rule if it is not there.
func (rn *ruleNode) at(name string) *yaml.Node {
	if e, ok := rn.items[name]; ok {
		return e.value
	}
	return rn.n
}

func (rn *ruleNode) problem(name, format string, args ...any) {
	rn.p.problem(rn.at(name), rn.field(name), format, args...)
}

func (rn *ruleNode) text(name string) string {
	e, ok := rn.items[name]
	if !ok {
		return ""
	}
	s, _ := rn.p.filled(e.value, rn.field(name))
	return s
}

func (rn *ruleNode) duration(name string) duration {
	e, ok := rn.items[name]
	if !ok {
		return 0
	}
	return rn.p.duration(e.value, rn.field(name))
}

// expr returns PromQL that was checked.
func (rn *ruleNode) expr(name string) string {
	text := rn.text(name)
	limit := rn.p.opt.Limits.ExprBytes
	switch {
	case text == "":
		return ""
	case len(text) > limit:
		rn.problem(name, "the expression has %d bytes; the limit is %d", len(text), limit)
	case rn.p.opt.Checker != nil:
		if err := rn.p.opt.Checker.CheckExpr(text); err != nil {
			rn.problem(name, "%v", err)
		}
	}
	return text
}

func (rn *ruleNode) labels() map[string]string {
	return rn.texts("labels", (*parser).labelName)
}

func (rn *ruleNode) annotations() map[string]string {
	return rn.texts("annotations", func(p *parser, e entry, field string) bool {
		if !model.UTF8Validation.IsValidLabelName(e.key) {
			p.problem(e.at, field, "%q is no name of an annotation", e.key)
			return false
		}
		return true
	})
}

// texts returns names and values of a section.
func (rn *ruleNode) texts(section string, valid func(*parser, entry, string) bool) map[string]string {
	e, ok := rn.items[section]
	if !ok {
		return nil
	}
	out := map[string]string{}
	for _, item := range rn.p.mapping(e.value, rn.field(section)) {
		field := join(rn.field(section), item.key)
		if !valid(rn.p, item, field) {
			continue
		}
		if v, ok := rn.p.filled(item.value, field); ok {
			out[item.key], rn.places[field] = v, item.value
		}
	}
	return out
}

func (rn *ruleNode) validate(r *Rule, own map[string]string) {
	if r.Record != "" && r.Alert != "" {
		rn.problem("record", "a rule has either record or alert; make it two rules")
	}
	if r.Record == "" && r.Alert == "" {
		rn.p.problem(rn.n, rn.path, "a rule needs alert, the name of an alert, or record, that of a metric")
	}
	if r.Expr == "" {
		rn.problem("expr", "a rule needs an expression in PromQL")
	}
	if r.Record != "" {
		rn.validateRecording(r)
		return
	}
	rn.validateTemplates(r, own)
	if c, ok := rn.p.opt.Checker.(ComparisonChecker); ok && r.NoData == NoDataAlert && r.Expr != "" {
		if err := c.CheckComparison(r.Expr); err != nil {
			rn.problem("no_data", "%v", err)
		}
	}
}

func (rn *ruleNode) validateRecording(r *Rule) {
	for _, name := range alertOnly {
		if e, ok := rn.items[name]; ok && !empty(e.value) {
			rn.problem(name, "a recording rule has no such field; it is for alerts")
		}
	}
	if strings.ContainsAny(r.Record, "{}") {
		rn.problem("record", "%q has braces; an expression belongs into expr, labels into labels", r.Record)
	} else if !metric.ValidMetricName(r.Record) {
		rn.problem("record", "%q cannot be stored as the name of a metric: use letters, digits, underscores and colons", r.Record)
	}
	for _, name := range sortedKeys(r.Labels) {
		if !metric.ValidLabelName(name) {
			rn.problem("labels", "%q cannot be stored as the name of a label: use letters, digits and underscores", name)
		}
	}
}

// empty tells whether a field has a value that means nothing: Prometheus lets such
// stand where the field must not be.
func empty(n *yaml.Node) bool {
	if n.Kind == yaml.ScalarNode {
		d, err := model.ParseDuration(n.Value)
		return isNull(n) || n.Value == "" || err == nil && d == 0
	}
	return len(n.Content) == 0
}

func (rn *ruleNode) validateTemplates(r *Rule, own map[string]string) {
	check := func(section, name, text string) {
		limit := rn.p.opt.Limits.TextBytes
		field := join(rn.field(section), name)
		at := rn.places[field]
		if at == nil {
			at = rn.at(section)
		}
		if len(text) > limit {
			rn.p.problem(at, field, "it has %d bytes; the limit is %d", len(text), limit)
		} else if _, err := NewTemplate(TemplateName(r.Alert), text); err != nil {
			rn.p.problem(at, field, "%v", err)
		}
	}
	for _, name := range sortedKeys(own) {
		check("labels", name, own[name])
	}
	for _, name := range sortedKeys(r.Annotations) {
		check("annotations", name, r.Annotations[name])
	}
}
