package alertconfig_test

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/alertconfig"
	"github.com/esolutions/esmon/services/rule/catalogue"
)

var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// tree is a configuration directory of texts.
func tree(texts map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range texts {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func ruleFile(alert string) string {
	return "groups:\n- name: g\n  rules:\n  - alert: " + alert + "\n    expr: up == 0\n    runbook: page/" + alert + "\n"
}

// good is a configuration with one of each.
func good() map[string]string {
	return map[string]string{
		"rules/web.yaml":      ruleFile("Web"),
		"rules/db/main.yml":   ruleFile("DB"),
		"catalogue.yaml":      "enable: [disk]\n",
		"receivers.yaml":      "receivers:\n- name: ops\n  webhook: {url: 'https://x/y', template: '{{ template \"t.tmpl\" . }}'}\n",
		"routes.yaml":         "route: {receiver: ops}\n",
		"templates/t.tmpl":    `{"a": 1}`,
		"templates/a/b.tmpl":  "deep",
		"templates/notes.txt": "no template",
	}
}

// read returns a configuration that must be good.
func read(t *testing.T, texts map[string]string, opt alertconfig.Options) *alertconfig.Loaded {
	t.Helper()
	l, problems, err := alertconfig.Read(tree(texts), opt, now)
	if err != nil || len(problems) > 0 || l == nil {
		t.Fatal(err, problems)
	}
	return l
}

// problemsOf returns what is wrong, one a line.
func problemsOf(t *testing.T, texts map[string]string) string {
	t.Helper()
	l, problems, err := alertconfig.Read(tree(texts), alertconfig.Options{}, now)
	if err != nil {
		t.Fatal(err)
	}
	if (l == nil) != (len(problems) > 0) {
		t.Errorf("configuration %v, problems %v", l, problems)
	}
	return lines(problems)
}

func lines(problems []alert.Problem) string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Error())
	}
	return strings.Join(out, "\n")
}

func alerts(l *alertconfig.Loaded) string {
	var out []string
	for _, g := range l.Groups() {
		for _, r := range g.Rules {
			if !strings.HasPrefix(g.File, catalogue.Prefix) {
				out = append(out, r.Alert)
			}
		}
	}
	return strings.Join(out, " ")
}

func fileNames(l *alertconfig.Loaded) string {
	var out []string
	for _, f := range l.Files {
		out = append(out, f.Name)
	}
	return strings.Join(out, " ")
}

func TestRead(t *testing.T) {
	t.Parallel()
	l := read(t, good(), alertconfig.Options{Interval: 15 * time.Second})
	if got := fileNames(l); got != "rules/db/main.yml rules/web.yaml catalogue/disk.yaml" {
		t.Errorf("files %s", got)
	}
	if l.Routes.Route.Receiver != "ops" || !slices.Equal(l.Receivers.Names(), []string{"ops"}) || !l.Time.Equal(now) {
		t.Errorf("%+v", l)
	}
	if want := map[string]string{"t.tmpl": `{"a": 1}`, "a/b.tmpl": "deep"}; !maps.Equal(l.Templates, want) {
		t.Errorf("templates %v", l.Templates)
	}
	g, r, ok := l.Rule("rules/web.yaml;g;Web")
	if !ok || g.Interval != 15*time.Second || r.Alert != "Web" || r.Runbook != "page/Web" {
		t.Errorf("rule %v of %v", r, g)
	}
	if _, _, ok = l.Rule("none"); ok {
		t.Error("a rule that is not there")
	}
	if string(l.Source("rules/web.yaml")) != good()["rules/web.yaml"] || !strings.Contains(string(l.Source("catalogue/disk.yaml")), "groups:") || l.Source("none") != nil || l.Source("catalogue/host.yaml") != nil {
		t.Error("the texts of files")
	}
	l = read(t, good(), alertconfig.Options{RunbookBase: "https://docs/"})
	if _, r, _ = l.Rule("rules/web.yaml;g;Web"); r.Runbook != "https://docs/page/Web" {
		t.Errorf("runbook %s", r.Runbook)
	}
}

