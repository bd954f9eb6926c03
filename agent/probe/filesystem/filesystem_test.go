package filesystem

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/probe/kernel"
	"github.com/esolutions/esmon/agent/probe/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorded returns a probe over testdata/mounts that asks instead of the kernel.
func recorded(t testing.TB, cfg Config, ask func(path string) (usage, error)) *Probe {
	t.Helper()
	p, err := New(probe.Env{}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.mounts = func(context.Context, probe.Env) ([]mount, error) {
		text, err := os.ReadFile("testdata/mounts")
		return parseMounts(text), err
	}
	p.calls.ask = ask
	return p
}

// sized answers with a usage that tells the paths apart.
func sized(path string) (usage, error) {
	n := float64(len(path))
	return usage{size: 1000 * n, free: 400 * n, available: 350 * n, inodes: 100, inodesFree: 60}, nil
}

func TestMounts(t *testing.T) {
	t.Parallel()
	p := recorded(t, DefaultConfig(), sized)
	p.calls.now = probetest.Env("").Now
	readings := probetest.Collect(t, p)
	probetest.Golden(t, "mounts.golden", readings)
	if v := probetest.Value(t, readings, "system_filesystem_limit_bytes", "system_filesystem_mountpoint", "/data", "system_device", "/dev/vda4"); v != 5000 {
		t.Errorf("of two mounts on one point the later must count, got %v", v)
	}
}

func TestExclusions(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.ExcludeTypes, cfg.ExcludeMountpoints = "", ""
	if n := len(probetest.Collect(t, recorded(t, cfg, sized))); n != 2*12 {
		t.Errorf("%d readings without exclusions, want 24", n)
	}
	cfg.ExcludeTypes = "."
	readings := probetest.Collect(t, recorded(t, cfg, sized))
	if len(readings) != 2 {
		t.Errorf("%d readings with every type excluded, want the two of the root", len(readings))
	}
}

func TestConfigErrorsNameTheSetting(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"filesystem.exclude_types":       func(c *Config) { c.ExcludeTypes = "(" },
		"filesystem.exclude_mountpoints": func(c *Config) { c.ExcludeMountpoints = "[" },
		"filesystem.timeout":             func(c *Config) { c.Timeout = 0 },
		"filesystem.max_calls":           func(c *Config) { c.MaxCalls = 0 },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if _, err := New(probe.Env{}, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that names %s", err, want)
		}
	}
}

func TestFilesystemThatFails(t *testing.T) {
	t.Parallel()
	p := recorded(t, DefaultConfig(), func(path string) (usage, error) {
		if path == "/mnt/nas" {
			return usage{}, errors.New("stale file handle")
		}
		return sized(path)
	})
	readings := probetest.Collect(t, p)
	if v := probetest.Value(t, readings, "esmon_filesystem_error", "system_filesystem_mountpoint", "/mnt/nas"); v != 1 {
		t.Errorf("error %v, want 1", v)
	}
	if strings.Contains(usageOf(readings), "/mnt/nas") {
		t.Error("a filesystem that fails has a usage")
	}
}

// usageOf names the series of sizes.
func usageOf(readings []probe.Reading) string {
	var lines []string
	for line := range strings.Lines(probetest.Text(readings)) {
		if strings.HasPrefix(line, "system_filesystem_limit_bytes") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// hanging is a kernel in which some filesystems do not answer until released.
type hanging struct {
	mu     sync.Mutex // guards all below
	stuck  map[string]chan struct{}
	asked  map[string]int
	atOnce int
	most   int
}

func (h *hanging) ask(path string) (usage, error) {
	h.mu.Lock()
	h.asked[path]++
	h.atOnce++
	h.most = max(h.most, h.atOnce)
	wait := h.stuck[path]
	h.mu.Unlock()
	if wait != nil {
		<-wait
	}
	h.mu.Lock()
	h.atOnce--
	h.mu.Unlock()
	return sized(path)
}

// times returns how often the path was asked.
func (h *hanging) times(path string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked[path]
}

// peak returns the most calls there were at once.
func (h *hanging) peak() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.most
}

func (h *hanging) release(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.stuck[path])
	delete(h.stuck, path)
}

func TestStuckFilesystemIsReportedAndNotAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{stuck: map[string]chan struct{}{"/mnt/nas": make(chan struct{})}, asked: map[string]int{}}
		p := recorded(t, DefaultConfig(), h.ask)
		for round := range 3 {
			began := time.Now()
			readings := probetest.Collect(t, p)
			if v := probetest.Value(t, readings, "esmon_filesystem_stuck", "system_filesystem_mountpoint", "/mnt/nas"); v != 1 {
				t.Errorf("round %d: stuck %v, want 1", round, v)
			}
			if v := probetest.Value(t, readings, "esmon_filesystem_stuck", "system_filesystem_mountpoint", "/"); v != 0 {
				t.Errorf("round %d: the root is stuck too", round)
			}
			if u := usageOf(readings); strings.Contains(u, "/mnt/nas") || !strings.Contains(u, `"/boot"`) {
				t.Errorf("round %d: usage of\n%s", round, u)
			}
			took, want := time.Since(began), time.Duration(0)
			if round == 0 {
				want = DefaultConfig().Timeout
			}
			if took != want {
				t.Errorf("round %d took %s, want %s: a known stuck filesystem costs no time", round, took, want)
			}
		}
		if n := h.times("/mnt/nas"); n != 1 {
			t.Errorf("asked %d times while it was stuck, want once", n)
		}
		h.release("/mnt/nas")
		synctest.Wait()
		readings := probetest.Collect(t, p)
		if v := probetest.Value(t, readings, "esmon_filesystem_stuck", "system_filesystem_mountpoint", "/mnt/nas"); v != 0 {
			t.Errorf("stuck %v after it came back, want 0", v)
		}
		if n := h.times("/mnt/nas"); n != 2 {
			t.Errorf("asked %d times, want once more after the call had returned", n)
		}
	})
}

func TestCallsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := map[string]chan struct{}{"/run": make(chan struct{}), "/": make(chan struct{})}
		h := &hanging{stuck: stuck, asked: map[string]int{}}
		cfg := DefaultConfig()
		cfg.MaxCalls = 2
		p := recorded(t, cfg, h.ask)
		for range 3 {
			readings := probetest.Fails(t, p, "filesystem.max_calls")
			if v := probetest.Value(t, readings, "esmon_filesystem_stuck", "system_filesystem_mountpoint", "/run"); v != 1 {
				t.Errorf("stuck %v, want 1", v)
			}
		}
		if n := h.peak(); n > 2 {
			t.Errorf("%d calls at once, the limit is 2", n)
		}
		h.release("/run")
		h.release("/")
		synctest.Wait()
		probetest.Collect(t, p)
		if n := h.peak(); n > 2 {
			t.Errorf("%d calls at once, the limit is 2", n)
		}
	})
}

func TestCallerThatGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{stuck: map[string]chan struct{}{"/mnt/nas": make(chan struct{})}, asked: map[string]int{}}
		p := recorded(t, DefaultConfig(), h.ask)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := probe.Run(ctx, p); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %s, want the caller's second", took)
		}
		h.release("/mnt/nas")
		synctest.Wait()
	})
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "/a": "/a", `/a\040b`: "/a b", `\134`: `\`, `\13`: `\13`, `\999x`: `\999x`, `\777`: `\777`, `\`: `\`, `\303\244`: "ä",
	} {
		if got := unescape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzMounts(f *testing.F) {
	text, err := os.ReadFile("testdata/mounts")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("a \\040 b\n/ / / /\n"))
	p := recorded(f, DefaultConfig(), sized)
	f.Fuzz(func(t *testing.T, text []byte) {
		labels := make(map[string]bool)
		for _, m := range p.topmost(parseMounts(text)) {
			label := kernel.Text(m.mountpoint)
			if labels[label] || !utf8.ValidString(label) {
				t.Errorf("mount point %q twice or no text", label)
			}
			labels[label] = true
		}
	})
}

func TestReadmeHasTheTable(t *testing.T) {
	t.Parallel()
	probetest.Readme(t, recorded(t, DefaultConfig(), sized))
}
