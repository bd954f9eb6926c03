package alertconfig

import (
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch/receiver"
	"github.com/esolutions/esmon/services/notify"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/catalogue"
)

// Options say how files are read.
type Options struct {
	Checker  rule.Checker  // nil: PromQL is not checked
	Interval time.Duration // of rule groups that name none; package rule's default if 0
	// RunbookBase is put before runbooks that are no URLs by themselves; they stay as
	// they are if it is empty.
	RunbookBase string
	// Dir is what paths in receivers.yaml are relative to.
	Dir string
}

// Loaded is a configuration without problems. It is not changed.
type Loaded struct {
	Files     []*rule.File // own ones and those of the catalogue
	Routes    *notify.Config
	Receivers *receiver.Config
	Templates map[string]string // by name below templates/
	Time      time.Time         // when it was read
	sources   map[string][]byte // rule files by name
	rules     map[string]found  // by id
}

// found is a rule and its group.
type found struct {
	group *rule.Group
	rule  *rule.Rule
}

// Groups returns all rule groups.
func (l *Loaded) Groups() []*rule.Group {
	var out []*rule.Group
	for _, f := range l.Files {
		out = append(out, f.Groups...)
	}
	return out
}

// Rule returns the rule of the id and its group.
func (l *Loaded) Rule(id string) (*rule.Group, *rule.Rule, bool) {
	f, ok := l.rules[id]
	return f.group, f.rule, ok
}

// Source returns the text of a rule file, nil if there is none of the name.
func (l *Loaded) Source(file string) []byte { return l.sources[file] }

// Read reads a configuration directory. It returns nil and everything that is wrong
// if anything is; an error if the files cannot be read at all.
func Read(fsys fs.FS, opt Options, now time.Time) (*Loaded, []alert.Problem, error) {
	s, err := take(fsys)
	if err != nil {
		return nil, nil, err
	}
	l, problems := s.parse(opt, now)
	return l, problems, nil
}

// parse makes one whole of the files.
func (s *snapshot) parse(opt Options, now time.Time) (*Loaded, []alert.Problem) {
	l := &Loaded{Time: now, Templates: s.templates(), sources: map[string][]byte{}}
	problems := s.parseRules(l, opt)
	var more []alert.Problem
	l.Receivers, more = receiver.Parse(receiversFile, s.content(receiversFile), receiver.Options{Dir: opt.Dir, Templates: l.Templates})
	problems = append(problems, more...)
	if len(more) == 0 {
		l.Routes, more = s.parseRoutes(l.Receivers.Names())
	} else {
		_, more = s.parseRoutes(nil) // names cannot be checked
	}
	problems = append(problems, more...)
	if len(problems) > 0 {
		return nil, problems
	}
	l.rules = map[string]found{}
	for _, g := range l.Groups() {
		for _, r := range g.Rules {
			l.rules[r.ID] = found{g, r}
		}
	}
	return l, nil
}

func (s *snapshot) parseRoutes(receivers []string) (*notify.Config, []alert.Problem) {
	content := s.content(routesFile)
	if content == nil {
		return notify.DefaultConfig(), nil
	}
	return notify.Parse(content, routesFile, receivers)
}

// parseRules reads own rules and those of the catalogue.
func (s *snapshot) parseRules(l *Loaded, opt Options) []alert.Problem {
	chosen := s.parseSelection()
	options := rule.Options{Checker: opt.Checker, Interval: opt.Interval, RunbookBase: opt.RunbookBase, Parameters: chosen.parameters()}
	own, problems := rule.Load(s.files, options)
	ready, more := catalogue.Load(chosen.enabled(), options)
	others := chosen.place(slices.Concat(problems, more))
	problems = append(chosen.doc.Problems(), others...)
	l.Files = slices.Concat(own, ready)
	if len(problems) == 0 {
		problems = append(problems, rule.CheckDependencies(l.Files)...)
	}
	for name, f := range s.files {
		l.sources[name] = f.Data
	}
	for _, f := range ready {
		if text, err := fs.ReadFile(catalogue.FS(), path.Base(f.Name)); err == nil {
			l.sources[f.Name] = text
		}
	}
	return problems
}
