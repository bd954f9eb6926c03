package rule

import (
	"cmp"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

const minInterval = time.Second

var groupFields = []string{"name", "interval", "query_offset", "limit", "labels", "rules"}

func (p *parser) groups(n *yaml.Node) []*Group {
	var out []*Group
	lines := map[string]int{}
	for i, item := range p.list(n, "groups") {
		field := index("groups", i)
		if i >= p.opt.Limits.Groups {
			p.problem(item, field, "the file has more than %d groups: split it", p.opt.Limits.Groups)
			break
		}
		g := p.group(item, field)
		if line, twice := lines[g.Name]; twice && g.Name != "" {
			p.problem(item, join(field, "name"), "group %q is in this file twice; the first one is in line %d", g.Name, line)
		}
		lines[g.Name] = item.Line
		out = append(out, g)
		if p.rules > p.opt.Limits.Rules || p.nodes > p.opt.Limits.Nodes {
			break // said already
		}
	}
	return out
}

func (p *parser) group(n *yaml.Node, field string) *Group {
	f := p.fields(n, field, groupFields)
	g := &Group{File: p.name, Interval: p.opt.Interval}
	if e, ok := f["name"]; ok {
		g.Name, _ = p.text(e.value, join(field, "name"))
	}
	if g.Name == "" {
		p.problem(n, join(field, "name"), "a group needs a name")
	}
	if e, ok := f["interval"]; ok {
		g.Interval = p.interval(e.value, join(field, "interval"))
	}
	if e, ok := f["query_offset"]; ok {
		g.Offset = p.duration(e.value, join(field, "query_offset"))
	}
	if e, ok := f["limit"]; ok {
		g.Limit = p.limit(e.value, join(field, "limit"))
	}
	if e, ok := f["labels"]; ok {
		g.Labels = p.labels(e.value, join(field, "labels"))
	}
	if e, ok := f["rules"]; ok {
		g.Rules = p.groupRules(e.value, join(field, "rules"), g)
	}
	return g
}

// interval returns how often a group is evaluated. Prometheus allows less than a
// second, but no data comes that often.
func (p *parser) interval(n *yaml.Node, field string) duration {
	d := cmp.Or(p.duration(n, field), p.opt.Interval)
	if d < minInterval {
		p.problem(n, field, "%s is too short: a group is evaluated every second at most", d)
	}
	return d
}

func (p *parser) groupRules(n *yaml.Node, field string, g *Group) []*Rule {
	var out []*Rule
	for i, item := range p.list(n, field) {
		if p.rules++; p.rules > p.opt.Limits.Rules {
			p.problem(item, index(field, i), "the file has more than %d rules: split it", p.opt.Limits.Rules)
			break
		}
		out = append(out, p.rule(item, index(field, i), g))
	}
	return out
}

func (p *parser) limit(n *yaml.Node, field string) int {
	text, ok := p.text(n, field)
	if !ok || isNull(n) {
		return 0
	}
	var limit int
	if err := n.Decode(&limit); err != nil || limit < 0 {
		p.problem(n, field, "%q is no number of alerts or series: write a whole number, 0 for no limit", text)
		return 0
	}
	return limit
}

// labels returns the labels of a group: parameters are not filled in here.
func (p *parser) labels(n *yaml.Node, field string) map[string]string {
	out := map[string]string{}
	for _, e := range p.mapping(n, field) {
		at := join(field, e.key)
		if !p.labelName(e, at) {
			continue
		}
		if v, ok := p.text(e.value, at); ok {
			out[e.key] = v
		}
	}
	return out
}

func (p *parser) labelName(e entry, field string) bool {
	switch {
	case e.key == model.MetricNameLabel:
		p.problem(e.at, field, "the name of a metric cannot be set here; a recording rule's is in its field record")
	case !model.UTF8Validation.IsValidLabelName(e.key):
		p.problem(e.at, field, "%q is no name of a label", e.key)
	default:
		return true
	}
	return false
}

func (p *parser) duration(n *yaml.Node, field string) (d duration) {
	if isNull(n) {
		return 0
	}
	text, ok := p.filled(n, field)
	if !ok {
		return 0
	}
	v, err := model.ParseDuration(text)
	if err != nil {
		p.problem(n, field, "%q is no duration: write numbers with a unit, the largest first, such as 30s, 5m or 1h30m", text)
		return 0
	}
	return duration(v)
}

// ruleID returns what names a rule among all. Semicolons separate its parts, so
// within a name they are written otherwise.
func (p *parser) ruleID(g *Group, r *Rule) string {
	id := p.name + ";" + escapeID(g.Name) + ";" + escapeID(r.Name())
	p.ids[id]++
	if n := p.ids[id]; n > 1 {
		id += ";" + strconv.Itoa(n)
	}
	return id
}

var idEscaper = strings.NewReplacer("%", "%25", ";", "%3B")

func escapeID(s string) string { return idEscaper.Replace(s) }

// runbook returns the address of a runbook.
func (p *parser) runbook(text string) string {
	if text == "" || p.opt.RunbookBase == "" {
		return text
	}
	if u, err := url.Parse(text); err == nil && u.IsAbs() {
		return text
	}
	return strings.TrimRight(p.opt.RunbookBase, "/") + "/" + strings.TrimLeft(text, "/")
}

// over returns the labels of base with those of top put over them.
func over(base, top map[string]string) map[string]string {
	if len(base)+len(top) == 0 {
		return nil
	}
	out := make(map[string]string, len(base)+len(top))
	maps.Copy(out, base)
	maps.Copy(out, top)
	return out
}
