package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/fleetsim"
)

// TestARelayLosesNothing breaks each thing between the agents of a site and the
// platform while they send: the relay, a collector behind it, and the way between.
func TestARelayLosesNothing(t *testing.T) {
	p := startPlatform(t, platform.Options{
		Collectors: 2, Relays: 1,
		Env: []string{"ESMON_TSDB_CUT_EVERY=5s"},
	})
	relay := p.Relays[0]
	l := startSiteLoad(t, p, 40)
	awaitAcks(t, p, "the site sends", l)
	agent := enrolAgent(t, p)

	if err := relay.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := relay.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitAcks(t, p, "the relay was killed and is back", l)

	if err := p.Collectors[0].Kill(); err != nil {
		t.Fatal(err)
	}
	awaitAcks(t, p, "one collector was killed", l)
	if err := p.Collectors[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}

	cutOff(t, relay)
	relay.Heal(t.Context())
	awaitAcks(t, p, "the site was cut off and is back", l)

	if err := relay.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := relay.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitAcks(t, p, "the relay was stopped and is back", l)
	wantOwnHost(t, p, agent)

	v := l.finish(t, p.URL())
	t.Logf("%d samples acknowledged, %d found, %d differences", v.Samples, v.Found, v.Differences)
	if v.Differences > 0 || v.Found != v.Samples || v.Samples == 0 {
		t.Errorf("the ledger and the store differ: %+v", v)
	}
}

// siteLoad is a load whose acknowledgements are told.
type siteLoad struct {
	*load
	acked chan struct{} // holds at most one
}

// startSiteLoad starts agents that reach the platform through its relays only.
func startSiteLoad(t *testing.T, p *platform.Platform, agents int) *siteLoad {
	t.Helper()
	token, err := p.Token(t.Context(), agents)
	if err != nil {
		t.Fatal(err)
	}
	s := &siteLoad{acked: make(chan struct{}, 1)}
	cfg := fleetsim.DefaultConfig()
	cfg.Agents, cfg.Series, cfg.Interval, cfg.Name = agents, 100, 500*time.Millisecond, "site"
	cfg.Address, cfg.Token, cfg.Duration, cfg.Drain = p.RelayAddress(), token, 24*time.Hour, 3*time.Minute
	cfg.OnAck = func(time.Time, time.Time) {
		select {
		case s.acked <- struct{}{}:
		default:
		}
	}
	f, err := fleetsim.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	making, stop := context.WithCancel(t.Context())
	s.load = &load{Fleet: f, stop: stop, done: make(chan error, 1)}
	go func() {
		report, err := f.RunUntil(t.Context(), making)
		if err == nil && report.Refused > 0 {
			err = fmt.Errorf("%d frames were refused: %s", report.Refused, report.LastError)
		}
		s.done <- err
	}()
	t.Cleanup(stop)
	return s
}

// awaitAcks waits until all processes that run are ready and many batches were
// acknowledged since.
func awaitAcks(t *testing.T, p *platform.Platform, since string, s *siteLoad) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := platform.Eventually(ctx, func() error { return p.Relays[0].Ready(ctx) }); err != nil {
		t.Fatalf("%s: %v", since, err)
	}
	defer func(began time.Time) {
		t.Logf("%s: went on after %s", since, time.Since(began).Round(time.Millisecond))
	}(time.Now())
	for range 100 {
		select {
		case <-s.acked:
		case <-ctx.Done():
			t.Fatalf("%s: nothing is acknowledged", since)
		}
	}
}

// cutOff lets nothing pass between the relay and all others, agents included, until
// it has noticed and says so.
func cutOff(t *testing.T, relay *platform.Process) {
	t.Helper()
	if err := relay.Partition(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := platform.Eventually(ctx, func() error {
		if err := relay.Ready(ctx); err == nil || !strings.Contains(err.Error(), "no central collector (cluster.collector) can be reached since") {
			return fmt.Errorf("the relay says: %w", errors.Join(err, errors.New("it should say that it has no uplink")))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// enrolAgent enrols the real agent through the relay and runs it until the test ends.
func enrolAgent(t *testing.T, p *platform.Platform) *exec.Cmd {
	t.Helper()
	token, err := p.Token(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(t.TempDir(), "agent")
	if out, err := runProgram(t, "ESMON_AGENT_BIN", "enroll", "--state-dir", state, "--server", p.RelayAddress(), "--token", token); err != nil {
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
		_ = cmd.Process.Kill() // the test may have stopped it
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("output of the agent:\n%s", out.tail(4000))
		}
	})
	return cmd
}

// wantOwnHost waits until the agent shows up under the name of this host, and stops
// it in order.
func wantOwnHost(t *testing.T, p *platform.Platform, agent *exec.Cmd) {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	gateway := &server{t: t, http: p.Gateway.HTTP}
	eventually(t, time.Minute, "the agent's data is there", func() error {
		got, err := gateway.query(`system_memory_usage_bytes{system_memory_state="free"}`, "host_name")
		if err == nil && got[host] == "" {
			err = fmt.Errorf("no sample of %s: %v", host, got)
		}
		return err
	})
	if err := agent.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := agent.Wait(); err != nil {
		t.Errorf("the agent ended with %v after SIGTERM", err)
	}
}
