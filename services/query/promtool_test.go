package query_test

import (
	"bytes"
	"fmt"
	"math"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/esolutions/esmon/services/metric"
)

// debianPackage is what the tools of this file come from; make test installs it.
const debianPackage = "prometheus"

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is needed: install the package %s, as make test does: %v", name, debianPackage, err)
	}
	return path
}

// The times of the data that promtool asks for: two blocks and a bit, each sample
// off the full second, because Prometheus 2 and 3 do not agree on whether a range
// includes a sample at its very beginning.
const (
	toolStart = int64(1_699_980_003_217)
	toolStep  = int64(15_000)
	toolRows  = 1100
	toolEnd   = toolStart + toolStep*(toolRows-1)
)

// toolData is what two hosts with a disk or two send. All values are integers or
// quarters, so that sums are exact in any order of the terms.
func toolData() (arriving []arrival) {
	schemas, _ := testSchemas()
	cpu, load, wait, disk := schemas[0], schemas[1], schemas[4], schemas[5]
	entity := func(pairs ...string) *metric.Entity { return &metric.Entity{Labels: labelPairs(pairs)} }
	for i := range int64(toolRows) {
		for h, host := range []string{"h0", "h1", "h2"} {
			if h == 2 && i > 300 && i < 700 { // away for a while
				continue
			}
			n := float64(i) * float64(h+1)
			send := func(e *metric.Entity, s *metric.Schema, values ...float64) {
				arriving = append(arriving, arrival{metric.Frame{Entity: e, Schema: s, Time: toolStart + i*toolStep, Values: values}, h % partitions})
			}
			os := []string{"linux", "windows"}[h%2]
			machine := entity("host_name", host, "os_type", os)
			since := math.Mod(n, 2048) // a counter that starts again
			send(machine, cpu, n*8, since*4, n+0.25, 8)
			send(machine, load, math.Mod(n*7, 11)/4, math.Mod(n*3, 13)/4)
			send(machine, wait, n, 3*n, 7*n, 8*n, 16*n, 8*n)
			send(entity("host_name", host, "os_type", os, "device", "sda"), disk, 512*n, 1024*since, 1e12-4096*n)
			if h == 1 {
				send(entity("host_name", host, "os_type", os, "device", "sdb"), disk, 4096*n, 512*n, metric.Missing())
			}
		}
	}
	return arriving
}

// writeOpenMetrics writes what the store holds in the form that promtool reads.
func writeOpenMetrics(t *testing.T, p *plainStore, path string) {
	t.Helper()
	var b bytes.Buffer
	for _, key := range sortedKeys(p.series) {
		s := p.series[key]
		var pairs []string
		s.labels.Range(func(l labels.Label) {
			if l.Name != metric.NameLabel {
				pairs = append(pairs, fmt.Sprintf("%s=%q", l.Name, l.Value))
			}
		})
		for _, at := range sortedKeys(s.at) {
			fmt.Fprintf(&b, "%s{%s} %v %d.%03d\n", s.labels.Get(metric.NameLabel), strings.Join(pairs, ","), s.at[at].value, at/1000, at%1000)
		}
	}
	b.WriteString("# EOF\n")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// toolQuestions are asked of both servers. Left out is what the engines of Prometheus
// 2 and 3 do not agree on: the last bit of averages of three, and which of two equal
// sides an error names first.
var toolQuestions = []string{
	`up`, `load1`, `load1{host_name="h1"}`, `{__name__=~"load.*",host_name!="h0"}`, `{__name__=~"cpu_.+",mode=~"user|"}`, `load1 offset 10m`,
	`load1{host_name!~"h1|h2"} @ 1699987000`, `load5 offset -5m`, `cpu_seconds_total{mode="system"}`, `load1{host_name="h2"}[3m]`,
	`sum(load1)`, `sum by (os_type) (load1)`, `avg by (host_name) (cpu_seconds_total{mode!="idle"})`, `min by (host_name) (disk_free_bytes)`, `max(load5)`,
	`count by (os_type) (cpu_seconds_total)`, `group by (device) (disk_bytes_total)`, `topk(2, disk_bytes_total)`, `bottomk by (host_name) (1, disk_bytes_total)`,
	`quantile by (mode) (0.5, cpu_seconds_total)`, `count_values("value", cpu_count)`, `sort_desc(load1)`,
	`increase(cpu_seconds_total{mode="system"}[10m])`, `rate(disk_bytes_total[5m])`, `irate(disk_bytes_total{device="sda"}[2m])`, `delta(disk_free_bytes[10m])`,
	`resets(cpu_seconds_total[1h])`, `changes(load1[10m])`, `max_over_time(load1[7m])`, `sum_over_time(load5[4m])`, `count_over_time(load1[1h])`,
	`last_over_time(load1{host_name="h2"}[3h])`, `quantile_over_time(0.25, load1[10m])`, `max_over_time(load1[22m:45s])`,
	`histogram_quantile(0.5, wait_seconds_bucket)`, `histogram_quantile(0.9, sum by (le) (wait_seconds_bucket))`,
	`disk_bytes_total / on (host_name) group_left (os_type) cpu_count`, `load1 > 1`, `load1 > bool 1`, `load1 == load1`, `load1 and on (host_name) load5 > 1`,
	`load1{host_name="h0"} or load1`, `load1 unless on (host_name) disk_bytes_total{device="sdb"}`, `absent(load9{host_name="h0"})`, `absent(load1)`,
	`absent_over_time(load1{host_name="h2"}[10m])`, `label_replace(load1, "short", "$1", "host_name", "h(.)")`, `label_join(load1, "both", "-", "host_name", "os_type")`,
	`timestamp(load1)`, `clamp(load1, 0.5, 1)`, `floor(load5)`, `-load1 + 2`, `vector(1)`, `scalar(load1{host_name="h0"})`, `1 + 2`, `time()`,
	`sum(`, `nonsense(load1)`, `label_replace(load1, "x", "$1", "host_name", "(")`,
}

// TestPromtool asks a real Prometheus and the platform for the same, with
// Prometheus' own tool, and compares what it prints.
func TestPromtool(t *testing.T) {
	t.Parallel()
	tool(t, "promtool")
	arriving := toolData()
	x := &trial{log: (&ingestLog{Rand: newRand(1)}).write(arriving), plain: newPlainStore()}
	x.hand(len(x.log))
	theirs := startPrometheus(t, x.plain)
	ours := serveStages(t, x.log)
	var filled atomic.Int64
	t.Run("calls", func(t *testing.T) {
		for i, args := range toolCalls() {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				want, got := promtool(t, args, theirs), promtool(t, args, ours)
				if got != want {
					t.Errorf("promtool query %q:\n%s", args, difference(want, got))
				}
				if strings.Contains(want, "=>") || strings.Contains(want, "h1") {
					filled.Add(1)
				}
			})
		}
	})
	if n, all := filled.Load(), int64(len(toolCalls())); n < all*3/4 {
		t.Errorf("%d of %d answers say something, want at least three quarters", n, all)
	}
}

