package notify

import (
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/rule"
)

// inhibitor keeps which firing alerts may hide which.
type inhibitor struct {
	p        *Planner
	rules    []*inhibition
	byName   map[string][]*inhibition // dependencies, by the name of the alert that hides
	byRule   map[string][]*inhibition // dependencies, by the id of the rule that is hidden
	byDepend map[string]*inhibition
}

// inhibition is an inhibition rule, or what rules depend on.
type inhibition struct {
	source, target alert.Matchers // nil for a dependency
	equal          []string
	links          map[string]*link
}

// link is the alerts with the same values of the labels that must be equal.
type link struct {
	sources map[*tracked]bool // true: it is a target of the rule, too
	single  int               // how many sources are not
	targets map[*tracked]struct{}
}

// inhibitRef is an alert's place in a rule.
type inhibitRef struct {
	rule *inhibition
	key  string
	both bool // it is a source and a target of the rule
}

func newInhibitor(p *Planner) *inhibitor {
	in := &inhibitor{
		p: p, byName: map[string][]*inhibition{}, byRule: map[string][]*inhibition{}, byDepend: map[string]*inhibition{},
	}
	for _, r := range p.cfg.Inhibit {
		in.rules = append(in.rules, newInhibition(r.Source, r.Target, r.Equal))
	}
	return in
}

func newInhibition(source, target alert.Matchers, equal []string) *inhibition {
	return &inhibition{source: source, target: target, equal: equal, links: map[string]*link{}}
}

// learn takes note of what a rule depends on.
func (in *inhibitor) learn(ruleID string) {
	if _, ok := in.byRule[ruleID]; ok || ruleID == "" {
		return
	}
	var deps []*inhibition
	if in.p.opt.DependsOn != nil {
		for _, d := range in.p.opt.DependsOn(ruleID) {
			deps = append(deps, in.dependency(d))
		}
	}
	in.byRule[ruleID] = deps
}

// dependency is shared by the rules that depend on the same.
func (in *inhibitor) dependency(d rule.Dependency) *inhibition {
	key := d.Alert + "\x00" + strings.Join(d.On, "\x00")
	if dep := in.byDepend[key]; dep != nil {
		return dep
	}
	dep := newInhibition(nil, nil, d.On)
	in.byDepend[key] = dep
	in.byName[d.Alert] = append(in.byName[d.Alert], dep)
	for _, t := range in.p.alerts {
		if t.inhibits && t.alert.Name() == d.Alert {
			in.addSource(dep, t, false)
		}
	}
	return dep
}

// update takes note that an alert began or ended.
func (in *inhibitor) update(t *tracked) {
	is := t.known && t.firing()
	was := t.inhibits
	if is == was {
		return
	}
	t.inhibits = is
	if !is {
		in.remove(t)
		return
	}
	for _, r := range in.rules {
		source, target := r.source.Match(t.alert.Labels), r.target.Match(t.alert.Labels)
		if source {
			in.addSource(r, t, target)
		}
		if target {
			in.addTarget(r, t, source)
		}
	}
	for _, dep := range in.byName[t.alert.Name()] {
		in.addSource(dep, t, false)
	}
	for _, dep := range in.byRule[t.alert.RuleID] {
		in.addTarget(dep, t, false)
	}
}

func (r *inhibition) key(labels metric.Labels) string {
	values := make([]string, len(r.equal))
	for i, name := range r.equal {
		values[i] = labels.Get(name)
	}
	return strings.Join(values, "\x00")
}

func (r *inhibition) link(key string) *link {
	l := r.links[key]
	if l == nil {
		l = &link{sources: map[*tracked]bool{}, targets: map[*tracked]struct{}{}}
		r.links[key] = l
	}
	return l
}

func (in *inhibitor) addSource(r *inhibition, t *tracked, both bool) {
	ref := inhibitRef{r, r.key(t.alert.Labels), both}
	l := r.link(ref.key)
	l.sources[t] = both
	if !both {
		l.single++
	}
	t.sources = append(t.sources, ref)
	in.touch(l)
}

func (in *inhibitor) addTarget(r *inhibition, t *tracked, both bool) {
	ref := inhibitRef{r, r.key(t.alert.Labels), both}
	r.link(ref.key).targets[t] = struct{}{}
	t.targets = append(t.targets, ref)
}

// touch has what a link hides looked at again. With many sources, one more or less
// makes no difference.
func (in *inhibitor) touch(l *link) {
	if l.single > 2 || l.single == 0 && len(l.sources) > 2 {
		return
	}
	for t := range l.targets {
		in.p.touch(t)
	}
}

func (in *inhibitor) remove(t *tracked) {
	for _, ref := range t.sources {
		l := ref.rule.links[ref.key]
		delete(l.sources, t)
		if !ref.both {
			l.single--
		}
		in.touch(l)
		ref.rule.drop(ref.key, l)
	}
	for _, ref := range t.targets {
		l := ref.rule.links[ref.key]
		if l == nil { // it was the alert's own source, too
			continue
		}
		delete(l.targets, t)
		ref.rule.drop(ref.key, l)
	}
	t.sources, t.targets = nil, nil
}

func (r *inhibition) drop(key string, l *link) {
	if len(l.sources)+len(l.targets) == 0 {
		delete(r.links, key)
	}
}

// inhibited tells whether anything hides the alert. One that is on both sides of a
// rule is not hidden by others that are, and none by itself.
func (t *tracked) inhibited() bool {
	for _, ref := range t.targets {
		l := ref.rule.links[ref.key]
		if l == nil {
			continue
		}
		single := l.single
		if both, is := l.sources[t]; is && !both {
			single--
		}
		if single > 0 || !ref.both && len(l.sources) > l.single {
			return true
		}
	}
	return false
}

// inhibitors returns up to limit alerts that hide it.
func (t *tracked) inhibitors(limit int) []alert.Key {
	var keys []alert.Key
	for _, ref := range t.targets {
		l := ref.rule.links[ref.key]
		if l == nil {
			continue
		}
		for s, both := range l.sources {
			if s == t || both && ref.both {
				continue
			}
			if !slices.Contains(keys, s.alert.Key) {
				keys = append(keys, s.alert.Key)
			}
			if len(keys) >= limit {
				return keys
			}
		}
	}
	return keys
}
