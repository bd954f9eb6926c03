package e2e

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
)

// equivalent is a pair of expressions that mean the same, one for Prometheus
// with node_exporter, one for the platform. Series are matched by the values of
// the given labels, in their order.
type equivalent struct {
	area        string
	theirs      string
	theirLabels []string
	ours        string
	ourLabels   []string
}

func equivalents() []equivalent {
	var all []equivalent
	add := func(area, theirs, theirLabels, ours, ourLabels string) {
		all = append(all, equivalent{area, theirs, strings.Fields(theirLabels), ours, strings.Fields(ourLabels)})
	}
	for theirs, ours := range map[string]string{"user": "user", "nice": "nice", "system": "system", "idle": "idle", "iowait": "iowait", "irq": "interrupt", "softirq": "softirq", "steal": "steal"} {
		add("cpu", `node_cpu_seconds_total{mode="`+theirs+`"}`, "cpu", `system_cpu_time_seconds_total{cpu_mode="`+ours+`"}`, "cpu_logical_number")
	}
	add("cpu", `node_context_switches_total`, "", `esmon_cpu_context_switches_total`, "")
	for theirs, ours := range map[string]string{
		"MemTotal": `system_memory_limit_bytes`, "MemFree": `system_memory_usage_bytes{system_memory_state="free"}`,
		"MemAvailable": `system_memory_linux_available_bytes`, "Buffers": `system_memory_usage_bytes{system_memory_state="buffers"}`,
		"Shmem": `system_memory_linux_shared_bytes`, "Active": `esmon_memory_active_bytes`, "Inactive": `esmon_memory_inactive_bytes`,
		"AnonPages": `esmon_memory_anonymous_bytes`, "Mapped": `esmon_memory_mapped_bytes`, "Committed_AS": `esmon_memory_committed_bytes`,
		"SReclaimable": `system_memory_linux_slab_usage_bytes{system_memory_linux_slab_state="reclaimable"}`,
	} {
		add("memory", "node_memory_"+theirs+"_bytes", "", ours, "")
	}
	for theirs, ours := range map[string]string{
		"read_bytes": `system_disk_io_bytes_total{disk_io_direction="read"}`, "written_bytes": `system_disk_io_bytes_total{disk_io_direction="write"}`,
		"reads_completed": `system_disk_operations_total{disk_io_direction="read"}`, "writes_completed": `system_disk_operations_total{disk_io_direction="write"}`,
		"read_time_seconds": `system_disk_operation_time_seconds_total{disk_io_direction="read"}`, "write_time_seconds": `system_disk_operation_time_seconds_total{disk_io_direction="write"}`,
		"io_time_seconds": `system_disk_io_time_seconds_total`, "reads_merged": `system_disk_merged_total{disk_io_direction="read"}`, "writes_merged": `system_disk_merged_total{disk_io_direction="write"}`,
	} {
		add("disk", "node_disk_"+theirs+"_total", "device", ours, "system_device")
	}
	for theirs, ours := range map[string]string{
		"size_bytes": `system_filesystem_limit_bytes`, "avail_bytes": `system_filesystem_usage_bytes{system_filesystem_state="free"}`,
		"files_free": `esmon_filesystem_inodes{system_filesystem_state="free"}`,
	} {
		add("filesystem", "node_filesystem_"+theirs, "mountpoint fstype", ours, "system_filesystem_mountpoint system_filesystem_type")
	}
	for _, direction := range []string{"receive", "transmit"} {
		add("network", "node_network_"+direction+"_bytes_total", "device", `system_network_io_bytes_total{network_io_direction="`+direction+`"}`, "network_interface_name")
		add("network", "node_network_"+direction+"_packets_total", "device", `system_network_packet_count_total{network_io_direction="`+direction+`"}`, "network_interface_name")
		add("network", "node_network_"+direction+"_errs_total", "device", `system_network_errors_total{network_io_direction="`+direction+`"}`, "network_interface_name")
	}
	return all
}

// longSpan is a comparison that is made alone, see make compare.
const longSpan = 5 * time.Minute

