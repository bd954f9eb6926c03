package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/notify/interval"
	"github.com/esolutions/esmon/services/notify/oncall"
)

// Limits of a configuration.
const (
	maxNameBytes  = 200
	maxRoutes     = 10_000
	maxRouteDepth = 32
	maxNamed      = 1000 // of each kind
	maxFlapTimes  = 50
)

// Prefixes of names that stand for people.
const (
	onCallPrefix = "oncall/"
	personPrefix = "person/"
)

// Parse reads the text of routes.yaml. The name is used in problems only. The receivers
// are those that there are; nil if that is not known and any name will do. If there are
// problems there is no configuration.
func Parse(content []byte, name string, receivers []string) (*Config, []alert.Problem) {
	p := &parser{
		document: document{file: name},
		cfg: &Config{
			Limits: DefaultLimits(), Receivers: slices.Clone(receivers),
			Intervals:   map[string][]interval.Interval{},
			Escalations: map[string]*Escalation{},
			People:      map[string][]string{},
			Calendars:   map[string]*oncall.Calendar{},
		},
	}
	if root := p.root(content); root != nil {
		p.top(root)
	}
	if len(p.problems) == 0 && p.cfg.Route == nil {
		p.add(nil, "route", "it is missing: write at least `route: {receiver: NAME}`")
	}
	if len(p.problems) > 0 {
		slices.SortStableFunc(p.problems, func(a, b alert.Problem) int {
			return (a.Line-b.Line)*10_000 + min(a.Column, 9999) - min(b.Column, 9999)
		})
		return nil, p.problems
	}
	return p.cfg, nil
}

type parser struct {
	document
	cfg    *Config
	routes int
	refs   []func() // checks of names, run once all are known
}

func (p *parser) top(root *yaml.Node) {
	elsewhere := func(where string) field {
		return func(n *yaml.Node, path string) { p.add(n, path, "this does not stand here: %s", where) }
	}
	p.mapping(root, "", map[string]field{
		"route":               p.rootRoute,
		"inhibit_rules":       p.inhibitRules,
		"time_intervals":      p.intervals,
		"mute_time_intervals": p.intervals,
		"escalations":         p.escalations,
		"people":              p.people,
		"on_call":             p.calendars,
		"limits":              p.limits,
		"global":              elsewhere("settings of receivers are in receivers.yaml"),
		"receivers":           elsewhere("receivers are in receivers.yaml"),
		"tracing":             elsewhere("there is no such setting"),
		"templates":           elsewhere("templates are in the folder templates/ of the configuration directory"),
	})
	if len(p.problems) >= maxProblems {
		return
	}
	for _, check := range p.refs {
		check()
	}
}

// ref checks later that a name that the node has is one of those there are.
func (p *parser) ref(n *yaml.Node, path, kind, name string, names func() []string) {
	p.refs = append(p.refs, func() {
		all := names()
		if !slices.Contains(all, name) {
			p.add(n, path, "there is no %s %q; %s", kind, name, suggest(name, slices.Clone(all)))
		}
	})
}

// receiver checks the name of a receiver.
func (p *parser) receiver(n *yaml.Node, path, name string) {
	switch {
	case name == "":
		p.add(n, path, "the name of a receiver is expected")
	case len(name) > maxNameBytes:
		p.add(n, path, "the name has %d bytes; the limit is %d", len(name), maxNameBytes)
	case p.cfg.Receivers != nil:
		p.ref(n, path, "receiver", name, func() []string { return p.cfg.Receivers })
	}
}

// matchers reads a list of matchers, or one text of them.
func (p *parser) matchers(to *alert.Matchers) field {
	return func(n *yaml.Node, path string) {
		ms, err := alert.ParseMatchers(p.texts(n, path))
		if err != nil {
			p.add(n, path, "%s", oneLine(err))
			return
		}
		*to = append(*to, ms...)
	}
}

// match reads the deprecated form, a mapping.
func (p *parser) match(to *alert.Matchers, op alert.MatchOp) field {
	return func(n *yaml.Node, path string) {
		p.pairs(n, path, func(key, value *yaml.Node) {
			at := join(path, key.Value)
			text, ok := p.text(value, at)
			if !ok {
				return
			}
			m, err := alert.NewMatcher(key.Value, op, text)
			if err != nil {
				p.add(value, at, "%s", oneLine(err))
				return
			}
			*to = append(*to, m)
		})
	}
}

func (p *parser) labelNames(to *[]string) field {
	return func(n *yaml.Node, path string) {
		names := p.texts(n, path)
		for i, name := range names {
			switch {
			case !metric.ValidLabelName(name):
				p.add(n, path, "%q is no name of a label: use letters, digits and underscores", name)
			case slices.Contains(names[:i], name):
				p.add(n, path, "%q is there twice", name)
			}
		}
		*to = names
	}
}

