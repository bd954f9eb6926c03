package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func open(t testing.TB, env probe.Env) *Probe {
	t.Helper()
	p, err := New(env, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := p.source.(*procfs); ok {
		s.page = 4096
	}
	return p
}

func TestRecordedHost(t *testing.T) {
	t.Parallel()
	probetest.Golden(t, "linux.golden", probetest.Collect(t, open(t, probetest.Env("testdata/linux"))))
}

func TestThisHost(t *testing.T) {
	t.Parallel()
	p, err := New(probe.Env{}, Config{Top: 200, MaxGroups: 1000}) // whatever else runs here
	if err != nil {
		t.Fatal(err)
	}
	probetest.Collect(t, p)
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; { // use some time
		_ = strings.Repeat("x", 1000)
	}
	readings := probetest.Collect(t, p)
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	own := []string{"process_executable_name", filepath.Base(name)}
	if v := probetest.Value(t, readings, "process_memory_usage_bytes", own...); v <= 0 {
		t.Errorf("memory %v of this process", v)
	}
	if v := probetest.Value(t, readings, "esmon_process_threads"); v < 2 {
		t.Errorf("%v threads on this host", v)
	}
}

func TestThreadsOfTheKernelAreOneGroup(t *testing.T) {
	t.Parallel()
	kernel := func(pid, cpu int) string {
		return strings.Replace(statLine(pid, fmt.Sprintf("kworker/%d:1", pid), cpu), " 4194560 ", " 69238880 ", 1)
	}
	root := probetest.Tree(t, map[string]string{
		"etc/passwd": "root:x:0:0\n", "proc/stat": "processes 7\n", "proc/5/stat": kernel(5, 100), "proc/6/stat": kernel(6, 100),
	})
	p := open(t, probetest.Env(root))
	for cpu := 200; cpu <= 400; cpu += 100 {
		probetest.Collect(t, p)
		probetest.Write(t, root, "proc/5/stat", kernel(5, cpu))
	}
	readings := probetest.Collect(t, p)
	group := []string{"process_executable_name", "[kernel]", "process_owner", "root"}
	if n := probetest.Value(t, readings, "esmon_process_count", group...); n != 2 {
		t.Errorf("%v threads, want 2", n)
	}
	if v := probetest.Value(t, readings, "process_cpu_time_seconds_total", append(group, "cpu_mode", "user")...); v <= 0 {
		t.Errorf("CPU time %v, want some", v)
	}
}

// Names that are no text, entries that cannot be read or end while they are
// looked at, a user that gives up root, a program that becomes another.
func TestOddProcesses(t *testing.T) {
	t.Parallel()
	root := probetest.Tree(t, map[string]string{
		"proc/stat":                      "processes 7\n",
		"proc/1/stat":                    statLine(1, "a\xff\nb", 1),
		"proc/2/stat":                    "", // ends
		"proc/3/other":                   "", // ended
		"proc/4/stat/x":                  "", // cannot be read
		"proc/self/stat":                 statLine(9, "self", 1),
		"proc/5/stat":                    statLine(5, "", 1),
		"proc/99999999999999999999/stat": statLine(6, "x", 1),
	})
	p := open(t, probetest.Env(root))
	readings := probetest.Collect(t, p)
	if v := probetest.Value(t, readings, "esmon_process_count", "process_executable_name", "a\uFFFD\uFFFDb"); v != 1 {
		t.Errorf("%v processes with an odd name", v)
	}
	if v := probetest.Value(t, readings, "esmon_process_count", "process_executable_name", "unknown"); v != 1 {
		t.Errorf("%v processes without a name", v)
	}
	if v := probetest.Value(t, readings, "system_process_count", "process_state", "sleeping"); v != 2 {
		t.Errorf("%v processes, want the two that can be read", v)
	}
}

func TestIdentityIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	now := probetest.Env("").Now()
	root := probetest.Tree(t, map[string]string{
		"etc/passwd": "root:x:0:0\nweb:x:33:33\n", "proc/stat": "processes 7\n",
		"proc/5/stat": statLine(5, "service", 1), "proc/5/status": "Uid:\t0\t0\t0\t0\n",
	})
	link := filepath.Join(root, "proc/5/exe")
	if err := os.Symlink("/usr/sbin/service (deleted)", link); err != nil {
		t.Fatal(err)
	}
	p := open(t, probe.Env{Root: root, Now: func() time.Time { return now }})
	look := func(executable, owner string) {
		t.Helper()
		probetest.Value(t, probetest.Collect(t, p), "esmon_process_count", "process_executable_name", executable, "process_owner", owner)
	}
	look("service", "root")
	probetest.Write(t, root, "proc/5/status", "Uid:\t33\t33\t33\t33\n")
	look("service", "web") // young: looked at again
	probetest.Write(t, root, "proc/5/status", "Uid:\t77\t77\t77\t77\n")
	look("service", "web") // remembered
	now = now.Add(time.Hour)
	look("service", "77") // a user that is not in the file
	probetest.Write(t, root, "proc/5/stat", statLine(5, "other-program", 1))
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	look("other-program", "77") // at once: its name has changed
}

func TestHostWithoutProcesses(t *testing.T) {
	t.Parallel()
	probetest.Fails(t, open(t, probetest.Env(t.TempDir())), "list processes")
	root := probetest.Tree(t, map[string]string{"proc/stat": "processes 7\n"})
	probetest.Fails(t, open(t, probetest.Env(root)), "no process can be read")
}

func TestCallerThatGaveUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := probe.Run(ctx, open(t, probe.Env{})); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("error %v, want that the context was cancelled", err)
	}
}

func TestConfigErrorsNameTheSetting(t *testing.T) {
	t.Parallel()
	for setting, cfg := range map[string]Config{
		"process.top": {Top: -1}, "process.max_groups": {Top: 5, MaxGroups: 4}, "process.hold": {Top: 1, MaxGroups: 1, Hold: -1},
	} {
		if _, err := New(probe.Env{}, cfg); err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("error %v, want one that names %s", err, setting)
		}
	}
}

// statLine returns a line of /proc/PID/stat.
func statLine(pid int, comm string, cpu int) string {
	return fmt.Sprintf("%d (%s) S 1 1 1 0 -1 4194560 10 0 1 0 %d 5 0 0 20 0 1 0 %d 4096000 100 1 1", pid, comm, cpu, pid)
}

// BenchmarkCollect reads a host of 4,000 processes.
func BenchmarkCollect(b *testing.B) {
	files := map[string]string{"proc/stat": "processes 7\n", "etc/passwd": "root:x:0:0\n"}
	for pid := 1; pid <= 4000; pid++ {
		dir := fmt.Sprintf("proc/%d/", pid)
		files[dir+"stat"] = statLine(pid, fmt.Sprintf("program-%d", pid%300), pid)
		files[dir+"status"] = "Name: x\nUid:\t0\t0\t0\t0\n"
	}
	p := open(b, probetest.Env(probetest.Tree(b, files)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := probe.Run(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}