// TestAgreesWithNodeExporter lets a real Prometheus scrape a real node_exporter
// on this host while the agent watches it, under load, and compares point by
// point: a value must lie within one per cent of a neighbouring scrape, or within
// the change between neighbouring scrapes. ESMON_COMPARE_SECONDS makes it longer.
func TestAgreesWithNodeExporter(t *testing.T) {
	t.Parallel()
	span := time.Duration(setting(t, "ESMON_COMPARE_SECONDS", 75)) * time.Second
	prometheus := startPrometheusWithNodeExporter(t)
	s := startServer(t)
	startAgent(t, s)
	stopLoad := makeLoad(t)
	time.Sleep(span)
	stopLoad()

	at := time.Now()
	window := fmt.Sprintf("[%ds]", int(span.Seconds()))
	compared, agreed := map[string]int{}, map[string]int{}
	var worst []string
	for _, e := range equivalents() {
		theirs := rawSamples(t, prometheus+"/api/v1", e.theirs+window, at, e.theirLabels)
		ours := rawSamples(t, s.url()+"/prometheus/api/v1", e.ours+window, at, e.ourLabels)
		if len(theirs) > 0 && len(ours) == 0 {
			t.Errorf("%s: Prometheus has %s, here there is no %s", e.area, e.theirs, e.ours)
		}
		own, right := 0, 0
		for key, reference := range theirs {
			for _, p := range ours[key] {
				within, comparable := agrees(p, reference)
				if !comparable {
					continue
				}
				compared[e.area]++
				own++
				if within {
					agreed[e.area]++
					right++
				} else if len(worst) < 20 {
					worst = append(worst, fmt.Sprintf("%s %s: %v at %d", e.ours, key, p.value, p.time))
				}
			}
		}
		if 2*right < own { // it is another quantity, or in another unit
			t.Errorf("%s: %s agrees with %s in %d of %d points", e.area, e.ours, e.theirs, right, own)
		}
	}
	for _, area := range []string{"cpu", "memory", "disk", "filesystem", "network"} {
		share := float64(agreed[area]) / float64(compared[area])
		t.Logf("%-10s %d of %d points agree (%.2f %%)", area, agreed[area], compared[area], 100*share)
		// One in a hundred; of a short run's few points up to three, because what
		// changes within a second is not wrong for being caught by one side only.
		allowed := max(compared[area]/100, min(3, compared[area]/20))
		if area == "memory" && span < longSpan {
			// Other tests start and end processes beside: what they take and give back
			// between two scrapes is seen by one side only.
			allowed = compared[area] / 8
		}
		if compared[area] == 0 || compared[area]-agreed[area] > allowed {
			t.Errorf("%s: %.2f %% of %d points agree, want 99 %%; such as %v", area, 100*share, compared[area], worst)
		}
	}
}

type point struct {
	time  int64
	value float64
}

// agrees compares p with the scrapes around it. It is not comparable if there is
// none on each side.
func agrees(p point, reference []point) (within, comparable bool) {
	after := sort.Search(len(reference), func(i int) bool { return reference[i].time >= p.time })
	if after == 0 || after == len(reference) {
		return false, false
	}
	near := reference[max(0, after-2):min(len(reference), after+2)]
	change := 0.0
	for i := 1; i < len(near); i++ {
		change = max(change, math.Abs(near[i].value-near[i-1].value))
	}
	for _, r := range reference[after-1 : after+1] {
		if math.Abs(p.value-r.value) <= max(0.01*math.Abs(r.value), change) {
			return true, true
		}
	}
	return false, true
}

// rawSamples evaluates a range selector and returns the samples of each series
// by the values of its labels.
func rawSamples(t *testing.T, api, expr string, at time.Time, labels []string) map[string][]point {
	t.Helper()
	res, err := http.PostForm(api+"/query", url.Values{"query": {expr}, "time": {fmt.Sprintf("%.3f", float64(at.UnixMilli())/1000)}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Error != "" {
		t.Fatalf("%s %s: %v %s", api, expr, err, answer.Error)
	}
	out := map[string][]point{}
	for _, series := range answer.Data.Result {
		var key []string
		for _, l := range labels {
			key = append(key, strings.TrimPrefix(series.Metric[l], "/dev/"))
		}
		var points []point
		for _, v := range series.Values {
			var p point
			if _, err := fmt.Sscan(v[1].(string), &p.value); err != nil {
				t.Fatal(err)
			}
			p.time = int64(math.Round(v[0].(float64) * 1000))
			points = append(points, p)
		}
		out[strings.Join(key, " ")] = points
	}
	return out
}

// startPrometheusWithNodeExporter returns the base URL of a Prometheus that
// scrapes this host every second: what changes within a second, such as memory
// that a short process maps, is seen by one and not by the other otherwise.
func startPrometheusWithNodeExporter(t *testing.T) string {
	t.Helper()
	exporter, listen := freeAddress(t), freeAddress(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: [{job_name: node, static_configs: [{targets: [%q]}]}]\n", exporter)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	startPeer(t, "prometheus-node-exporter", "--web.listen-address="+exporter)
	startPeer(t, "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+listen)
	eventually(t, 30*time.Second, "Prometheus is ready", func() error { return getOK("http://" + listen + "/-/ready") })
	return "http://" + listen
}

// startPeer starts another system's program until the test ends.
func startPeer(t *testing.T, program string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%v: `make test` installs it", err)
	}
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// makeLoad keeps a CPU, memory, the disk and loopback busy, in bursts, until the
// returned func is called.
func makeLoad(t *testing.T) (stop func()) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	file := filepath.Join(t.TempDir(), "load")
	go func() {
		defer close(ended)
		block := make([]byte, 4<<20)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(time.Duration(i%5) * 20 * time.Millisecond):
			}
			for n := range block {
				block[n] = byte(n * i)
			}
			block[0] = byte(crc32.ChecksumIEEE(block))
			if err := os.WriteFile(file, slices.Repeat(block, 1+i%4), 0o600); err != nil {
				t.Errorf("make load: %v", err)
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}