func (p *parser) inhibitRules(n *yaml.Node, path string) {
	p.list(n, path, func(n *yaml.Node, path string) {
		r := &InhibitRule{}
		p.mapping(n, path, map[string]field{
			"name":            p.setText(&r.Name),
			"source_match":    p.match(&r.Source, alert.MatchEqual),
			"source_match_re": p.match(&r.Source, alert.MatchRegexp),
			"source_matchers": p.matchers(&r.Source),
			"target_match":    p.match(&r.Target, alert.MatchEqual),
			"target_match_re": p.match(&r.Target, alert.MatchRegexp),
			"target_matchers": p.matchers(&r.Target),
			"equal":           p.labelNames(&r.Equal),
		})
		if p.cfg.Inhibit = append(p.cfg.Inhibit, r); len(p.cfg.Inhibit) == maxNamed+1 {
			p.add(n, path, "too many rules; the limit is %d", maxNamed)
		}
	})
}

func (p *parser) limits(n *yaml.Node, path string) {
	l := &p.cfg.Limits
	p.mapping(n, path, map[string]field{
		"messages": p.setInt(&l.Messages, 2, 100_000),
		"window":   p.setDuration(&l.Window, time.Second),
		"flapping": func(n *yaml.Node, path string) {
			p.mapping(n, path, map[string]field{
				"times":  p.flapTimes(&l.FlapTimes),
				"within": p.setDuration(&l.FlapWindow, time.Second),
				"calm":   p.setDuration(&l.FlapCalm, time.Second),
			})
		},
	})
}

// flapTimes reads 0, which switches it off, or a number of times that can be called
// again and again.
func (p *parser) flapTimes(to *int) field {
	return func(n *yaml.Node, path string) {
		p.setInt(to, 0, maxFlapTimes)(n, path)
		if *to == 1 {
			p.add(n, path, "an alert that fires once does not flap: write 2 or more, or 0 to switch this off")
		}
	}
}

// named reads the entries of a mapping whose keys are names.
func (p *parser) named(n *yaml.Node, path string, item func(name string, n *yaml.Node, path string)) {
	count := 0
	p.pairs(n, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		if count++; count == maxNamed+1 {
			p.add(key, path, "too many entries; the limit is %d", maxNamed)
		}
		if key.Value == "" || len(key.Value) > maxNameBytes {
			p.add(key, path, "a name of 1 to %d bytes is expected", maxNameBytes)
			return
		}
		item(key.Value, value, at)
	})
}

func (p *parser) people(n *yaml.Node, path string) {
	p.named(n, path, func(name string, n *yaml.Node, path string) {
		receivers := []string{}
		if n.Kind == yaml.MappingNode {
			p.mapping(n, path, map[string]field{"receivers": p.setTexts(&receivers)})
		} else {
			receivers = p.texts(n, path)
		}
		if len(receivers) == 0 {
			p.add(n, path, "at least one receiver is expected: %s: [NAME]", name)
		}
		for _, r := range receivers {
			p.receiver(n, path, r)
		}
		p.cfg.People[name] = receivers
	})
}

func (p *parser) escalations(n *yaml.Node, path string) {
	p.named(n, path, func(name string, n *yaml.Node, path string) {
		e := &Escalation{}
		repeatAt := n
		p.mapping(n, path, map[string]field{
			"steps": func(n *yaml.Node, path string) {
				p.list(n, path, func(n *yaml.Node, path string) { e.Steps = append(e.Steps, p.step(n, path)) })
			},
			"repeat": func(n *yaml.Node, path string) {
				repeatAt = n
				p.setDuration(&e.Repeat, time.Minute)(n, path)
			},
		})
		if len(e.Steps) == 0 || len(e.Steps) > maxRouteDepth {
			p.add(n, path, "1 to %d steps are expected: steps: [{after: 0s, to: [NAME]}]", maxRouteDepth)
			return
		}
		if last := e.Steps[len(e.Steps)-1].After; e.Repeat > 0 && e.Repeat <= last {
			p.add(repeatAt, join(path, "repeat"), "it must be longer than the last step's after, %s", last)
		}
		if !slices.IsSortedFunc(e.Steps, func(a, b Step) int { return int(a.After - b.After) }) {
			p.add(n, path, "the steps must be in the order of their time")
		}
		p.cfg.Escalations[name] = e
	})
}

func (p *parser) step(n *yaml.Node, path string) Step {
	s := Step{}
	p.mapping(n, path, map[string]field{
		"after": p.setDuration(&s.After, 0),
		"to": func(n *yaml.Node, path string) {
			s.To = p.texts(n, path)
			for _, to := range s.To {
				p.target(n, path, to)
			}
		},
	})
	if len(s.To) == 0 {
		p.add(n, path, "to: at least one receiver, %sCALENDAR or %sNAME is expected", onCallPrefix, personPrefix)
	}
	return s
}

// target checks who a step tells.
func (p *parser) target(n *yaml.Node, path, to string) {
	if name, ok := strings.CutPrefix(to, onCallPrefix); ok {
		p.ref(n, path, "calendar under on_call", name, func() []string { return keys(p.cfg.Calendars) })
		return
	}
	if name, ok := strings.CutPrefix(to, personPrefix); ok {
		p.ref(n, path, "person under people", name, func() []string { return keys(p.cfg.People) })
		return
	}
	p.receiver(n, path, to)
}

func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// oneLine is what joined errors say, on one line.
func oneLine(err error) string {
	return strings.ReplaceAll(fmt.Sprint(err), "\n", "; ")
}
