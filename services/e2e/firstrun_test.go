package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startAgent enrols an agent on this host and runs it until the test ends. It
// returns its state directory and the running process.
func startAgent(t *testing.T, s *server) (state string, process *exec.Cmd) {
	t.Helper()
	state = filepath.Join(t.TempDir(), "agent")
	if out, err := runProgram(t, "ESMON_AGENT_BIN", "enroll", "--state-dir", state, "--server", s.grpc, "--token", s.token(1)); err != nil {
		t.Fatalf("enroll: %v\n%s", err, out)
	}
	return state, runAgent(t, state)
}

func runAgent(t *testing.T, state string) *exec.Cmd {
	t.Helper()
	out := &output{}
	cmd := exec.Command(binary(t, "ESMON_AGENT_BIN"), "run", "--state-dir", state)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("output of the agent:\n%s", out.tail(4000))
		}
	})
	return cmd
}

// TestFirstSample is what a newcomer does: start, enrol, ask. The first own
// sample must be there soon.
func TestFirstSample(t *testing.T) {
	t.Parallel()
	began := time.Now()
	s := startServer(t)
	_, agent := startAgent(t, s)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the first sample is there", func() error {
		got, err := s.query(`system_memory_usage_bytes{system_memory_state="free"}`, "host_name")
		if err == nil && got[host] == "" {
			err = fmt.Errorf("no sample of %s: %v", host, got)
		}
		return err
	})
	t.Logf("first sample %s after the server's start", time.Since(began).Round(10*time.Millisecond))

	out, err := s.esmon("query", `count(system_cpu_time_seconds_total{cpu_mode="idle"})`)
	if err != nil || !strings.Contains(out, "1") {
		t.Errorf("esmon query: %v\n%s", err, out)
	}
	if out, err := s.esmon("agents"); err != nil || !strings.Contains(out, host) {
		t.Errorf("esmon agents: %v\n%s", err, out)
	}
	if err := agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := agent.Wait(); err != nil {
		t.Errorf("the agent ended with %v after SIGTERM", err)
	}
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v after SIGTERM", err)
	}
}

// TestAgentSurvivesServerOutage checks that what the agent measured while the
// server was away is there afterwards.
func TestAgentSurvivesServerOutage(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	startAgent(t, s)
	const count = `sum(count_over_time(system_memory_limit_bytes[10m]))`
	samples := func() (n int) {
		got, err := s.query(count, "")
		if err != nil {
			return 0
		}
		_, _ = fmt.Sscan(got[""], &n) // 0 if there is none
		return n
	}
	eventually(t, 30*time.Second, "the first sample is there", func() error {
		if samples() == 0 {
			return fmt.Errorf("none yet")
		}
		return nil
	})
	s.kill()
	time.Sleep(25 * time.Second) // two of the probe's intervals at least
	before := time.Now()
	s.start()
	eventually(t, 60*time.Second, "the outage's samples are there", func() error {
		got, err := s.query(`sum(count_over_time(system_memory_limit_bytes[25s]))`, "")
		if err != nil {
			return err
		}
		if n := samples(); n < 3 {
			return fmt.Errorf("%d samples, %v in the last 25 s, %s after the restart", n, got, time.Since(before))
		}
		return nil
	})
}

func TestSecondServerIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	out, err := runProgram(t, "ESMON_BIN", "serve", "--data-dir", s.dir, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
	if err == nil || !strings.Contains(out, s.dir) || !strings.Contains(out, fmt.Sprint(s.cmd.Process.Pid)) {
		t.Errorf("a second server on the same directory: %v\n%s", err, out)
	}
}

func TestTokenIsUsedUp(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	token := s.token(1)
	enrol := func() (string, error) {
		return runProgram(t, "ESMON_AGENT_BIN", "enroll", "--state-dir", filepath.Join(t.TempDir(), "agent"), "--server", s.grpc, "--token", token)
	}
	if out, err := enrol(); err != nil {
		t.Fatalf("first use: %v\n%s", err, out)
	}
	out, err := enrol()
	if err == nil || !strings.Contains(out, "all are used") || !strings.Contains(out, "esmon token create") {
		t.Errorf("second use: %v\n%s", err, out)
	}
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	t.Parallel()
	out, err := runProgram(t, "ESMON_BIN", "serve", "--data-dir", t.TempDir(), "--http", "0.0.0.0:0", "--grpc", "127.0.0.1:0")
	if err == nil || !strings.Contains(out, "loopback") {
		t.Errorf("HTTP on every interface: %v\n%s", err, out)
	}
}