// serveStages serves the data from a database that has it in merged chunks, in those
// of cuts, and in memory.
func serveStages(t *testing.T, log []logged) string {
	t.Helper()
	d := newDatabase(t, log)
	d.append(len(log)*2/3, true)
	d.merge(0, 1, 2)
	d.append(len(log)*5/6, true)
	d.trim()
	d.append(len(log), true)
	if l := d.layout(); l.merged < 2 || l.cuts == 0 || l.recentBytes == 0 || l.headRows == 0 {
		t.Errorf("the rows are not everywhere: %+v", l)
	}
	server := httptest.NewServer(d.service.PrometheusHandler())
	t.Cleanup(server.Close)
	return server.URL
}

// toolCalls are the arguments of promtool query; SERVER stands for the address.
func toolCalls() (calls [][]string) {
	const late, gap = "1699996000.5", "1699986500"
	for i, q := range toolQuestions {
		if i%2 == 0 {
			calls = append(calls, []string{"instant", "--time=" + late, "SERVER", q})
		} else {
			calls = append(calls, []string{"range", "--start=1699984000", "--end=1699989000", "--step=97s", "SERVER", q})
		}
	}
	return append(calls,
		[]string{"instant", "--time=" + gap, "SERVER", "load1"},
		[]string{"series", "--match=load1", "--match=up", "SERVER"},
		[]string{"series", `--match={host_name="h1"}`, "SERVER"},
		[]string{"series", `--match={__name__=~"disk.*",device!="sda"}`, "SERVER"},
		[]string{"series", `--match={nothing=""}`, "SERVER"},
		[]string{"labels", "SERVER", "__name__"}, []string{"labels", "SERVER", "host_name"}, []string{"labels", "SERVER", "nothing"},
		[]string{"labels", "--match=disk_free_bytes", "SERVER", "device"},
		[]string{"labels", "--match=load1", `--match={device="sdb"}`, "SERVER", "host_name"},
	)
}

// promtool returns what the tool prints and how it ends, in an order that compares.
func promtool(t *testing.T, args []string, server string) string {
	t.Helper()
	full := []string{"query"}
	for _, a := range args {
		if a == "SERVER" {
			a = server
		}
		full = append(full, a)
	}
	cmd := exec.CommandContext(t.Context(), tool(t, "promtool"), full...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	text := strings.Replace(problems.String(), `invalid parameter "query": `, "", 1) // which Prometheus 2 does not say of ranges
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if args[0] == "instant" && !strings.HasPrefix(args[len(args)-1], "sort") || args[0] == "series" { // has no order
		slices.Sort(lines)
	}
	return fmt.Sprintf("%s\nproblems: %s\nend: %v", strings.Join(lines, "\n"), text, err)
}
