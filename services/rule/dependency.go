package rule

import (
	"slices"
	"strings"

	"github.com/esolutions/esmon/services/alert"
)

// CheckDependencies returns what is wrong with depends_on across files: alerts that
// hide each other in a circle, and names that no alert has while one is close. Other
// names that are not known are allowed: alerts also come from outside, and those of a
// catalogue that is switched off never fire.
func CheckDependencies(files []*File) Problems {
	g := dependencyGraph{to: map[string][]string{}, state: map[string]int{}}
	alertRules(files, func(_ *File, r *Rule) { g.add(r) })
	var problems Problems
	alertRules(files, func(f *File, r *Rule) {
		for _, d := range r.DependsOn {
			if _, ok := g.to[d.Alert]; ok {
				continue
			}
			if s := suggest(d.Alert, g.names); s != "" {
				problems = append(problems, dependencyProblem(f, r, "no rule has an alert "+d.Alert+"; did you mean "+s+"?"))
			}
		}
	})
	alertRules(files, func(f *File, r *Rule) {
		if cycle := g.cycle(r.Alert, nil); cycle != nil {
			problems = append(problems, dependencyProblem(f, r, "alerts hide each other in a circle, so that nobody would hear of any: "+strings.Join(cycle, " depends on ")))
		}
	})
	return problems
}

func alertRules(files []*File, each func(*File, *Rule)) {
	for _, f := range files {
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				if r.Alert != "" {
					each(f, r)
				}
			}
		}
	}
}

// dependencyGraph has an edge from each alert to those that hide it.
type dependencyGraph struct {
	names []string
	to    map[string][]string
	state map[string]int // 1 while it is on the way, 2 when all below is known to be free of circles, or told
}

func (g *dependencyGraph) add(r *Rule) {
	if _, ok := g.to[r.Alert]; !ok {
		g.to[r.Alert], g.names = nil, append(g.names, r.Alert)
	}
	for _, d := range r.DependsOn {
		g.to[r.Alert] = append(g.to[r.Alert], d.Alert)
	}
}

// cycle returns a circle that can be reached from the alert and was not told yet.
func (g *dependencyGraph) cycle(name string, way []string) []string {
	switch g.state[name] {
	case 1:
		return append(slices.Clone(way[slices.Index(way, name):]), name)
	case 2:
		return nil
	}
	g.state[name] = 1
	defer func() { g.state[name] = 2 }()
	way = append(way, name)
	for _, next := range g.to[name] {
		if c := g.cycle(next, way); c != nil {
			return c
		}
	}
	return nil
}

func dependencyProblem(f *File, r *Rule, message string) alert.Problem {
	return alert.Problem{File: f.Name, Line: r.Line, Field: "depends_on", Message: "alert " + r.Alert + ": " + message}
}
