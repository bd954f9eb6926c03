//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/agent"
	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/spool"
)

// build makes the program once for all tests.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "esmon-agent-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "esmon-agent")
	cmd := exec.Command("go", "build", "-o", path, "-ldflags", "-X main.version=v1.2.3-test", "../cmd/esmon-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// call runs a command to its end.
func call(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), args...) //nolint:gosec // our own
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// host is an enrolled state directory with a configuration for fast probes.
type host struct {
	t           *testing.T
	server      *agenttest.Server
	dir, config string
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, server: agenttest.New(t), dir: filepath.Join(t.TempDir(), "state")}
	h.config = filepath.Join(t.TempDir(), "agent.yaml")
	text := "uplink: {reconnect_max: 1s}\nprobes:\n  intervals: {cpu: 1s, memory: 1s, load: 1s, network: 1s, disk: 1s, paging: 1s}\n"
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := call(t, "enroll", "--state-dir", h.dir, "--server", h.server.Addr(), "--token", h.server.Token)
	if code != 0 || !strings.Contains(out, "enrolled as agent agent1") {
		t.Fatalf("enroll: %d: %s%s", code, out, errs)
	}
	return h
}

// start runs the agent.
func (h *host) start() *exec.Cmd {
	h.t.Helper()
	cmd := exec.Command(program(h.t), "run", "--state-dir", h.dir, "--config", h.config) //nolint:gosec // our own
	cmd.Stderr = h.t.Output()
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

func (h *host) eventually(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	h.t.Fatalf("never: %s", what)
}

// has tells whether the server has a sample of the metric.
func (h *host) has(name string) bool {
	for s := range h.server.Samples() {
		if strings.HasPrefix(s.Series, name+"{") {
			return true
		}
	}
	return false
}

func TestRun(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	begun := time.Now()
	cmd := h.start()
	h.eventually("the host's memory at the server", func() bool { return h.has("system_memory_usage_bytes") || h.has("system_memory_limit_bytes") })
	first := time.Since(begun)
	t.Logf("first sample acknowledged %s after the start", first.Round(time.Millisecond))
	if first > 10*time.Second {
		t.Errorf("the first sample took %s", first)
	}
	h.eventually("the agent's own metrics", func() bool { return h.has("esmon_agent_start_timestamp_seconds") && h.has("esmon_probe_runs_total") })

	// A second one on the same state directory.
	if _, errs, code := call(t, "run", "--state-dir", h.dir, "--config", h.config); code != 1 || !strings.Contains(errs, "another agent runs with the state directory") {
		t.Errorf("a second agent: %d: %s", code, errs)
	}

	h.eventually("a status", func() bool {
		out, _, code := call(t, "status", "--state-dir", h.dir)
		return code == 0 && strings.Contains(out, "connected since") && strings.Contains(out, "cpu ") && strings.Contains(out, "agent1 runs since")
	})
	out, errs, code := call(t, "status", "--state-dir", h.dir, "-o", "json")
	var st agent.Status
	if err := json.Unmarshal([]byte(out), &st); err != nil || code != 0 {
		t.Fatalf("status: %v: %d %s", err, code, errs)
	}
	if !st.Running || !st.Server.Connected || st.Version != "v1.2.3-test" || st.PID != cmd.Process.Pid || len(st.Probes) < 5 {
		t.Errorf("status %+v", st)
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v, want exit 0", err)
	}
	c, err := spool.Inspect(t.Context(), filepath.Join(h.dir, agent.SpoolFile))
	if err != nil {
		t.Fatal(err)
	}
	if c.Batches != 0 {
		t.Errorf("%d batches were left behind by a clean stop", c.Batches)
	}
	if out, _, code := call(t, "status", "--state-dir", h.dir); code != 0 || !strings.Contains(out, "does not run") {
		t.Errorf("status of a stopped agent: %d: %s", code, out)
	}
}

// Two collectors behind a proxy that asks for a password: enrolment, stream and
// fail-over, and no word of the password.
func TestSeveralCollectorsBehindAProxy(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	other := s.Peer()
	proxy := agenttest.NewProxy(t)
	proxy.User, proxy.Password = "user", "geheim"
	proxy.Hosts = map[string]string{"a.internal:8443": s.Addr(), "b.internal:8443": other.Addr()}
	h := &host{t: t, server: s, dir: filepath.Join(t.TempDir(), "state"), config: filepath.Join(t.TempDir(), "agent.yaml")}
	text := "proxy: http://user:geheim@" + proxy.Addr() + "\nuplink: {reconnect_max: 1s}\nprobes:\n  intervals: {memory: 1s}\n"
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := call(t, "enroll", "--config", h.config, "--state-dir", h.dir, "--server", "a.internal:8443, b.internal:8443", "--token", s.Token)
	if code != 0 {
		t.Fatalf("enroll: %d: %s%s", code, out, errs)
	}
	var log bytes.Buffer
	cmd := exec.Command(program(t), "run", "--state-dir", h.dir, "--config", h.config, "--log-level", "debug") //nolint:gosec // our own
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	h.eventually("samples through the proxy", func() bool { return h.has("esmon_agent_collector_connected") })
	connected := func() (st agent.Status, name string) {
		out, errs, code := call(t, "status", "--state-dir", h.dir, "-o", "json")
		if err := json.Unmarshal([]byte(out), &st); err != nil || code != 0 {
			t.Fatalf("status: %v: %d %s", err, code, errs)
		}
		for _, c := range st.Server.Collectors {
			if c.Connected {
				name = c.Name
			}
		}
		return st, name
	}
	var first string
	h.eventually("the status says where", func() bool { _, first = connected(); return first != "" })
	dead := map[string]*agenttest.Server{"a.internal:8443": s, "b.internal:8443": other}[first]
	dead.Stop()
	h.eventually("the status shows the other, and why", func() bool {
		st, now := connected()
		return now != "" && now != first && st.Server.Collectors[0].LastFailure != st.Server.Collectors[1].LastFailure
	})
	out, _, _ = call(t, "status", "--state-dir", h.dir)
	for _, want := range []string{"a.internal:8443 through http://" + proxy.Addr(), "b.internal:8443 through http://", "connected", "avoided for", "failed 1 times"} {
		if !strings.Contains(out, want) {
			t.Errorf("the status does not say %q:\n%s", want, out)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGINT: %v, want exit 0", err)
	}
	state, err := os.ReadFile(filepath.Join(h.dir, "status.json"))
	if err != nil {
		t.Fatal(err)
	}
	if all := log.String() + out + string(state); strings.Contains(all, "geheim") {
		t.Error("the password is shown")
	}
}

// A proxy of the environment, which most programs on a host use.
func TestProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	s, proxy := agenttest.New(t), agenttest.NewProxy(t)
	proxy.Hosts = map[string]string{"a.internal:8443": s.Addr()}
	cmd := exec.Command(program(t), "enroll", "--state-dir", t.TempDir(), "--server", "a.internal:8443") //nolint:gosec // our own
	cmd.Env = append(os.Environ(), "HTTPS_PROXY=http://"+proxy.Addr(), "NO_PROXY=b.internal", "ESMON_TOKEN="+s.Token)
	if out, err := cmd.CombinedOutput(); err != nil || proxy.Bytes() == 0 {
		t.Errorf("enroll: %v, %d bytes through the proxy: %s", err, proxy.Bytes(), out)
	}
}

// spooled returns every sample that a killed agent left in its spool.
func (h *host) spooled() map[agenttest.Sample]uint64 {
	h.t.Helper()
	dir := h.t.TempDir()
	path := filepath.Join(dir, "spool.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(filepath.Join(h.dir, agent.SpoolFile) + suffix)
		if err != nil {
			h.t.Fatal(err)
		}
		if err := os.WriteFile(path+suffix, data, 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	cfg := spool.DefaultConfig()
	cfg.Path = path
	s, err := spool.Open(h.t.Context(), cfg, time.Now, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	id, first, last, err := s.Span(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[agenttest.Sample]uint64{}
	for first <= last {
		b, err := s.Read(h.t.Context(), id, first, last)
		if err != nil {
			h.t.Fatal(err)
		}
		if b == nil {
			break
		}
		schemas, entities, err := s.Definitions(b.Frames, spool.Known{})
		if err != nil {
			h.t.Fatal(err)
		}
		samples, err := agenttest.Samples(&ingestv1.Batch{Sequence: b.Sequence, Schemas: schemas, Entities: entities, Frames: b.Frames})
		if err != nil {
			h.t.Fatal(err)
		}
		for k, v := range samples {
			out[k] = v
		}
		first = b.Sequence + 1
	}
	return out
}

func TestKilledAgentLosesNothingSpooled(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	random := rand.New(rand.NewPCG(3, 5))
	var mu sync.Mutex
	h.server.Behave(agenttest.Behaviour{OnBatch: func(*ingestv1.Batch) agenttest.Answer {
		mu.Lock()
		defer mu.Unlock()
		return agenttest.Answer{Lose: random.IntN(3) == 0, Hold: random.IntN(3) == 0}
	}})
	want := map[agenttest.Sample]uint64{}
	waiting := 0
	for range 6 {
		streams := len(h.server.Hellos())
		cmd := h.start()
		h.eventually("it connects", func() bool { return len(h.server.Hellos()) > streams })
		// At any moment from before its first batch to behind its second.
		time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		for k, v := range h.spooled() {
			want[k] = v
			waiting++
		}
		for k, v := range h.server.Samples() { // what was kept and acknowledged
			want[k] = v
		}
	}
	if waiting == 0 {
		t.Fatal("nothing waited in the spool at any kill: the test shows nothing")
	}
	h.server.Behave(agenttest.Behaviour{})
	streams := len(h.server.Hellos())
	cmd := h.start()
	h.eventually("it connects", func() bool { return len(h.server.Hellos()) > streams }) // and listens to signals
	h.eventually("the backlog is delivered", func() bool {
		got := h.server.Samples()
		for k := range want {
			if _, ok := got[k]; !ok {
				return false
			}
		}
		return true
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGINT: %v, want exit 0", err)
	}
	wrong := 0
	got := h.server.Samples()
	for k, v := range want {
		if got[k] != v {
			wrong++
		}
	}
	t.Logf("%d samples, of them %d waited in the spool at a kill", len(want), waiting)
	if wrong > 0 {
		t.Errorf("%d of %d samples are wrong", wrong, len(want))
	}
}

func TestDamagedSpoolDoesNotStopTheAgent(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if err := os.WriteFile(filepath.Join(h.dir, agent.SpoolFile), bytes.Repeat([]byte("damage"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.eventually("the gap is reported to the server", func() bool { return h.has("esmon_agent_gap_end_timestamp_seconds") })
	if out, _, _ := call(t, "status", "--state-dir", h.dir); !strings.Contains(out, "spool_corrupt") {
		t.Errorf("the status does not say what was lost:\n%s", out)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("spool:\n  max_bytes: much\nprobs: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbled := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbled, "status.json"), []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"version", []string{"--version"}, 0, "esmon-agent v1.2.3-test\n"},
		{"help", nil, 0, "check-config"},
		{"unknown command", []string{"runn"}, 2, `there is no command "runn"`},
		{"unknown flag", []string{"run", "--fast"}, 2, "unknown flag: --fast"},
		{"not enrolled", []string{"run", "--state-dir", dir}, 1, "esmon-agent enroll --server"},
		{"good configuration", []string{"check-config", "--set", "spool.max_bytes=1GiB"}, 0, "the configuration is good"},
		{"bad configuration", []string{"check-config", "--config", bad}, 1, bad + ":2: spool.max_bytes: \"much\" is no size"},
		{"all of it", []string{"run", "--check-config", "--config", bad}, 1, bad + ":3: probs: there is no such setting"},
		{"bad setting", []string{"check-config", "--set", "x"}, 2, "--set x: write key=value"},
		{"argument", []string{"check-config", "agent.yaml"}, 2, `esmon-agent check-config takes flags only, not "agent.yaml"`},
		{"unknown service command", []string{"service", "restart"}, 2, `there is no command "restart"; esmon-agent service --help`},
		{"endless configuration", []string{"check-config", "--config", "/dev/zero"}, 1, "/dev/zero has more than"},
		{"enroll without a server", []string{"enroll", "--state-dir", dir, "--token", "x"}, 2, "the server is missing: esmon-agent enroll --server"},
		{"enroll without a token", []string{"enroll", "--state-dir", dir, "--server", "127.0.0.1:1"}, 2, "the token is missing: esmon-agent enroll --server"},
		{"enroll with nonsense", []string{"enroll", "--state-dir", dir, "--server", "127.0.0.1:1", "--token", "x"}, 1, "this is not an enrolment token"},
		{"enroll without a right", []string{"enroll", "--state-dir", "/proc/none", "--server", "127.0.0.1:1", "--token", "x"}, 1, "state directory"},
		{"status of nothing", []string{"status", "--state-dir", dir}, 1, "no agent has run with the state directory " + dir},
		{"unreadable status", []string{"status", "--state-dir", garbled}, 1, filepath.Join(garbled, "status.json") + ": invalid character"},
		{"collect", []string{"collect", "--probe", "memory"}, 0, "system_memory_"},
		{"collect of nothing", []string{"collect", "--probe", "weather"}, 2, `there is no probe "weather" here`},
		{"collect of what is off", []string{"collect", "--set", "probes.off=cpu", "--probe", "cpu"}, 2, `probe "cpu" is switched off`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, errs, code := call(t, c.args...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d, want %d; want …%s… in\n%s%s", code, c.code, c.want, out, errs)
			}
		})
	}
}

func TestCollectJSON(t *testing.T) {
	t.Parallel()
	out, errs, code := call(t, "collect", "-o", "json")
	var samples []struct {
		Probe, Name, Type string
		Labels            map[string]string
		Time              time.Time
		Value             *float64
	}
	if err := json.Unmarshal([]byte(out), &samples); err != nil || code != 0 {
		t.Fatalf("collect: %v: %d %s", err, code, errs)
	}
	probes := map[string]int{}
	for _, s := range samples {
		probes[s.Probe]++
		if s.Name == "" || time.Since(s.Time).Abs() > time.Minute {
			t.Errorf("sample %+v", s)
		}
	}
	for _, p := range []string{"cpu", "memory", "network", "filesystem", "process", "uptime", "host"} {
		if probes[p] == 0 {
			t.Errorf("nothing of probe %s", p)
		}
	}
}
