// Package probetest is what the tests of probes share.
package probetest

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/services/metric"
)

var update = flag.Bool("update", false, "write golden files and tables instead of comparing with them")

// Env returns an environment that reads below root and whose clock stands at
// 2026-01-02 03:04:05 UTC.
func Env(root string) probe.Env {
	return probe.Env{Root: root, Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }}
}

// Tree writes files below a new directory and returns it.
func Tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		Write(t, root, name, text)
	}
	return root
}

// Collect runs the probe once, checks what every reading must keep, and returns
// the readings. It fails the test on an error of the probe.
func Collect(t testing.TB, p probe.Probe) []probe.Reading {
	t.Helper()
	readings, err := probe.Run(context.Background(), p)
	if err != nil {
		t.Fatalf("collect: %v", err)
	}
	Check(t, p, readings)
	return readings
}

// Check fails the test if a reading breaks the contract between probes and
// server: a shape that was declared, the entity labels named there and no
// others, definitions within the limits, no thing twice, plausible values.
func Check(t testing.TB, p probe.Probe, readings []probe.Reading) {
	t.Helper()
	limits := metric.DefaultLimits()
	twice := make(map[string]bool)
	for _, r := range readings {
		i := slices.IndexFunc(p.Shapes(), func(s probe.Shape) bool { return s.Schema == r.Schema })
		if i < 0 {
			t.Fatalf("reading of %s: the schema is not among the probe's shapes", r.Schema.Columns[0].Name)
		}
		name := r.Schema.Columns[0].Name
		entity := &metric.Entity{Labels: r.Labels}
		for _, refusal := range []*metric.Refusal{limits.CheckSchema(r.Schema), limits.CheckEntity(entity), metric.CheckPair(entity, r.Schema)} {
			if refusal != nil {
				t.Errorf("%s %v: %v", name, r.Labels, refusal)
			}
		}
		checkLabels(t, name, r.Labels, p.Shapes()[i].Entity)
		key := fmt.Sprintf("%d %q", i, r.Labels)
		if twice[key] {
			t.Errorf("%s %v: reported twice", name, r.Labels)
		}
		twice[key] = true
		checkValues(t, &r)
	}
}

func checkLabels(t testing.TB, name string, labels metric.Labels, want []string) {
	t.Helper()
	if !slices.IsSortedFunc(labels, func(a, b metric.Label) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%s: labels %v are not sorted", name, labels)
	}
	for _, l := range labels {
		if !slices.Contains(want, l.Name) {
			t.Errorf("%s: label %s was not declared, only %v", name, l.Name, want)
		}
	}
	if len(want) > 0 && len(labels) == 0 {
		t.Errorf("%s: no labels, want some of %v", name, want)
	}
}

func checkValues(t testing.TB, r *probe.Reading) {
	t.Helper()
	if len(r.Values) != len(r.Schema.Columns) {
		t.Fatalf("%s: %d values for %d columns", r.Schema.Columns[0].Name, len(r.Values), len(r.Schema.Columns))
	}
	for i, v := range r.Values {
		if !metric.IsMissing(v) && (v < 0 || math.IsInf(v, 0) || math.IsNaN(v)) {
			t.Errorf("%s%v %v: value %v", r.Schema.Columns[i].Name, r.Labels, r.Schema.Columns[i].Labels, v)
		}
	}
}

// Golden compares readings, written as text, with testdata/name.
func Golden(t testing.TB, name string, readings []probe.Reading) {
	t.Helper()
	compareFile(t, filepath.Join("testdata", name), Text(readings))
}

// Text writes readings, a series a line: name, labels, value, time.
func Text(readings []probe.Reading) string {
	var b strings.Builder
	for _, r := range readings {
		for i, v := range r.Values {
			c := &r.Schema.Columns[i]
			labels := metric.SeriesLabels(&metric.Entity{Labels: r.Labels}, c)
			var parts []string
			for _, l := range labels {
				if l.Name != metric.NameLabel {
					parts = append(parts, fmt.Sprintf("%s=%q", l.Name, l.Value))
				}
			}
			fmt.Fprintf(&b, "%s{%s} %s @%d\n", c.Name, strings.Join(parts, ","), Format(v), r.Time)
		}
	}
	return b.String()
}

// Value returns the value of the one series that has the name and, among others,
// the labels, given as alternating names and values. It fails the test if there
// is none.
func Value(t testing.TB, readings []probe.Reading, name string, labels ...string) float64 {
	t.Helper()
	for _, r := range readings {
		for i := range r.Schema.Columns {
			set := metric.SeriesLabels(&metric.Entity{Labels: r.Labels}, &r.Schema.Columns[i])
			if set.Get(metric.NameLabel) == name && has(set, labels) {
				return r.Values[i]
			}
		}
	}
	t.Fatalf("no series %s %v in\n%s", name, labels, Text(readings))
	return 0
}

func has(set metric.Labels, labels []string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		if set.Get(labels[i]) != labels[i+1] {
			return false
		}
	}
	return true
}

// compareFile compares text with a file, or writes the file with -update.
func compareFile(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs (run the test with -update to write it):\n%s", path, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "", ""
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, a, b)
		}
	}
	return ""
}

// Format writes a value as golden files do.
func Format(v float64) string {
	if metric.IsMissing(v) {
		return "missing"
	}
	return fmt.Sprint(v)
}

// Fails runs the probe once, fails the test unless the error contains the text,
// and returns what was emitted all the same.
func Fails(t testing.TB, p probe.Probe, text string) []probe.Reading {
	t.Helper()
	readings, err := probe.Run(context.Background(), p)
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("error %v, want one with %q", err, text)
	}
	Check(t, p, readings)
	return readings
}

// Write writes a file below root.
func Write(t testing.TB, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
