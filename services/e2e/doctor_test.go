package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/e2e/platform"
)

// patient is an agent on a clustered platform, and what the platform says of it.
type patient struct {
	t    *testing.T
	p    *platform.Platform
	host string
}

// startPatient enrols an agent on this host and runs it until the test ends.
func startPatient(t *testing.T, p *platform.Platform) (*patient, *exec.Cmd) {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.Token(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(t.TempDir(), "agent")
	if out, err := runProgram(t, "ESMON_AGENT_BIN", "enroll", "--state-dir", state, "--server", p.AgentsAddress(), "--token", token); err != nil {
		t.Fatalf("enroll: %v\n%s", err, out)
	}
	out := &output{}
	cmd := exec.Command(binary(t, "ESMON_AGENT_BIN"), "run", "--state-dir", state)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // the test may have done so
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("output of the agent:\n%s", out.tail(4000))
		}
	})
	return &patient{t: t, p: p, host: host}, cmd
}

// get asks the gateway.
func (x *patient) get(path string, into proto.Message) error {
	res, err := http.Get(x.p.URL() + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	if err != nil {
		return err
	}
	return protojson.Unmarshal(body, into)
}

// addresses returns where the nodes with the target are.
func (x *patient) addresses(target string) (out []string) {
	x.t.Helper()
	var s statusv1.GetStatusResponse
	if err := x.get("/api/v1/status", &s); err != nil {
		x.t.Fatal(err)
	}
	for _, n := range s.GetNodes() {
		if slices.Contains(n.GetTargets(), target) {
			out = append(out, n.GetAddress())
		}
	}
	return out
}

// await waits until the diagnosis has the states, as name=state, and returns it.
func (x *patient) await(what string, states ...string) *statusv1.DiagnoseAgentResponse {
	x.t.Helper()
	began := time.Now()
	var d *statusv1.DiagnoseAgentResponse
	eventually(x.t, 90*time.Second, what, func() (err error) {
		d = &statusv1.DiagnoseAgentResponse{}
		if err = x.get("/api/v1/agents/"+url.PathEscape(x.host)+"/diagnosis", d); err != nil {
			return err
		}
		have := map[string]bool{}
		for _, h := range d.GetHops() {
			have[h.GetName()+"="+strings.ToLower(strings.TrimPrefix(h.GetState().String(), "HOP_STATE_"))] = true
		}
		for _, s := range states {
			if !have[s] {
				return fmt.Errorf("not %s:\n%s", s, protojson.Format(d))
			}
		}
		return nil
	})
	x.t.Logf("%s after %s: %s", what, time.Since(began).Round(100*time.Millisecond), d.GetSummary())
	return d
}

func hopOf(d *statusv1.DiagnoseAgentResponse, name string) *statusv1.Hop {
	for _, h := range d.GetHops() {
		if h.GetName() == name {
			return h
		}
	}
	return nil
}

// TestDoctor breaks the way of an agent's data at one hop after the other: the
// diagnosis must name that hop, and no earlier one.
func TestDoctor(t *testing.T) {
	p := startPlatform(t, platform.Options{Storage: 2})
	x, agent := startPatient(t, p)
	x.await("all is well", "probe=ok", "spool=ok", "stream=ok", "log=ok", "storage=ok", "query=ok")
	x.wantCommand(0, "all is well")
	addresses := x.addresses("storage")
	if len(addresses) != 2 {
		t.Fatalf("storage nodes at %q, want two", addresses)
	}

	for _, s := range p.Storage {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	d := x.await("storage is stuck", "probe=unknown", "spool=unknown", "stream=ok", "log=ok", "storage=stuck", "query=stuck")
	for _, address := range addresses {
		if where := hopOf(d, "storage").GetWhere(); !strings.Contains(where, address) {
			t.Errorf("storage is stuck at %q, which does not name %s", where, address)
		}
	}
	x.wantCommand(1, "stuck at the hop storage")

	for _, s := range p.Storage {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	x.await("storage reads again", "storage=ok", "query=ok")
	if err := p.CutOff(p.MQ.Nodes[0].Address()); err != nil {
		t.Fatal(err)
	}
	d = x.await("the log is stuck", "log=stuck")
	if !strings.Contains(d.GetSummary(), "stuck at the hop log") {
		t.Errorf("the broker is cut off: %s", protojson.Format(d))
	}

	p.Heal(t.Context())
	x.await("the log takes records again", "log=ok", "stream=ok")
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d = x.await("the stream is stuck", "stream=stuck", "log=ok", "storage=ok", "query=ok", "probe=unknown")
	if !strings.Contains(d.GetSummary(), "stuck at the hop stream") || hopOf(d, "stream").GetSince() == nil {
		t.Errorf("the agent was killed: %s", protojson.Format(d))
	}
}

// wantCommand checks what `esmon doctor` says and how it ends.
func (x *patient) wantCommand(code int, text string) {
	x.t.Helper()
	cmd := exec.CommandContext(x.t.Context(), binary(x.t, "ESMON_BIN"), "doctor", x.host, "--data-dir", x.p.Gateway.Dir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		x.t.Fatal(err)
	}
	if cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), text) {
		x.t.Errorf("esmon doctor ended with %d, want %d and %q:\n%s", cmd.ProcessState.ExitCode(), code, text, out)
	}
	var all struct{ Hops []struct{ Name string } }
	cmd = exec.CommandContext(x.t.Context(), binary(x.t, "ESMON_BIN"), "doctor", x.host, "--data-dir", x.p.Gateway.Dir, "-o", "json")
	out, _ = cmd.Output() // it fails if something is stuck
	if err := json.Unmarshal(out, &all); err != nil || len(all.Hops) != 6 {
		x.t.Errorf("esmon doctor -o json: %v: %s", err, out)
	}
}
