package notify

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
)

func (p *parser) rootRoute(n *yaml.Node, path string) {
	r := p.route(n, path, nil, "0")
	switch {
	case r.silent():
		p.add(n, path, "receiver: it is missing; the root needs one, because alerts that no other route takes go there")
	case len(r.Matchers) > 0:
		p.add(n, path, "matchers: the root takes every alert; write them on a route below it")
	case r.Continue:
		p.add(n, path, "continue: nothing comes after the root; leave it out")
	case len(r.Mute)+len(r.Active) > 0:
		p.add(n, path, "time intervals: the root must not have any; write them on a route below it")
	}
	p.cfg.Route = r
}

// route reads a route and those below it. What it does not say its parent does, but
// for matchers, continue and time intervals.
func (p *parser) route(n *yaml.Node, path string, parent *Route, place string) *Route {
	r := rootRoute()
	if parent != nil {
		r = inherit(parent)
	}
	r.Path = place
	if p.routes++; p.routes == maxRoutes+1 {
		p.add(n, path, "too many routes; the limit is %d", maxRoutes)
	}
	var below *yaml.Node
	var belowPath, receiver, escalation string
	named := func(to *string, check func(*yaml.Node, string, string)) field {
		return func(n *yaml.Node, path string) {
			if text, ok := p.text(n, path); ok && text != "" {
				*to = text
				check(n, path, text)
			}
		}
	}
	p.mapping(n, path, map[string]field{
		"receiver":              named(&receiver, p.receiver),
		"escalation":            named(&escalation, p.escalationRef),
		"group_by":              p.groupBy(r),
		"group_wait":            p.setDuration(&r.GroupWait, 0),
		"group_interval":        p.groupInterval(r),
		"repeat_interval":       p.setDuration(&r.RepeatInterval, time.Second),
		"match":                 p.match(&r.Matchers, alert.MatchEqual),
		"match_re":              p.match(&r.Matchers, alert.MatchRegexp),
		"matchers":              p.matchers(&r.Matchers),
		"continue":              p.setBool(&r.Continue),
		"mute_time_intervals":   p.intervalRefs(&r.Mute),
		"active_time_intervals": p.intervalRefs(&r.Active),
		"routes":                func(n *yaml.Node, path string) { below, belowPath = n, path },
	})
	if receiver != "" || escalation != "" {
		r.Receiver, r.Escalation = receiver, escalation
	}
	r.id = r.matcherID(parent)
	if below != nil {
		p.children(below, belowPath, r)
	}
	return r
}

func inherit(parent *Route) *Route {
	r := *parent
	r.Matchers, r.Mute, r.Active, r.Continue, r.Routes = nil, nil, nil, false, nil
	return &r
}

func (r *Route) matcherID(parent *Route) string {
	id := "{" + strings.Join(r.Matchers.Strings(), ",") + "}"
	if parent != nil {
		id = parent.id + "/" + id
	}
	return id
}

func (p *parser) children(n *yaml.Node, path string, r *Route) {
	if strings.Count(r.Path, ".") >= maxRouteDepth {
		p.add(n, path, "routes are nested more than %d deep", maxRouteDepth)
		return
	}
	ids := map[string]int{}
	p.list(n, path, func(n *yaml.Node, path string) {
		child := p.route(n, path, r, fmt.Sprintf("%s.%d", r.Path, len(r.Routes)))
		// Of routes with the same matchers each has groups of its own.
		if ids[child.id]++; ids[child.id] > 1 {
			child.addID(child.id, fmt.Sprintf("%s#%d", child.id, ids[child.id]))
		}
		r.Routes = append(r.Routes, child)
	})
}

// addID replaces the beginning of its id and of those below it.
func (r *Route) addID(old, now string) {
	r.id = now + strings.TrimPrefix(r.id, old)
	for _, child := range r.Routes {
		child.addID(old, now)
	}
}

func (p *parser) escalationRef(n *yaml.Node, path, name string) {
	p.ref(n, path, "escalation", name, func() []string { return keys(p.cfg.Escalations) })
}

func (p *parser) intervalRefs(to *[]string) field {
	return func(n *yaml.Node, path string) {
		*to = p.texts(n, path)
		for _, name := range *to {
			p.ref(n, path, "time interval", name, func() []string { return keys(p.cfg.Intervals) })
		}
	}
}

func (p *parser) groupInterval(r *Route) field {
	return func(n *yaml.Node, path string) {
		r.Grow = false
		p.setDuration(&r.GroupInterval, time.Millisecond)(n, path)
	}
}

func (p *parser) groupBy(r *Route) field {
	return func(n *yaml.Node, path string) {
		names := p.texts(n, path)
		r.GroupBy, r.GroupByAll = []string{}, false
		seen := map[string]bool{}
		for _, name := range names {
			switch {
			case name == "...":
				r.GroupByAll = true
			case !metric.ValidLabelName(name):
				p.add(n, path, "%q is no name of a label: use letters, digits and underscores, or '...' for all labels", name)
			case seen[name]:
				p.add(n, path, "%q is there twice", name)
			default:
				seen[name] = true
				r.GroupBy = append(r.GroupBy, name)
			}
		}
		if r.GroupByAll && len(r.GroupBy) > 0 {
			p.add(n, path, "'...' means all labels; it must stand alone")
		}
	}
}
