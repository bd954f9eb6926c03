package control_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

func TestConnectRefusals(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	facts := func(f *ingestv1.HostFacts) *ingestv1.Hello { return &ingestv1.Hello{Host: f} }
	for _, c := range []struct {
		name   string
		hello  *ingestv1.Hello
		kind   fault.Kind
		reason string
		texts  []string
	}{
		{"host name too long", facts(&ingestv1.HostFacts{HostName: long}), fault.Invalid, "host_name_too_long", []string{"host_name: 300 bytes, the limit is 255", "shorten"}},
		{"host name with a line break", facts(&ingestv1.HostFacts{HostName: "a\nb"}), fault.Invalid, "host_name_invalid", []string{"host_name: use UTF-8 text without control characters"}},
		{"machine id too long", facts(&ingestv1.HostFacts{HostId: long}), fault.Invalid, "host_id_too_long", []string{"host_id: 300 bytes, the limit is 128"}},
		{"system too long", facts(&ingestv1.HostFacts{OsType: long}), fault.Invalid, "os_type_too_long", []string{"os_type", "64"}},
		{"description not UTF-8", facts(&ingestv1.HostFacts{OsDescription: "\xff"}), fault.Invalid, "os_description_invalid", []string{"os_description: use UTF-8"}},
		{"architecture too long", facts(&ingestv1.HostFacts{Arch: long}), fault.Invalid, "arch_too_long", []string{"arch", "64"}},
		{"version with NUL", &ingestv1.Hello{AgentVersion: "1\x00"}, fault.Invalid, "agent_version_invalid", []string{"agent_version: use"}},
		{"another machine", facts(&ingestv1.HostFacts{HostId: "machine-2"}), fault.Denied, "identity_cloned", []string{"machine with id machine of web-1, this one is machine-2", "identity was copied, or the machine id was changed", "esmon token create, esmon-agent enroll"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, newClock(), nil)
			id := r.enrol("web-1")
			_, err := r.Connect(t.Context(), id, c.hello)
			wantFault(t, err, c.kind, c.reason, c.texts...)
			if got := r.refusals(c.reason); got != 1 {
				t.Errorf("%s was counted %v times", c.reason, got)
			}
			r.connect(id, 0, 1) // nothing was issued
		})
	}
	t.Run("unknown agent", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, newClock(), nil)
		asked := 0
		r.store.set(func(string, int) error { asked++; return nil })
		for _, id := range []string{"nobody", "no\x00body", "\xff", strings.Repeat("x", 5000)} {
			_, err := r.Connect(t.Context(), id, hello(0))
			wantFault(t, err, fault.NotFound, "agent_unknown", "is in the registry", "`esmon agents` lists them", "must enrol anew")
			if len(err.Error()) > 400 {
				t.Errorf("the message repeats an id of %d bytes", len(id))
			}
		}
		if asked != 2 { // what no database can keep is not looked for
			t.Errorf("the database was asked %d times, want 2", asked)
		}
	})
	t.Run("revoked agent", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, newClock(), nil)
		id := r.enrol("web-1")
		must(t, r.revoke(id))
		for range 2 { // also after a restart
			_, err := r.Connect(t.Context(), id, hello(0))
			wantFault(t, err, fault.Denied, "identity_revoked", id, "revoked at 2026-11-24T12:00:00Z", "remove the agent from the host", "esmon token create")
			r.restart()
		}
	})
	t.Run("too often", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		r := newRig(t, c, nil)
		id, other := r.enrol("web-1"), r.enrol("web-2")
		for i := range uint64(control.ConnectBurst) {
			r.connect(id, i, i+1)
		}
		_, err := r.Connect(t.Context(), id, hello(control.ConnectBurst))
		wantFault(t, err, fault.Exhausted, "connects_too_often", id, "more often than every 500ms", "wait between attempts", "enrol one anew")
		r.connect(other, 0, 1)
		c.Add(control.ConnectPause)
		r.connect(id, control.ConnectBurst, control.ConnectBurst+1)
	})
	t.Run("a copy in a loop keeps nobody out", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, newClock(), nil)
		id := r.enrol("web-1")
		r.connect(id, 5, 6)
		for range 3 * control.ConnectBurst {
			_, err := r.Connect(t.Context(), id, hello(1))
			wantFault(t, err, fault.Denied, "identity_cloned")
		}
		r.connect(id, 6, 7)
	})
	t.Run("the database is away", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, newClock(), nil)
		id := r.enrol("web-1")
		first := r.connect(id, 0, 1)
		r.store.set(func(string, int) error { return errors.New("disk full") })
		_, err := r.Connect(t.Context(), id, hello(1))
		wantFault(t, err, fault.Unavailable, "registry_unavailable", "cannot store the connect right now", "connect again")
		if done, _ := over(first); done {
			t.Error("a connect that failed ended the stream that is open")
		}
	})
}

