package cpu_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/cpu"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	p := cpu.New(probetest.Env("testdata/linux"))
	probetest.Golden(t, "linux.golden", probetest.Collect(t, p))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	readings := probetest.Collect(t, cpu.New(probe.Env{}))
	if v := probetest.Value(t, readings, "system_cpu_time_seconds_total", "cpu_mode", "user"); v <= 0 {
		t.Errorf("user time %v, want some", v)
	}
	if v := probetest.Value(t, readings, "esmon_cpu_context_switches_total"); v <= 0 {
		t.Errorf("context switches %v, want some", v)
	}
}

func TestFilesThatAreNoStat(t *testing.T) {
	t.Parallel()
	probetest.Fails(t, cpu.New(probetest.Env(t.TempDir())), "proc/stat")
	for _, text := range []string{"", "cpu  1 2 3\n", "cpux 1 2\ncpu12345678 1\ncpu-1 2\n", "\x00\xff"} {
		root := probetest.Tree(t, map[string]string{"proc/stat": text})
		probetest.Fails(t, cpu.New(probetest.Env(root)), "names no CPU")
	}
}

// Linux 2.6 has neither steal nor guest times; a file can also be cut short.
func TestShortLines(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{"proc/stat": "cpu0 100 0 50 x 7\nctxt 12\nprocs_running"})
	readings := probetest.Collect(t, cpu.New(probetest.Env(root)))
	for mode, want := range map[string]string{"user": "1", "system": "0.5", "idle": "missing", "iowait": "0.07", "steal": "missing"} {
		v := probetest.Value(t, readings, "system_cpu_time_seconds_total", "cpu_logical_number", "0", "cpu_mode", mode)
		if got := probetest.Format(v); got != want {
			t.Errorf("%s: %s, want %s", mode, got, want)
		}
	}
	for name, want := range map[string]string{"esmon_cpu_context_switches_total": "12", "esmon_cpu_interrupts_total": "missing", "esmon_cpu_threads_running": "missing"} {
		if got := probetest.Format(probetest.Value(t, readings, name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestCountersStepBackOnlyAfterHotplug(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ first, second, idle, iowait string }{
		"idle jitters":        {"cpu0 10 0 10 10000 50 0 0 0", "cpu0 11 0 10 9990 60 0 0 0", "100", "0.6"},
		"iowait jitters":      {"cpu0 10 0 10 10000 50 0 0 0", "cpu0 11 0 10 10100 40 0 0 0", "101", "0.5"},
		"taken out and back":  {"cpu0 10 0 10 10000 50 0 0 0", "cpu0 1 0 1 900 4 0 0 0", "9", "0.04"},
		"cut short and whole": {"cpu0 10 0 10", "cpu0 11 0 10 10100 40 0 0 0", "101", "0.4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := probetest.Tree(t, map[string]string{"proc/stat": tc.first + "\n"})
			p := cpu.New(probetest.Env(root))
			probetest.Collect(t, p)
			probetest.Write(t, root, "proc/stat", tc.second+"\n")
			readings := probetest.Collect(t, p)
			for mode, want := range map[string]string{"idle": tc.idle, "iowait": tc.iowait} {
				v := probetest.Value(t, readings, "system_cpu_time_seconds_total", "cpu_mode", mode)
				if got := probetest.Format(v); got != want {
					t.Errorf("%s: %s, want %s", mode, got, want)
				}
			}
		})
	}
}
