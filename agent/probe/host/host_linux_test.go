package host_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/host"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	p := host.New(probetest.Env("testdata/linux"))
	probetest.Golden(t, "linux.golden", probetest.Collect(t, p))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	readings := probetest.Collect(t, host.New(probe.Env{}))
	if v := probetest.Value(t, readings, "system_cpu_logical_count"); v < 1 {
		t.Errorf("%v CPUs", v)
	}
	if v := probetest.Value(t, readings, "esmon_host_info", "host_arch", runtime.GOARCH); v != 1 {
		t.Errorf("info %v, want 1", v)
	}
}

func TestHostThatTellsNothing(t *testing.T) {
	t.Parallel()
	readings := probetest.Fails(t, host.New(probetest.Env(t.TempDir())), "osrelease")
	if v := probetest.Format(probetest.Value(t, readings, "system_cpu_logical_count")); v != "missing" {
		t.Errorf("CPUs %s, want missing", v)
	}
}

func TestOddFacts(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{
		"usr/lib/os-release":            "NAME=Busy\\Box\nVERSION_ID='1'\nPRETTY_NAME=\"a \\\"quoted\\\" name\"\nbroken\n=x\n",
		"proc/sys/kernel/osrelease":     "5.4\xff\n",
		"proc/device-tree/model":        "Raspberry Pi 4\x00",
		"sys/devices/system/cpu/online": "0,2-3,9999999999\n",
		"proc/cpuinfo":                  "processor: 0\nmodel name\nCPU part: 0xd08\n",
		"sys/class/dmi/id/bios_version": strings.Repeat("x", 5000),
	})
	readings := probetest.Collect(t, host.New(probetest.Env(root)))
	probetest.Value(t, readings, "esmon_host_info", "os_description", `a "quoted" name`, "os_name", `Busy\Box`,
		"os_version", "1", "kernel_release", "5.4\uFFFD", "system_model", "Raspberry Pi 4", "cpu_model", "")
	if v := probetest.Format(probetest.Value(t, readings, "system_cpu_logical_count")); v != "missing" {
		t.Errorf("CPUs %s of an odd list, want missing", v)
	}
}
