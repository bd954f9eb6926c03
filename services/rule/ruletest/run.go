package ruletest

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
)

// Options say how tests are run.
type Options struct {
	// Only runs the tests whose names match; nil runs all.
	Only *regexp.Regexp
	// Rules says how rule files are read: parameters and limits.
	Rules rule.Options
	// Query are the limits of queries; query.DefaultConfig if Timeout is 0.
	Query query.Config
}

// Result is what became of one test.
type Result struct {
	File string
	Name string // of the test; unnamed#2 if it has none; empty if the file could not be read
	// Failures say what was expected and what came, for each expectation that failed,
	// and which rules could not be evaluated.
	Failures []string
}

// Passed tells whether nothing failed.
func (r *Result) Passed() bool { return len(r.Failures) == 0 }

// Run runs the tests of the named files, in their order. The error is that of the
// context; whatever is wrong with a file is in the results.
func Run(ctx context.Context, fsys fs.FS, names []string, opt Options) ([]Result, error) {
	if opt.Query.Timeout == 0 {
		opt.Query = query.DefaultConfig()
	}
	var all []Result
	for _, name := range names {
		f, err := read(fsys, name)
		if err != nil {
			all = append(all, Result{File: name, Failures: []string{err.Error()}})
			continue
		}
		for i := range f.Tests {
			t := &f.Tests[i]
			if opt.Only != nil && !opt.Only.MatchString(t.Name) {
				continue
			}
			r := Result{File: name, Name: t.Name}
			if r.Name == "" {
				r.Name = fmt.Sprintf("unnamed#%d", i)
			}
			r.Failures = runTest(ctx, fsys, f, t, opt)
			if err := ctx.Err(); err != nil {
				return all, fmt.Errorf("test rules: %w", err)
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// runTest returns what failed.
func runTest(ctx context.Context, fsys fs.FS, f *file, t *test, opt Options) []string {
	s, err := newSuite(f, t, opt)
	if err != nil {
		return []string{err.Error()}
	}
	if problems := s.loadRules(fsys, f, opt); len(problems) > 0 {
		return problems
	}
	if failures, ended := s.evaluate(ctx); ended {
		return failures
	}
	s.checkExprs(ctx)
	return s.failures
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// loadRules reads the rule files, with their groups in the order of evaluation.
func (s *suite) loadRules(fsys fs.FS, f *file, opt Options) (problems []string) {
	options := opt.Rules
	options.Checker, options.Interval = s.evaluator, s.step
	var groups []*rule.Group
	for _, name := range f.RuleFiles {
		content, err := readFile(fsys, name)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		parsed, wrong := rule.Parse(name, content, options)
		for _, p := range wrong {
			problems = append(problems, p.Error())
		}
		if parsed != nil {
			groups = append(groups, parsed.Groups...)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	slices.SortStableFunc(groups, func(a, b *rule.Group) int { return order(f, a.Name) - order(f, b.Name) })
	for _, g := range groups {
		if err := s.addGroup(g); err != nil {
			return []string{err.Error()}
		}
	}
	return nil
}

// order returns the place of a group in the order of evaluation. As in promtool, those
// that are not named come with the first.
func order(f *file, group string) int { return max(slices.Index(f.GroupEvalOrder, group), 0) }

// longest returns the newest time that something is expected at, from the start.
func (t *test) longest() (d time.Duration) {
	for _, a := range t.AlertRuleTests {
		d = max(d, time.Duration(a.EvalTime))
	}
	for _, e := range t.PromqlExprTests {
		d = max(d, time.Duration(e.EvalTime))
	}
	return d
}
