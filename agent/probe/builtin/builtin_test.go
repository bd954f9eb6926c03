package builtin_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/builtin"
	"github.com/esolutions/esmon/agent/probe/probetest"
	"github.com/esolutions/esmon/services/metric"
)

func all(t testing.TB) []probe.Probe {
	t.Helper()
	probes, err := builtin.All(probe.Env{}, builtin.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return probes
}

func TestNamesAreUniqueAndIntervalsSensible(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, p := range all(t) {
		if seen[p.Name()] || p.Name() == "" {
			t.Errorf("probe name %q twice or empty", p.Name())
		}
		seen[p.Name()] = true
		if d := p.DefaultInterval(); d < time.Second || d > time.Hour {
			t.Errorf("%s: interval %s", p.Name(), d)
		}
	}
}

// A metric means the same wherever it is reported, series of two schemas never
// meet, and every definition is within the server's limits.
func TestSchemas(t *testing.T) {
	t.Parallel()
	limits := metric.DefaultLimits()
	known := make(map[string]metric.Column)
	series := make(map[string]string)
	for _, p := range all(t) {
		for i, s := range p.Shapes() {
			if s.Schema != p.Shapes()[i].Schema {
				t.Errorf("%s: shape %d is not the same on every call", p.Name(), i)
			}
			if r := limits.CheckSchema(s.Schema); r != nil {
				t.Errorf("%s: %v", p.Name(), r)
			}
			for _, c := range s.Schema.Columns {
				checkColumn(t, known, c, s.Entity)
				key := fmt.Sprint(c.Name, c.Labels, s.Entity)
				if other, twice := series[key]; twice {
					t.Errorf("%s %v stands in probes %s and %s", c.Name, c.Labels, other, p.Name())
				}
				series[key] = p.Name()
			}
		}
	}
}

func checkColumn(t *testing.T, known map[string]metric.Column, c metric.Column, entity []string) {
	t.Helper()
	if k, ok := known[c.Name]; ok && (k.Type != c.Type || k.Unit != c.Unit || k.Help != c.Help) {
		t.Errorf("%s is defined twice: %+v and %+v", c.Name, k, c)
	}
	known[c.Name] = c
	if c.Help == "" || !strings.HasSuffix(c.Help, ".") {
		t.Errorf("%s: help %q is no sentence", c.Name, c.Help)
	}
	if !strings.HasPrefix(c.Name, "system_") && !strings.HasPrefix(c.Name, "process_") && !strings.HasPrefix(c.Name, "esmon_") {
		t.Errorf("%s: neither a name of the conventions nor esmon_", c.Name)
	}
	for _, l := range c.Labels {
		if slices.Contains(entity, l.Name) {
			t.Errorf("%s: label %s is on the entity and on the column", c.Name, l.Name)
		}
	}
	for _, name := range entity {
		if metric.Reserved(name) {
			t.Errorf("%s: label %s is the server's", c.Name, name)
		}
	}
}

func TestConfigErrorsAreAllNamed(t *testing.T) {
	t.Parallel()
	cfg := builtin.DefaultConfig()
	cfg.Disk.Exclude, cfg.Network.Exclude, cfg.Filesystem.MaxCalls, cfg.Process.Top = "(", "(", 0, -1
	_, err := builtin.All(probe.Env{}, cfg)
	for _, setting := range []string{"disk.exclude", "network.exclude", "filesystem.max_calls", "process.top"} {
		if err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("error %v does not name %s", err, setting)
		}
	}
}

const document = "../../../docs/metrics.md"

func TestDocumentHasAllTables(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, p := range all(t) {
		fmt.Fprintf(&b, "\n### %s\n\nRead every %g seconds unless configured otherwise.\n%s", p.Name(), p.DefaultInterval().Seconds(), strings.TrimSuffix(probetest.Table(p), "\n"))
	}
	probetest.Document(t, document, b.String()+"\n")
}

var (
	row      = regexp.MustCompile("(?m)^\\| `(node_[^`]+)` \\| `([^`]+)` \\|$")
	selector = regexp.MustCompile(`((?:system|esmon)_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)=(~?)"([^"]*)"`)
)

// The expressions that replace those of node_exporter name metrics and labels
// that exist.
func TestMappingFromNodeExporter(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var columns []metric.Column
	for _, p := range all(t) {
		for _, s := range p.Shapes() {
			columns = append(columns, s.Schema.Columns...)
		}
	}
	rows := row.FindAllStringSubmatch(string(text), -1)
	if len(rows) < 100 {
		t.Fatalf("%d rows in the table, want all that there are", len(rows))
	}
	for _, r := range rows {
		expression := regexp.MustCompile(`without \(\w+\)`).ReplaceAllString(r[2], "")
		found := selector.FindAllStringSubmatch(expression, -1)
		if len(found) == 0 {
			t.Errorf("%s: no metric in %q", r[1], r[2])
		}
		for _, s := range found {
			if !slices.ContainsFunc(columns, func(c metric.Column) bool { return c.Name == s[1] && matches(c, s[2]) }) {
				t.Errorf("%s: no probe has %s{%s}", r[1], s[1], s[2])
			}
		}
	}
}

func matches(c metric.Column, matchers string) bool {
	for _, m := range matcher.FindAllStringSubmatch(matchers, -1) {
		want := regexp.MustCompile("^(" + m[3] + ")$")
		if m[2] == "" {
			want = regexp.MustCompile("^" + regexp.QuoteMeta(m[3]) + "$")
		}
		if !want.MatchString(c.Labels.Get(m[1])) {
			return false
		}
	}
	return true
}
