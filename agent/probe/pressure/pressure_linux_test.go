package pressure_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/pressure"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	p := pressure.New(probetest.Env("testdata/linux"))
	probetest.Golden(t, "linux.golden", probetest.Collect(t, p))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	probetest.Collect(t, pressure.New(probe.Env{})) // a kernel without pressure reports nothing
}

func TestKernelWithout(t *testing.T) {
	t.Parallel()
	if readings := probetest.Collect(t, pressure.New(probetest.Env(t.TempDir()))); len(readings) != 0 {
		t.Errorf("readings %v of a kernel without pressure information", readings)
	}
}

// Before 5.13 the CPU has no line "full"; a file can hold anything.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{
		"proc/pressure/cpu":    "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n",
		"proc/pressure/memory": "full total=\nsome total=-3\n\n",
		"proc/pressure/irq":    "full avg10=0.00 avg60=0.00 avg300=0.00 total=2000000",
	})
	readings := probetest.Collect(t, pressure.New(probetest.Env(root)))
	for _, tc := range [][3]string{
		{"cpu", "some", "1.5"}, {"cpu", "full", "missing"}, {"memory", "some", "missing"}, {"memory", "full", "missing"},
		{"io", "some", "missing"}, {"irq", "full", "2"},
	} {
		v := probetest.Value(t, readings, "esmon_pressure_stalled_seconds_total", "pressure_resource", tc[0], "pressure_stall_type", tc[1])
		if got := probetest.Format(v); got != tc[2] {
			t.Errorf("%s %s: %s, want %s", tc[0], tc[1], got, tc[2])
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{
		"proc/pressure/cpu": "some total=1000000\n", "proc/pressure/io/is-a-directory": "",
	})
	readings := probetest.Fails(t, pressure.New(probetest.Env(root)), "read pressure")
	if v := probetest.Value(t, readings, "esmon_pressure_stalled_seconds_total", "pressure_resource", "cpu"); v != 1 {
		t.Errorf("cpu stalled %v, want what could be read", v)
	}
}