// What is not there is as it is by default: the catalogue, and nobody is told.
func TestReadNothing(t *testing.T) {
	t.Parallel()
	for name, texts := range map[string]map[string]string{
		"no file": {}, "empty files": {"receivers.yaml": "# none\n", "catalogue.yaml": "\n", "rules/a.yaml": ""}, "null": {"catalogue.yaml": "enable:\nparameters:\n"},
	} {
		l := read(t, texts, alertconfig.Options{})
		var want []string
		for _, name := range catalogue.Files() {
			want = append(want, catalogue.Prefix+name+".yaml")
		}
		if got := strings.TrimPrefix(fileNames(l), "rules/a.yaml "); got != strings.Join(want, " ") {
			t.Errorf("%s: files %s", name, got)
		}
		if l.Routes == nil || l.Routes.Route == nil || l.Routes.Route.Receiver != "" || len(l.Receivers.Names()) != 0 {
			t.Errorf("%s: routes %+v", name, l.Routes)
		}
	}
	if l := read(t, map[string]string{"catalogue.yaml": "enable: []\n"}, alertconfig.Options{}); len(l.Files) != 0 {
		t.Errorf("with the catalogue switched off: %s", fileNames(l))
	}
}

func TestCatalogueParameters(t *testing.T) {
	t.Parallel()
	plain := read(t, map[string]string{"catalogue.yaml": "enable: [disk]\n"}, alertconfig.Options{})
	p := plain.Files[0].Parameters[0]
	for _, name := range []string{"disk", "disk.yaml", "catalogue/disk.yaml"} {
		texts := map[string]string{
			"catalogue.yaml": "enable: [disk]\nparameters:\n  " + name + ":\n    " + p.Name + ": " + p.Default + "\n  rules/own.yaml: {limit: 7}\n",
			"rules/own.yaml": "parameters:\n  limit: {default: 5}\n" + strings.ReplaceAll(ruleFile("Own"), "up == 0", "up > ${limit}"),
		}
		l := read(t, texts, alertconfig.Options{})
		if _, r, _ := l.Rule("rules/own.yaml;g;Own"); r.Expr != "up > 7" {
			t.Errorf("%s: expression %s", name, r.Expr)
		}
	}
	// A file that is not enabled may have some.
	read(t, map[string]string{"catalogue.yaml": "enable: []\nparameters: {disk: {" + p.Name + ": " + p.Default + "}}\n"}, alertconfig.Options{})
}