// The write of a connect failed after its commit: what is stored is not what is
// known here. The next connect goes by what is stored.
func TestConnectStoredAfterAll(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	id := r.enrol("web-1")
	r.connect(id, 0, 1)
	for range 2 {
		r.store.set(func(method string, _ int) error {
			if method == "SaveConnects done" {
				return errors.New("connection lost")
			}
			return nil
		})
		_, err := r.Connect(t.Context(), id, hello(1))
		wantFault(t, err, fault.Unavailable, "registry_unavailable")
		r.store.set(func(string, int) error { return errors.New("connection refused") })
		_, err = r.Connect(t.Context(), id, hello(1))
		wantFault(t, err, fault.Unavailable, "registry_unavailable", "cannot be read right now", "connect again")
		r.store.set(nil)
	}
	r.connect(id, 1, 2)
	r.store.set(func(method string, _ int) error {
		if method == "Agent" {
			t.Error("the row is read again though it is known")
		}
		return nil
	})
	r.connect(id, 2, 3)
}

// The database forgot the agent, memory did not: the connect is not stored.
func TestConnectOfADeletedAgent(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	id := r.enrol("web-1")
	_, err := r.store.PurgeAgents(t.Context(), c.Now().Add(365*day), 10)
	must(t, err)
	_, err = r.Connect(t.Context(), id, hello(0))
	wantFault(t, err, fault.NotFound, "agent_unknown", id)
	if n, _ := r.Counts(); n != 0 {
		t.Errorf("%d agents are left in memory", n)
	}
}

func TestNewestStreamWins(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	id := r.enrol("web-1")
	first := r.connect(id, 0, 1)
	if done, cause := over(first); done || cause != nil {
		t.Fatalf("over at once: %v", cause)
	}
	second := r.connect(id, 1, 2)
	_, cause := over(first)
	wantFault(t, cause, fault.Conflict, "superseded", id, "opened a newer stream", "identity was copied")
	first.Close() // the old stream's end is not the new one's
	if done, cause := over(second); done {
		t.Fatalf("the newer stream ended too: %v", cause)
	}
	if got := r.agent(id).GetState().String(); got != "AGENT_STATE_CONNECTED" {
		t.Errorf("state %s", got)
	}
	second.Close()
	second.Close()
	_, cause = over(second)
	wantFault(t, cause, fault.Unavailable, "closed", id, "is closed")
	if got := r.agent(id).GetState().String(); got != "AGENT_STATE_DISCONNECTED" {
		t.Errorf("state %s", got)
	}
	if second.AgentID() != id {
		t.Errorf("the session is of %s", second.AgentID())
	}
}

// What a stream that was displaced still acknowledges must not confirm a counter
// or move the time: who knows whose it was.
func TestSupersededStreamConfirmsNothing(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	id := r.enrol("web-1")
	first := r.connect(id, 0, 1)
	r.connect(id, 0, 1) // its welcome was lost
	first.Acked(c.Now(), 7)
	if a := r.agent(id); a.GetLastAckTime() != nil || a.GetClockSkewMs() != 0 {
		t.Errorf("it moved the last acknowledgement to %v, skew %d", a.GetLastAckTime().AsTime(), a.GetClockSkewMs())
	}
	r.connect(id, 0, 1)
}

