package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/db/postgres/pgtest"
)

const (
	metricsPath  = root + "docs/platform-metrics.md"
	metricHead   = "| metric | type | labels | unit | meaning | what to watch |"
	metricRule   = "|---|---|---|---|---|---|"
	notDescribed = "## Not described yet"
)

// documented is a metric of the server as its registry tells of it.
type documented struct{ name, kind, labels, help string }

// TestPlatformMetrics holds docs/platform-metrics.md to the metrics that a server
// has. What to watch is written in the page itself and kept by -update; the rest
// of a row comes from the registry.
func TestPlatformMetrics(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.SelfMonitoring.Interval = time.Hour // registered, and silent
	a := build(t, cfg)
	metrics, reasons := serverMetrics(t, a.reg)
	// A node of all targets has what several processes have beside that.
	node := clusterConfig(t, pgtest.DSN(t), brokerURL(t, "metrics"), targets...)
	b := build(t, node)
	more, _ := serverMetrics(t, b.reg)
	for name, m := range more {
		if _, known := metrics[name]; !known {
			metrics[name] = m
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	have, err := os.ReadFile(metricsPath)
	if err != nil {
		t.Fatal(err)
	}
	got := metricsPage(string(have), metrics)
	if *update {
		if err := os.WriteFile(metricsPath, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		have = []byte(got)
	}
	if string(have) != got {
		t.Error("docs/platform-metrics.md is not what the server has: run go test ./services/app -run PlatformMetrics -update and say what to watch in new rows")
	}
	wantAdvice(t, got)
	wantReasons(t, got, reasons)
	wantExpressions(t, a, got, metrics)
}

var descParts = regexp.MustCompile(`fqName: "([^"]*)", help: "((?:[^"\\]|\\.)*)".*constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

// serverMetrics returns the server's own metrics by name, those that have no
// value yet included, and the reasons that are shown before they happen.
func serverMetrics(t *testing.T, reg *prometheus.Registry) (map[string]documented, []string) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kinds, reasons := map[string]string{}, map[string]bool{}
	for _, f := range families {
		kinds[f.GetName()] = strings.ToLower(f.GetType().String())
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "reason" {
					reasons[l.GetValue()] = true
				}
			}
		}
	}
	out := map[string]documented{}
	for _, d := range descriptions(reg) {
		parts := descParts.FindStringSubmatch(d.String())
		if parts == nil {
			t.Fatalf("a description in another form: %s", d)
		}
		m := documented{name: parts[1], kind: kinds[parts[1]], labels: labelNames(parts[3], parts[4]), help: strings.ReplaceAll(parts[2], `\"`, `"`)}
		if !strings.HasPrefix(m.name, "esmon_") {
			continue // of the Go runtime and the process: their names are the same everywhere
		}
		if m.kind == "" {
			m.kind = kindByName(m.name)
		}
		out[m.name] = m
	}
	return out, slices.Sorted(maps.Keys(reasons))
}

func descriptions(reg *prometheus.Registry) []*prometheus.Desc {
	ch := make(chan *prometheus.Desc)
	go func() {
		reg.Describe(ch)
		close(ch)
	}()
	var out []*prometheus.Desc
	for d := range ch {
		out = append(out, d)
	}
	return out
}

// kindByName tells the type of a metric that has no value yet, and so is not
// gathered, by the rules that names follow.
func kindByName(name string) string {
	switch {
	case strings.HasSuffix(name, "_total"):
		return "counter"
	case strings.HasSuffix(name, "_duration_seconds"):
		return "histogram"
	}
	return "gauge"
}

func labelNames(constant, variable string) string {
	var names []string
	for pair := range strings.SplitSeq(constant, ",") {
		if name, _, found := strings.Cut(pair, "="); found {
			names = append(names, "`"+name+"`")
		}
	}
	for name := range strings.SplitSeq(variable, ",") {
		if name != "" {
			names = append(names, "`"+name+"`")
		}
	}
	return strings.Join(names, ", ")
}

func unit(m documented) string {
	name := strings.TrimSuffix(m.name, "_total")
	switch {
	case strings.HasPrefix(m.help, "1 while"), strings.HasPrefix(m.help, "Always 1"):
		return "0 or 1"
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return "Unix time, seconds"
	case strings.HasSuffix(name, "_seconds"):
		return "seconds"
	case strings.HasSuffix(name, "_bytes") || strings.Contains(name, "_bytes_"):
		return "bytes"
	}
	return "number"
}

func metricRow(m documented, advice string) string {
	cells := []string{"`" + m.name + "`", m.kind, m.labels, unit(m), strings.ReplaceAll(m.help, "|", `\|`), advice}
	return strings.ReplaceAll("| "+strings.Join(cells, " | ")+" |", "|  |", "| |")
}

// rowParts returns the name and the last cell of a row about a metric.
func rowParts(line string) (name, advice string, ok bool) {
	rest, ok := strings.CutPrefix(line, "| `esmon_")
	if !ok {
		return "", "", false
	}
	name, _, _ = strings.Cut(rest, "`")
	cells := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "|"), "|")
	return "esmon_" + name, strings.TrimSpace(cells[len(cells)-1]), true
}

// metricsPage returns the page with the rows as the metrics are: those that are
// gone left out, new ones at the end.
func metricsPage(page string, metrics map[string]documented) string {
	missing := maps.Clone(metrics)
	var out []string
	for line := range strings.SplitSeq(strings.TrimSpace(page), "\n") {
		name, advice, ok := rowParts(line)
		m, known := metrics[name]
		switch {
		case ok && !known:
			continue
		case ok:
			delete(missing, name)
			line = metricRow(m, advice)
		}
		out = append(out, line)
	}
	if len(missing) > 0 && !slices.Contains(out, notDescribed) {
		out = append(out, "", notDescribed, "", metricHead, metricRule)
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		out = append(out, metricRow(missing[name], ""))
	}
	return strings.Join(out, "\n") + "\n"
}

func wantAdvice(t *testing.T, page string) {
	t.Helper()
	seen := map[string]bool{}
	for line := range strings.SplitSeq(page, "\n") {
		name, advice, ok := rowParts(line)
		switch {
		case !ok:
		case seen[name]:
			t.Errorf("%s stands twice in docs/platform-metrics.md: leave one out", name)
		case len(advice) < 10:
			t.Errorf("docs/platform-metrics.md does not say what to watch of %s: write it into the last cell of its row", name)
		}
		seen[name] = true
	}
	if strings.Contains(page, notDescribed) {
		t.Errorf("docs/platform-metrics.md: move the rows under %q to where they belong", notDescribed)
	}
}

func wantReasons(t *testing.T, page string, reasons []string) {
	t.Helper()
	if len(reasons) < 20 {
		t.Fatalf("the server shows only the reasons %v", reasons)
	}
	for _, r := range reasons {
		if !strings.Contains(page, "\n| `"+r+"` |") {
			t.Errorf("docs/platform-metrics.md does not explain the reason %s: give it a row", r)
		}
	}
}

// ours is what can only be the name of a metric of the server.
var ours = regexp.MustCompile(`\besmon_[a-z0-9_]*[a-z0-9]`)

// wantExpressions has the server compute every expression of the page, and looks
// for the metrics that the text names.
func wantExpressions(t *testing.T, a *App, page string, metrics map[string]documented) {
	t.Helper()
	for _, name := range ours.FindAllString(page, -1) {
		_, known := metrics[name]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			base, cut := strings.CutSuffix(name, suffix)
			known = known || cut && metrics[base].kind == "histogram"
		}
		if !known {
			t.Errorf("docs/platform-metrics.md names %s, which the server does not have", name)
		}
	}
	_, stop := start(t, a)
	n := 0
	for _, m := range regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(page, -1) {
		for line := range strings.SplitSeq(m[1], "\n") {
			if expr, _, _ := strings.Cut(line, "#"); strings.TrimSpace(expr) != "" {
				n++
				if err := compute(t, a.Endpoints().HTTP, strings.TrimSpace(expr)); err != nil {
					t.Errorf("docs/platform-metrics.md: %s: %v", expr, err)
				}
			}
		}
	}
	if n == 0 {
		t.Error("docs/platform-metrics.md has no expressions")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func compute(t *testing.T, address, expr string) error {
	t.Helper()
	u := "http://" + address + "/prometheus/api/v1/query?query=" + url.QueryEscape(expr)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Status, Error string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("status %d: %s", res.StatusCode, answer.Error)
	}
	return nil
}