func TestProblems(t *testing.T) {
	t.Parallel()
	disk := read(t, map[string]string{"catalogue.yaml": "enable: [disk]\n"}, alertconfig.Options{}).Files[0].Parameters[0].Name
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string // one a problem
	}{
		{"a rule", map[string]string{"rules/a.yaml": ruleFile("A") + "    bad: 1\n"}, []string{"rules/a.yaml:7:5: groups[0].rules[0].bad: "}},
		{"receivers and routes", map[string]string{"receivers.yaml": "receivers:\n- name: a\n", "routes.yaml": "route: {receiver: x}\nmore: 1\n"}, []string{"receivers.yaml:2:3: receivers[0]: ", "routes.yaml:2:1: more: "}},
		{"a receiver that is not there", map[string]string{"routes.yaml": "route:\n  receiver: b\n", "receivers.yaml": "receivers: [{name: a, webhook: {url: 'https://x'}}]\n"}, []string{"routes.yaml:2:13: route.receiver: "}},
		{"receivers that cannot be read hide no others", map[string]string{"routes.yaml": "route:\n  receiver: b\n", "receivers.yaml": "receivers: [{name: b}]\n"}, []string{"receivers.yaml:1:13: receivers[0]: "}},
		{"enable", map[string]string{"catalogue.yaml": "enable:\n- disk\n- disc\n"}, []string{`catalogue.yaml:3:3: enable[1]: the catalogue has no "disc"; it has: agent, disk`}},
		{"parameters", map[string]string{"catalogue.yaml": "parameters:\n  disc: {a: 1}\n  rules/x.yaml:\n    b: 2\n"}, []string{"catalogue.yaml:2:", "catalogue.yaml:3:"}},
		{"a parameter", map[string]string{"catalogue.yaml": "parameters:\n  disk:\n    nothing: 1\n"}, []string{"catalogue.yaml:3:5: parameters.disk.nothing: the value set for it: "}},
		{"the value of a parameter", map[string]string{"catalogue.yaml": "parameters:\n  disk.yaml:\n    " + disk + ": [\n      1]\n"}, []string{"catalogue.yaml:3:"}},
		{"a value that may not be", map[string]string{"catalogue.yaml": "parameters:\n  disk:\n    " + disk + ": \"{}\"\n"}, []string{"catalogue.yaml:3:5: parameters.disk." + disk + ": the value set for it: "}},
		{"an unknown field", map[string]string{"catalogue.yaml": "# x\nenabled: []\n"}, []string{"catalogue.yaml:2:1: enabled: there is no such field"}},
		{"no list", map[string]string{"catalogue.yaml": "enable: disk\n"}, []string{"catalogue.yaml:1:9: enable: "}},
		{"no YAML", map[string]string{"catalogue.yaml": "enable: [\n"}, []string{"catalogue.yaml:1:"}},
		{"a template that is missing", map[string]string{"receivers.yaml": good()["receivers.yaml"]}, []string{"receivers.yaml:"}},
		{"a circle over files", map[string]string{
			"rules/a.yaml": ruleFile("A") + "    depends_on: [B]\n", "rules/b.yaml": ruleFile("B") + "    depends_on: [A]\n",
		}, []string{"depends_on"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			texts := map[string]string{"catalogue.yaml": "enable: []\n"}
			maps.Copy(texts, c.files)
			got := strings.Split(problemsOf(t, texts), "\n")
			if len(got) != len(c.want) {
				t.Fatalf("%d problems, want %d:\n%s", len(got), len(c.want), strings.Join(got, "\n"))
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], want) && !strings.Contains(got[i], ": "+want) {
					t.Errorf("%s\nwant %s", got[i], want)
				}
			}
		})
	}
}

// Hidden files and what editors leave behind are no configuration.
func TestFilesThatDoNotCount(t *testing.T) {
	t.Parallel()
	texts := good()
	for _, name := range []string{
		"rules/.web.yaml.swp", "rules/.hidden.yaml", "rules/web.yaml~", "rules/#web.yaml#", "rules/web.yaml.bak", "rules/web.yaml.orig", "rules/4913", "rules/README.md", "rules/..data/a.yaml", "rules/.git/a.yaml",
		"templates/.t.tmpl", "templates/t.tmpl~", ".catalogue.yaml", "other/a.yaml", "a.yaml",
	} {
		texts[name] = "this is: [no configuration"
	}
	l := read(t, texts, alertconfig.Options{})
	if alerts(l) != "DB Web" || len(l.Templates) != 2 {
		t.Errorf("alerts %s, templates %v", alerts(l), l.Templates)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file *fstest.MapFile
		text string
	}{
		"rules/a.yaml":   {&fstest.MapFile{Mode: fs.ModeNamedPipe}, "regular"},
		"routes.yaml":    {&fstest.MapFile{Mode: fs.ModeDevice}, "regular"},
		"receivers.yaml": {&fstest.MapFile{Mode: fs.ModeDir}, "regular"},
		"rules/big.yaml": {&fstest.MapFile{Data: make([]byte, 64<<20+1)}, "67108864 bytes"},
	} {
		fsys := tree(map[string]string{"catalogue.yaml": "enable: []\n"})
		fsys[name] = c.file
		l, problems, err := alertconfig.Read(fsys, alertconfig.Options{}, now)
		if err == nil || l != nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, %v, %v", name, l, problems, err)
		}
	}
	half := &fstest.MapFile{Data: make([]byte, 33<<20)}
	if _, _, err := alertconfig.Read(fstest.MapFS{"templates/a.tmpl": half, "templates/b.tmpl": half}, alertconfig.Options{}, now); err == nil || !strings.Contains(err.Error(), "templates/b.tmpl") {
		t.Errorf("too much together: %v", err)
	}
}
