package uplink

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/services/mtls"
)

var errDown = errors.New("connection refused")

// chooser is a choice among n collectors with a clock of the test and waits that
// are as long as they may be.
func chooser(t *testing.T, n int, proxy collectors.ProxySetting) (*choice, *time.Time) {
	t.Helper()
	s := agenttest.New(t)
	dialer, err := collectors.New(collectors.Config{})
	if err != nil {
		t.Fatal(err)
	}
	i, err := enrol.Enrol(t.Context(), dialer, []string{s.Addr()}, s.Token, "", enrol.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := enrol.Save(dir, i); err != nil {
		t.Fatal(err)
	}
	store, err := enrol.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if dialer, err = collectors.New(collectors.Config{Proxy: proxy}); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	for i := range n {
		cfg.Servers = append(cfg.Servers, fmt.Sprintf("192.0.2.%d:8443", i+1))
	}
	now := epoch
	u := New(cfg, nil, store, dialer, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	longest := func(n int64) int64 { return n - 1 }
	u.random, u.roster.random = longest, longest
	p := &choice{u: u, wait: newBackoff(cfg.BackoffBase, cfg.BackoffMax)}
	p.wait.random = longest
	return p, &now
}

func (p *choice) take(t *testing.T) collectors.Candidate {
	t.Helper()
	c, err := p.next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ended(err error) outcome { return outcome{err: enrol.Explain(err), cause: err} }

func TestRoundsAreSpacedAndAttemptsAreNot(t *testing.T) {
	t.Parallel()
	p, now := chooser(t, 3, collectors.NoProxy)
	for round, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second} {
		seen := map[string]bool{}
		for i := range 3 {
			if d := p.dialTimeout(); d != 5*time.Second<<min(round, 2) {
				t.Errorf("round %d: %s to connect", round, d)
			}
			c := p.take(t)
			seen[c.String()] = true
			d := p.after(t.Context(), c, ended(errDown))
			if i < 2 && d != 0 || i == 2 && d != want {
				t.Errorf("round %d, attempt %d: waits %s", round, i, d)
			}
			*now = now.Add(d)
		}
		if len(seen) != 3 {
			t.Errorf("round %d tried %v", round, seen)
		}
	}
}

func TestLongRoundIsSpaced(t *testing.T) {
	t.Parallel()
	p, _ := chooser(t, 20, collectors.NoProxy)
	var waits []int
	for i := range 19 {
		switch d := p.after(t.Context(), p.take(t), ended(errDown)); d {
		case 0:
		case 500 * time.Millisecond:
			waits = append(waits, i+1)
		default:
			t.Errorf("attempt %d waits %s", i, d)
		}
	}
	if !slices.Equal(waits, []int{8, 16}) {
		t.Errorf("it waits after the attempts %v", waits)
	}
}

// A collector that failed comes after the others until its time is over.
func TestFailedIsAvoided(t *testing.T) {
	t.Parallel()
	p, now := chooser(t, 3, collectors.NoProxy)
	first := p.take(t)
	p.after(t.Context(), first, ended(errDown))
	second := p.take(t)
	steady := outcome{opened: true, steady: true, err: errDown, cause: errDown}
	if d := p.after(t.Context(), second, steady); d != 500*time.Millisecond {
		t.Errorf("a stream that ran broke: it waits %s, want a random time below half a second", d)
	}
	third := p.take(t)
	if third.String() == first.String() || third.String() == second.String() {
		t.Fatalf("the third is %s", third)
	}
	p.after(t.Context(), third, steady)
	if c := p.take(t); c.String() != first.String() {
		t.Errorf("all are avoided: %s is tried, want %s whose time is over soonest", c, first)
	}
	*now = now.Add(31 * time.Second)
	p.fresh(first)
	if c := p.take(t); c.String() != second.String() {
		t.Errorf("%s is tried, want %s: no more avoided, and not left last", c, second)
	}
	for range 20 { // in a row, it is avoided for longer, up to a bound
		p.u.roster.failed(*now, first, errDown, 0)
	}
	if d := p.u.roster.records[first.String()].until.Sub(*now); d != 10*time.Minute {
		t.Errorf("avoided for %s", d)
	}
	p.u.roster.worked(first)
	if d := p.u.roster.records[first.String()].until; !d.IsZero() {
		t.Errorf("it worked and is still avoided until %s", d)
	}
}

// What every collector would answer is not asked of all in a row.
func TestWaitsWhereNoOtherHelps(t *testing.T) {
	t.Parallel()
	refusal := &mtls.Refusal{Reason: mtls.ReasonRejected, Message: "no"}
	peer := &collectors.PeerError{Err: &mtls.Refusal{Reason: mtls.ReasonUnknownCA, Message: "not ours"}}
	fault := func(code codes.Code, reason string) error { return agenttest.Fault(code, reason, "no") }
	for _, c := range []struct {
		name string
		err  error
		want []time.Duration // for attempts in a row, with three collectors
	}{
		{"revoked", fault(codes.PermissionDenied, "identity_revoked"), []time.Duration{30 * time.Second, 450 * time.Second, 450 * time.Second}},
		{"certificate", refusal, []time.Duration{30 * time.Second, 450 * time.Second}},
		{"superseded", fault(codes.AlreadyExists, "superseded"), []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}},
		{"too often", fault(codes.ResourceExhausted, "connects_too_often"), []time.Duration{500 * time.Millisecond, time.Second}},
		{"this host's disk", own(errors.New("disk full")), []time.Duration{500 * time.Millisecond, time.Second}},
		{"no platform's server", peer, []time.Duration{0, 0, 450 * time.Second}},
		{"no platform's server yet", &collectors.PeerError{Err: &mtls.Refusal{Reason: mtls.ReasonNotYetValid, Message: "set the clock"}}, []time.Duration{0, 0, 500 * time.Millisecond}},
		{"busy", fault(codes.Unavailable, "registry_unavailable"), []time.Duration{0, 0, 500 * time.Millisecond}},
		{"away", status.Error(codes.Unavailable, "closing transport due to: EOF, received prior goaway: code: NO_ERROR, debug data: \"max_age\""), []time.Duration{0, 0, 500 * time.Millisecond}},
		{"too large", &largeError{errDown}, []time.Duration{0, time.Second, 2 * time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, _ := chooser(t, 3, collectors.NoProxy)
			for i, want := range c.want {
				if d := p.after(t.Context(), p.take(t), ended(c.err)); d < want-1 || d > want {
					t.Errorf("attempt %d waits %s, want %s", i, d, want)
				}
			}
		})
	}
}

// A proxy that is down leads to no other collector either; one that refuses a
// collector may.
func TestProxyIsDown(t *testing.T) {
	t.Parallel()
	p, _ := chooser(t, 3, "http://proxy.example:3128")
	if d := p.after(t.Context(), p.take(t), ended(&collectors.ProxyError{Message: "403"})); d != 0 {
		t.Errorf("another may be allowed; it waits %s", d)
	}
	c := p.take(t)
	if d := p.after(t.Context(), c, ended(&collectors.ProxyError{Down: true, Message: "down"})); d != 500*time.Millisecond {
		t.Errorf("it waits %s: no other is reached through this proxy", d)
	}
	if rec := p.u.roster.records[c.String()]; !rec.until.IsZero() || rec.failures != 1 {
		t.Errorf("the collector is held to have failed: %+v", rec)
	}
}

func TestNoServerIsKnown(t *testing.T) {
	t.Parallel()
	p, _ := chooser(t, 0, collectors.NoProxy)
	if c := p.take(t); c.Name != p.u.identity.Identity().Servers[0] {
		t.Errorf("without a setting it is %s, want that of the enrolment", c)
	}
	p.u.cfg.Servers = []string{"nonsense"}
	p.left = nil
	if _, err := p.next(t.Context()); err == nil {
		t.Error("nonsense is a server")
	}
}
