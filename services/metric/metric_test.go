package metric_test

import (
	"math"
	"testing"

	"github.com/esolutions/esmon/services/metric"
)

func TestCanonicalValueKeepsWhatMeansSomething(t *testing.T) {
	t.Parallel()
	other := math.Float64frombits(0x7ff8dead0000beef)
	for _, c := range []struct{ in, want float64 }{
		{1.5, 1.5},
		{math.Copysign(0, -1), math.Copysign(0, -1)},
		{math.Inf(1), math.Inf(1)},
		{metric.Stale(), metric.Stale()},
		{metric.Missing(), metric.Missing()},
		{metric.NaN(), metric.NaN()},
		{other, metric.NaN()},
		{-other, metric.NaN()},
	} {
		if got := metric.CanonicalValue(c.in); math.Float64bits(got) != math.Float64bits(c.want) {
			t.Errorf("%x: got %x, want %x", math.Float64bits(c.in), math.Float64bits(got), math.Float64bits(c.want))
		}
	}
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, unit string
		typ        metric.Type
		want       string
	}{
		{"system.cpu.time", "s", metric.Counter, "system_cpu_time_seconds_total"},
		{"system.memory.usage", "By", metric.Gauge, "system_memory_usage_bytes"},
		{"system.cpu.utilization", "1", metric.Gauge, "system_cpu_utilization_ratio"},
		{"system.network.io", "By", metric.Counter, "system_network_io_bytes_total"},
		{"system.processes.count", "{process}", metric.Gauge, "system_processes_count"},
		{"system.network.packets", "{packet}", metric.Counter, "system_network_packets_total"},
		{"disk.throughput", "By/s", metric.Gauge, "disk_throughput_bytes_per_second"},
		{"request_seconds_total", "s", metric.Counter, "request_seconds_total"},
		{"total.things", "", metric.Counter, "things_total"},
		{"1st.place", "", metric.Gauge, "_1st_place"},
		{"a..b", "", metric.Gauge, "a_b"},
		{"counter.of.one", "1", metric.Counter, "counter_of_one_total"},
	} {
		if got := metric.Translate(c.name, c.unit, c.typ); got != c.want {
			t.Errorf("%s in %q: got %s, want %s", c.name, c.unit, got, c.want)
		}
	}
}

func FuzzTranslate(f *testing.F) {
	f.Add("system.cpu.time", "s", byte(2))
	f.Fuzz(func(t *testing.T, name, unit string, typ byte) {
		out := metric.Translate(name, unit, metric.Type(typ%6))
		if out != "" && !metric.ValidMetricName(out) {
			t.Fatalf("%q in %q gives %q", name, unit, out)
		}
	})
}

func TestLabelName(t *testing.T) {
	t.Parallel()
	if got := metric.LabelName("system.memory.state"); got != "system_memory_state" {
		t.Errorf("got %s", got)
	}
}