// A stream that was given up while the database was slow must not displace the one
// that replaced it, nor be written.
func TestStreamGivenUpWhileWaiting(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	id := r.enrol("web-1")
	waiting, release := make(chan struct{}), make(chan struct{})
	var writes atomic.Int64
	r.store.set(func(method string, _ int) error {
		if method == "SaveConnects" && writes.Add(1) == 1 {
			close(waiting)
			<-release
		}
		return nil
	})
	var group sync.WaitGroup
	group.Go(func() { _, _ = r.Connect(t.Context(), id, hello(0)) })
	<-waiting // the first holds the agent's turn
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	group.Go(func() {
		_, err := r.Connect(ctx, id, hello(0))
		if fault.ReasonOf(err) != "stream_over" || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "connect again") {
			t.Errorf("got %v", err)
		}
	})
	close(release)
	group.Wait()
	if n := writes.Load(); n != 1 {
		t.Errorf("%d connects were written, want 1", n)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	id := r.enrol("web-1")
	must(t, r.update(id, map[string]string{"site": "north"}, "db2:sales"))
	s := r.connect(id, 0, 1)
	wantLabels(t, s.Labels(), "host_id=machine of web-1 host_name=web-1 os_type=linux site=north")
	target, ok := s.TargetLabels("db2:sales")
	if !ok {
		t.Fatal("an assigned target is not known")
	}
	wantLabels(t, target, "target=db2:sales")
	if _, ok := s.TargetLabels("db2:hr"); ok {
		t.Error("a target that is not assigned is taken")
	}
	if n := len(s.Changed()); n != 0 {
		t.Errorf("%d notices before any change", n)
	}

	must(t, r.update(id, map[string]string{"site": "south", "tier": "1"}))
	must(t, r.update(id, map[string]string{"tier": "2"}, "url:a"))
	if n := len(s.Changed()); n != 1 {
		t.Errorf("%d notices of two changes, want 1", n)
	}
	<-s.Changed()
	wantLabels(t, s.Labels(), "host_id=machine of web-1 host_name=web-1 os_type=linux tier=2")
	if _, ok := s.TargetLabels("db2:sales"); ok {
		t.Error("a target that was taken away is still taken")
	}
	if _, ok := s.TargetLabels("url:a"); !ok {
		t.Error("the new target is not known")
	}
	r.restart()
	wantLabels(t, r.connect(id, 1, 2).Labels(), "host_id=machine of web-1 host_name=web-1 os_type=linux tier=2")
}

// The labels that a host may not choose stay those of enrolment; what may change
// is taken over at the next connect.
func TestHelloChangesFacts(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	id := r.enrol("web-1")
	s, err := r.Connect(t.Context(), id, &ingestv1.Hello{AgentVersion: "1.2", Host: &ingestv1.HostFacts{
		HostName: "renamed", OsType: "plan9", OsDescription: "Debian 13", Arch: "arm64",
	}})
	must(t, err)
	wantLabels(t, s.Labels(), "host_id=machine of web-1 host_name=renamed os_type=linux")
	r.connect(id, 1, 2) // a hello that says nothing changes nothing
	for range 2 {
		a := r.agent(id)
		if a.GetHostName() != "renamed" || a.GetHostId() != "machine of web-1" || a.GetOsType() != "linux" ||
			a.GetOsDescription() != "Debian 13" || a.GetArch() != "arm64" || a.GetAgentVersion() != "1.2" {
			t.Errorf("got %v", a)
		}
		r.restart()
	}
}

// An agent that enrolled without a machine id gets it with its first hello, once.
func TestMachineIDOfTheFirstHello(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	req := r.request(r.token(1), newKey(t))
	req.HostId = ""
	res, err := r.EnrolmentService().Enrol(t.Context(), req)
	must(t, err)
	first := &ingestv1.Hello{Host: &ingestv1.HostFacts{HostId: "m1"}}
	s, err := r.Connect(t.Context(), res.GetAgentId(), first)
	must(t, err)
	wantLabels(t, s.Labels(), "host_id=m1 host_name=web-1 os_type=linux")
	_, err = r.Connect(t.Context(), res.GetAgentId(), &ingestv1.Hello{ConnectCounter: 1, Host: &ingestv1.HostFacts{HostId: "m2"}})
	wantFault(t, err, fault.Denied, "identity_cloned", "machine with id m1, this one is m2")
}

// Streams of one agent that come at the same time: one stays, and the counters are
// those of one after the other.
func TestConcurrentStreamsOfOneAgent(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	id := r.enrol("web-1")
	const streams = 20
	r.store.set(func(method string, rows int) error {
		if method == "SaveConnects" && rows != 1 {
			t.Errorf("%d connects of one agent were written together", rows)
		}
		return nil
	})
	sessions := make([]*control.Session, streams)
	var group sync.WaitGroup
	for i := range streams {
		group.Go(func() {
			var err error
			if sessions[i], err = r.Connect(t.Context(), id, hello(0)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	open := 0
	for _, s := range sessions {
		if s == nil || s.Counter() != 1 {
			t.Fatalf("session %+v", s)
		}
		if done, _ := over(s); !done {
			open++
		}
	}
	if open != 1 {
		t.Errorf("%d sessions are open, want 1", open)
	}
}

func wantLabels(t *testing.T, got metric.Labels, want string) {
	t.Helper()
	var parts []string
	for _, l := range got {
		parts = append(parts, l.Name+"="+l.Value)
	}
	if text := strings.Join(parts, " "); text != want {
		t.Errorf("labels %q, want %q", text, want)
	}
}
