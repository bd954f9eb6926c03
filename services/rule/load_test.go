package rule_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/esolutions/esmon/services/rule"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	good := &fstest.MapFile{Data: []byte("groups: [{name: a, rules: [{alert: A, expr: b}]}]")}
	fsys := fstest.MapFS{
		"rules/b.yaml": good, "rules/a.yml": good, "rules/deep/c.yaml": good,
		"rules/README.md": {Data: []byte("x")}, "rules/.hidden.yaml": {Data: []byte("x")}, "rules/..data/b.yaml": {Data: []byte("x")},
		"routes.yaml": {Data: []byte("x")}, "rules/bad.yaml": {Data: []byte("grups: []")},
	}
	files, problems := rule.Load(fsys, rule.Options{Parameters: map[string]map[string]string{"rules/d.yaml": {"x": "1"}, "catalogue/host.yaml": {"x": "1"}}})
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "rules/a.yml rules/b.yaml rules/deep/c.yaml" {
		t.Errorf("files %s", got)
	}
	if len(problems) != 2 || problems[0].File != "rules/bad.yaml" || problems[1].File != "rules/d.yaml" {
		t.Errorf("problems %v", problems)
	}
}

func TestLoadWithoutFolder(t *testing.T) {
	t.Parallel()
	if files, problems := rule.Load(fstest.MapFS{}, rule.Options{}); len(files)+len(problems) != 0 {
		t.Errorf("%v, %v", files, problems)
	}
}

func TestLoadLimits(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{"rules/a.yaml": {Data: []byte("groups: []")}, "rules/b.yaml": {Data: []byte("groups: []")}, "rules/c.yaml": {Data: []byte(strings.Repeat("#", 100))}}
	_, problems := rule.Load(fsys, rule.Options{Limits: rule.Limits{Files: 2}})
	if len(problems) != 1 || !strings.Contains(problems.Error(), "more than 2 rule files") {
		t.Error(problems)
	}
	_, problems = rule.Load(fsys, rule.Options{Limits: rule.Limits{FileBytes: 20}})
	if len(problems) != 1 || problems[0].File != "rules/c.yaml" {
		t.Error(problems)
	}
}

// broken is a file system in which one file cannot be read.
type broken struct{ fstest.MapFS }

func (b broken) Open(name string) (fs.File, error) {
	if name == "rules/b.yaml" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("permission denied")}
	}
	return b.MapFS.Open(name)
}

func TestLoadUnreadable(t *testing.T) {
	t.Parallel()
	fsys := broken{fstest.MapFS{"rules/a.yaml": {Data: []byte("groups: []")}, "rules/b.yaml": {Data: []byte("groups: []")}}}
	files, problems := rule.Load(fsys, rule.Options{})
	if len(files) != 1 || problems.Error() != "rules/b.yaml: it cannot be read: permission denied" {
		t.Errorf("%v, %v", files, problems)
	}
}

func TestCheckDependencies(t *testing.T) {
	t.Parallel()
	parse := func(content string) *rule.File {
		f, problems := rule.Parse("rules/x.yaml", []byte("groups:\n- name: a\n  rules:\n"+content), rule.Options{})
		if problems != nil {
			t.Fatal(problems)
		}
		return f
	}
	one := func(name, on string) string { return "  - {alert: " + name + ", expr: x, depends_on: [" + on + "]}\n" }
	for name, c := range map[string]struct{ content, want string }{
		"none":         {one("Disk", "HostGone, Elsewhere") + one("HostGone", "SiteCutOff") + one("SiteCutOff", ""), ""},
		"diamond":      {one("A", "B, C") + one("B", "D") + one("C", "D") + one("D", ""), ""},
		"circle":       {one("AlertA", "AlertB") + one("AlertB", "AlertC") + one("AlertC", "AlertA"), "in a circle, so that nobody would hear of any: AlertA depends on AlertB depends on AlertC depends on AlertA"},
		"other circle": {one("Start", "AlertB") + one("AlertB", "AlertC") + one("AlertC", "AlertB"), "any: AlertB depends on AlertC depends on AlertB"},
		"misspelt":     {one("Disk", "HostGon") + one("HostGone", ""), "x.yaml:4: depends_on: alert Disk: no rule has an alert HostGon; did you mean HostGone?"},
	} {
		problems := rule.CheckDependencies([]*rule.File{parse(c.content)})
		if c.want == "" && len(problems) == 0 {
			continue
		}
		if len(problems) != 1 || !strings.Contains(problems.Error(), c.want) || c.want == "" {
			t.Errorf("%s: %v", name, problems)
		}
	}
}
