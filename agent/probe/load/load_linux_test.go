package load_test

import (
	"testing"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/load"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	p := load.New(probetest.Env("testdata/linux"))
	probetest.Golden(t, "linux.golden", probetest.Collect(t, p))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	readings := probetest.Collect(t, load.New(probe.Env{}))
	if v := probetest.Value(t, readings, "esmon_load_1m"); v > 1e5 {
		t.Errorf("load %v", v)
	}
}

func TestOddFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "missing",
		"0.34":                   "0.34",
		"NaN 1 2":                "missing",
		"-1 1 2":                 "missing",
		"1e400 1 2":              "missing",
		"0.5 0.4 0.3 1/9 7 more": "0.5",
	} {
		root := probetest.Tree(t, map[string]string{"proc/loadavg": text})
		v := probetest.Value(t, probetest.Collect(t, load.New(probetest.Env(root))), "esmon_load_1m")
		if got := probetest.Format(v); got != want {
			t.Errorf("%q: load %s, want %s", text, got, want)
		}
	}
}

func TestFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	probetest.Fails(t, load.New(probetest.Env(t.TempDir())), "loadavg")
}
