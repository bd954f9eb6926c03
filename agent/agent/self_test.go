package agent

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/config"
	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/schedule"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/agent/uplink"
	"github.com/esolutions/esmon/services/metric"
)

var update = flag.Bool("update", false, "write the table of the agent's own metrics")

// direct is a dialer without a proxy.
func direct(t *testing.T) *collectors.Dialer {
	t.Helper()
	d, err := collectors.New(collectors.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// parts of an enrolled agent that is not started.
func idle(t *testing.T) (*parts, *self) {
	t.Helper()
	s := agenttest.New(t)
	cfg := config.Default()
	cfg.StateDir = t.TempDir()
	i, err := enrol.Enrol(t.Context(), direct(t), []string{s.Addr()}, s.Token, "", HostFacts())
	if err != nil {
		t.Fatal(err)
	}
	if err := enrol.Save(cfg.StateDir, i); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	p, err := build(t.Context(), cfg, "test", log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.spool.Close() })
	store, err := enrol.OpenStore(cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	return p, newSelf(p.spool, p.uplink, store, "test")
}

func TestSelf(t *testing.T) {
	t.Parallel()
	p, self := idle(t)
	p.writer.Put(spool.Collection{Probe: "x", Started: time.Now(), Readings: []probe.Reading{
		{Schema: probe.Schema(probe.Gauge("a", "1", "A.")), Time: time.Now().Add(-time.Minute).UnixMilli(), Values: []float64{1}},
	}})
	if err := p.writer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	readings, err := probe.Run(t.Context(), self)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, r := range readings {
		for i, c := range r.Schema.Columns {
			key := c.Name
			for _, l := range r.Labels.With(c.Labels...) {
				key += "," + l.Name + "=" + l.Value
			}
			got[key] = r.Values[i]
		}
	}
	for key, want := range map[string]float64{
		"esmon_agent_spool_batches": 1, "esmon_agent_spool_samples": 1, "esmon_agent_batches_total": 1, "esmon_agent_connected": 0,
		"esmon_agent_info,version=test": 1, "esmon_agent_lost_samples_total,reason=spool_bytes": 0,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v, want %v", key, v, want)
		}
	}
	if age := got["esmon_agent_spool_oldest_age_seconds"]; age < 59 || age > 90 {
		t.Errorf("the oldest sample is %v seconds old, want a minute", age)
	}
	if expiry := got["esmon_agent_certificate_expiry_timestamp_seconds"]; math.Abs(expiry-float64(time.Now().Add(time.Hour).Unix())) > 60 {
		t.Errorf("the certificate ends at %f", expiry)
	}
	if rss := got["esmon_agent_memory_resident_bytes"]; !metric.IsMissing(rss) && (rss < 1<<20 || rss > 1<<32) {
		t.Errorf("the agent uses %f bytes", rss)
	}
	if cpu := got["esmon_agent_cpu_time_seconds_total"]; !(cpu > 0) {
		t.Errorf("the agent used %f seconds", cpu)
	}
}

// The collectors that are shown are bounded, and the one in use is among them.
func TestShownCollectors(t *testing.T) {
	t.Parallel()
	var list []uplink.Candidate
	for i := range 100 {
		list = append(list, uplink.Candidate{Name: fmt.Sprintf("c%d:1", i), Connected: i == 70})
	}
	got := shown(list)
	if len(got) != shownCollectors || !got[shownCollectors-1].Connected || got[0].Name != "c0:1" || list[shownCollectors-1].Connected {
		t.Errorf("shown are %+v", got)
	}
	if len(shown(list[:3])) != 3 {
		t.Error("three are not shown as they are")
	}
	limits := metric.DefaultLimits()
	for _, c := range []uplink.Candidate{{Name: "a:1"}, {Name: "a:1", Address: "10.0.0.1:1"}} {
		if r := limits.CheckEntity(&metric.Entity{Labels: collectorLabels(c)}); r != nil {
			t.Error(r)
		}
	}
}

// What the agent reports on itself must pass the server's own checks.
func TestOwnSchemasAreAccepted(t *testing.T) {
	t.Parallel()
	_, self := idle(t)
	limits := metric.DefaultLimits()
	shapes := append(self.Shapes(), probe.Shape{Schema: schedule.Schema(), Entity: []string{"probe"}})
	seen := map[string]bool{}
	for _, s := range shapes {
		if r := limits.CheckSchema(s.Schema); r != nil {
			t.Error(r)
		}
		for _, c := range s.Schema.Columns {
			key := fmt.Sprint(c.Name, c.Labels)
			if seen[key] {
				t.Errorf("%s stands in two schemas", key)
			}
			seen[key] = true
		}
	}
}

// The table in docs/agent.md is made of the schemas: go test -update.
func TestTable(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- metrics: made by go test ./agent/agent -update -->\n", "<!-- end of metrics -->\n"
	path := filepath.Join("..", "..", "docs", "agent.md")
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(doc, []byte(begin))
	have, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatal("docs/agent.md has no place for the metrics")
	}
	_, self := idle(t)
	var want bytes.Buffer
	want.WriteString("| metric | type | labels | what it is |\n|---|---|---|---|\n")
	for _, s := range append(self.Shapes(), probe.Shape{Schema: schedule.Schema(), Entity: []string{"probe"}}) {
		for _, c := range s.Schema.Columns {
			labels := append([]string(nil), s.Entity...)
			for _, l := range c.Labels {
				labels = append(labels, fmt.Sprintf("%s=%q", l.Name, l.Value))
			}
			text := ""
			if len(labels) > 0 {
				text = "`" + strings.Join(labels, "`, `") + "`"
			}
			fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", c.Name, c.Type, text, c.Help)
		}
	}
	if *update {
		text := string(head) + begin + want.String() + end + string(tail)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(have, want.Bytes()) {
		t.Error("docs/agent.md does not show the metrics as they are: run go test ./agent/agent -update")
	}
}
