package uptime_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/probetest"
	"github.com/esolutions/esmon/agent/probe/uptime"
)

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	p := uptime.New(probetest.Env("testdata/linux"))
	probetest.Golden(t, "linux.golden", probetest.Collect(t, p))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	readings := probetest.Collect(t, uptime.New(probe.Env{}))
	up, boot := probetest.Value(t, readings, "system_uptime_seconds"), probetest.Value(t, readings, "esmon_host_boot_time_seconds")
	if at := float64(readings[0].Time) / 1000; up <= 0 || at-boot-up < -5 || at-boot-up > 5 {
		t.Errorf("up for %v since %v, and it is %v", up, boot, at)
	}
}

func TestFilesThatAreNotThere(t *testing.T) {
	t.Parallel()
	probetest.Fails(t, uptime.New(probetest.Env(t.TempDir())), "uptime")
	root := probetest.Tree(t, map[string]string{"proc/uptime": "12.5 3\n"})
	readings := probetest.Fails(t, uptime.New(probetest.Env(root)), "boot time")
	if v := probetest.Value(t, readings, "system_uptime_seconds"); v != 12.5 {
		t.Errorf("up for %v, want 12.5", v)
	}
}
