package memory_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/memory"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	p := memory.New(probetest.Env("testdata/linux"))
	probetest.Golden(t, "linux.golden", probetest.Collect(t, p))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	readings := probetest.Collect(t, memory.New(probe.Env{}))
	limit := probetest.Value(t, readings, "system_memory_limit_bytes")
	used := probetest.Value(t, readings, "system_memory_usage_bytes", "system_memory_state", "used")
	if used <= 0 || used >= limit {
		t.Errorf("used %v of %v", used, limit)
	}
}

func TestOldKernelHasNoAvailable(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{"proc/meminfo": "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 30 kB\n"})
	readings := probetest.Collect(t, memory.New(probetest.Env(root)))
	if v := probetest.Value(t, readings, "system_memory_usage_bytes", "system_memory_state", "used"); v != 850*1024 {
		t.Errorf("used %v, want total less free, buffers and cached", v)
	}
	if v := probetest.Format(probetest.Value(t, readings, "system_memory_linux_available_bytes")); v != "missing" {
		t.Errorf("available %v, want missing", v)
	}
}

func TestFilesThatAreNoMeminfo(t *testing.T) {
	t.Parallel()
	probetest.Fails(t, memory.New(probetest.Env(t.TempDir())), "meminfo")
	for _, text := range []string{"", "MemTotal:\n", "MemTotal: lots kB\n", "MemFree: 1 kB"} {
		root := probetest.Tree(t, map[string]string{"proc/meminfo": text})
		probetest.Fails(t, memory.New(probetest.Env(root)), "no MemTotal")
	}
}
