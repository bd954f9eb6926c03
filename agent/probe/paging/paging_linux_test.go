package paging_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/paging"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	p := paging.New(probetest.Env("testdata/linux"))
	probetest.Golden(t, "linux.golden", probetest.Collect(t, p))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	readings := probetest.Collect(t, paging.New(probe.Env{}))
	if v := probetest.Value(t, readings, "system_paging_faults_total", "system_paging_fault_type", "minor"); v <= 0 {
		t.Errorf("minor faults %v, want some", v)
	}
}

func TestSwapAndFaults(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{
		"proc/meminfo": "SwapTotal: 100 kB\nSwapFree: 60 kB\nSwapCached: 3 kB\n",
		"proc/vmstat":  "pgpgin 4\npgpgout 5\npswpin 6\npswpout 7\npgfault 100\npgmajfault 30\n",
	})
	readings := probetest.Collect(t, paging.New(probetest.Env(root)))
	for _, tc := range []struct {
		name, label, value, want string
	}{
		{"system_paging_usage_bytes", "system_paging_state", "used", "40960"},
		{"system_paging_usage_bytes", "system_paging_state", "free", "61440"},
		{"system_paging_faults_total", "system_paging_fault_type", "major", "30"},
		{"system_paging_faults_total", "system_paging_fault_type", "minor", "70"},
		{"system_paging_operations_total", "system_paging_direction", "in", "6"},
		{"system_paging_operations_total", "system_paging_direction", "out", "7"},
		{"esmon_paging_block_io_bytes_total", "system_paging_direction", "in", "4096"},
		{"esmon_paging_cached_bytes", "", "", "3072"},
		{"esmon_memory_oom_kills_total", "", "", "missing"},
	} {
		if got := probetest.Format(probetest.Value(t, readings, tc.name, tc.label, tc.value)); got != tc.want {
			t.Errorf("%s{%s=%q} %s, want %s", tc.name, tc.label, tc.value, got, tc.want)
		}
	}
}

func TestOneFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	probetest.Fails(t, paging.New(probetest.Env(t.TempDir())), "meminfo")
	root := probetest.Tree(t, map[string]string{"proc/meminfo": "SwapTotal: 100 kB\nSwapFree: 60 kB\n"})
	readings := probetest.Fails(t, paging.New(probetest.Env(root)), "vmstat")
	if v := probetest.Value(t, readings, "system_paging_usage_bytes", "system_paging_state", "used"); v != 40960 {
		t.Errorf("used %v: what could be read is reported all the same", v)
	}
}
