package uplink_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/uplink"
)

// fleet is an agent and the collectors of its platform, in the order in which it
// prefers them.
type fleet struct {
	*rig
	servers []*agenttest.Server
}

func newFleet(t *testing.T, n int, change func(*uplink.Config)) *fleet {
	t.Helper()
	servers := []*agenttest.Server{agenttest.New(t)}
	for range n - 1 {
		servers = append(servers, servers[0].Peer())
	}
	return fleetOf(t, servers, change)
}

func fleetOf(t *testing.T, servers []*agenttest.Server, change func(*uplink.Config)) *fleet {
	t.Helper()
	byAddr := map[string]*agenttest.Server{}
	var list []collectors.Candidate
	for _, s := range servers {
		byAddr[s.Addr()] = s
		list = append(list, collectors.Candidate{Name: s.Addr(), Addr: s.Addr()})
	}
	f := &fleet{}
	f.rig = enrolRig(t, servers[0], t.TempDir(), func(c *uplink.Config) {
		c.Servers = nil
		for _, s := range servers {
			c.Servers = append(c.Servers, s.Addr())
		}
		if change != nil {
			change(c)
		}
	})
	for _, c := range uplink.Preferred(f.store.Identity().AgentID, list) {
		f.servers = append(f.servers, byAddr[c.Addr])
	}
	return f
}

// candidate returns what the agent knows of the collector at the address.
func (r *rig) candidate(addr string) uplink.Candidate {
	r.t.Helper()
	list := r.uplink.Stats().Candidates
	i := slices.IndexFunc(list, func(c uplink.Candidate) bool { return c.Address == addr })
	if i < 0 {
		r.t.Fatalf("%s is not among %+v", addr, list)
	}
	return list[i]
}

func (r *rig) connectedTo(s *agenttest.Server) func() bool {
	return func() bool { st := r.uplink.Stats(); return st.Connected && st.Server == s.Addr() }
}

// The collector that this agent likes best is in trouble from the start.
func TestFirstCollectorIsInTrouble(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		trouble func(t *testing.T, s *agenttest.Server)
		want    string // in the error that is kept
	}{
		{"nobody listens", func(_ *testing.T, s *agenttest.Server) { s.Stop() }, "connection refused"},
		{"black hole", func(t *testing.T, s *agenttest.Server) { s.Stop(); agenttest.BlackHole(t, s.Addr()) }, "took the connection and said nothing for"},
		{"reset", func(t *testing.T, s *agenttest.Server) { s.Stop(); agenttest.Resetter(t, s.Addr()) }, ""}, // the system words it as it likes
		{"no TLS", func(t *testing.T, s *agenttest.Server) { s.Stop(); agenttest.NoTLS(t, s.Addr()) }, "does not speak TLS"},
		{"another platform", func(t *testing.T, s *agenttest.Server) {
			s.Stop()
			agenttest.NewAt(t, agenttest.NewCA(t), s.Addr())
		}, "not issued by this platform's CA"},
		{"refuses for now", func(_ *testing.T, s *agenttest.Server) {
			s.Refuse(agenttest.Fault(codes.Unavailable, "registry_unavailable", "the registry cannot be read right now"))
		}, "the registry cannot be read right now"},
		{"no welcome", func(t *testing.T, s *agenttest.Server) {
			end := make(chan struct{})
			t.Cleanup(func() { close(end) })
			s.Behave(agenttest.Behaviour{OnHello: func(*ingestv1.Hello) error {
				<-end
				return status.Error(codes.Unavailable, "the test is over")
			}})
		}, "did not say welcome in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, 2, func(c *uplink.Config) {
				c.DialTimeout, c.WelcomeTimeout, c.AvoidBase = 500*time.Millisecond, 500*time.Millisecond, time.Hour
			})
			c.trouble(t, f.servers[0])
			f.batch(2)
			f.run()
			f.batch(2)
			f.delivered()
			bad := f.candidate(f.servers[0].Addr())
			if bad.Failures == 0 || !strings.Contains(bad.LastError, c.want) || time.Until(bad.AvoidedUntil) < 4*time.Minute {
				t.Errorf("kept of the bad one is %+v, want …%s…", bad, c.want)
			}
			if log := f.log.String(); !strings.Contains(log, "failed_before=") || !strings.Contains(log, c.want) {
				t.Error("the log does not say why the first was passed over")
			}
			if good := f.candidate(f.servers[1].Addr()); !good.Connected || !good.AvoidedUntil.IsZero() {
				t.Errorf("kept of the good one is %+v", good)
			}
		})
	}
}

// A collector dies under the stream: what was under way comes again at the next.
func TestCollectorDies(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, nil)
	f.servers[0].Behave(agenttest.Behaviour{OnBatch: func(*ingestv1.Batch) agenttest.Answer { return agenttest.Answer{Hold: true} }})
	f.run()
	f.eventually("connected to the first", f.connectedTo(f.servers[0]))
	for range 5 {
		f.batch(2)
	}
	f.eventually("under way", func() bool { return f.uplink.Stats().InFlight == 5 })
	f.servers[0].Stop()
	f.eventually("connected to the second", f.connectedTo(f.servers[1]))
	f.delivered()
	f.servers[1].Stop()
	f.batch(1)
	f.eventually("connected to the third", f.connectedTo(f.servers[2]))
	f.delivered()
	if st := f.uplink.Stats(); st.Failures != 2 {
		t.Errorf("%d failures; the collector that died first was tried though it is avoided", st.Failures)
	}
}

// A collector that dies while nothing is under way has failed: it did not ask the
// agent to go.
func TestIdleCollectorDies(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, nil)
	f.run()
	const deaths = 15
	for range deaths {
		f.batch(1)
		f.delivered()
		at := f.uplink.Stats().Server
		i := slices.IndexFunc(f.servers, func(s *agenttest.Server) bool { return s.Addr() == at })
		f.servers[i].Stop()
		f.eventually("connected to the other", f.connectedTo(f.servers[1-i]))
		f.servers[i].Start()
	}
	if n := f.uplink.Stats().Failures; n < deaths {
		t.Errorf("%d failures, %d collectors died", n, deaths)
	}
}

func TestAllDieAndComeBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, nil)
	f.run()
	f.batch(1)
	f.delivered()
	for round := range 3 {
		for _, s := range f.servers {
			s.Stop()
		}
		before := f.uplink.Stats().Failures
		f.batch(2)
		f.eventually("each was tried", func() bool { return f.uplink.Stats().Failures >= before+4 })
		f.servers[2-round].Start()
		f.delivered()
		f.eventually("connected", f.connectedTo(f.servers[2-round]))
	}
}

func TestLongList(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	var list []string
	for i := range collectors.MaxAddresses - 1 {
		list = append(list, fmt.Sprintf("127.0.0.1:%d", i%1000+1)) // nobody is there
	}
	r := enrolRig(t, s, t.TempDir(), func(c *uplink.Config) { c.Servers = append(list, s.Addr()) })
	r.run()
	r.batch(1)
	r.delivered()
	if st := r.uplink.Stats(); st.Server != s.Addr() || len(st.Candidates) != collectors.MaxAddresses {
		t.Errorf("%d candidates, connected to %s", len(st.Candidates), st.Server)
	}
}

// A collector that wants the agent to go is obeyed at once and is not held to
// have failed.
func TestCollectorDrains(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"shutting_down", "draining", "rebalance", "definitions_renew"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, 2, func(c *uplink.Config) { c.SteadyAfter, c.BackoffBase, c.BackoffMax = 0, time.Hour, time.Hour })
			f.run()
			f.batch(1)
			f.delivered()
			f.servers[0].Behave(agenttest.Behaviour{OnBatch: func(*ingestv1.Batch) agenttest.Answer { return agenttest.Answer{Hold: true} }})
			f.batch(1)
			f.eventually("under way", func() bool { return f.uplink.Stats().InFlight == 1 })
			f.servers[0].Leave(agenttest.Fault(codes.Unavailable, reason, "go to another collector"))
			f.eventually("connected to the other", f.connectedTo(f.servers[1]))
			f.delivered()
			if st := f.uplink.Stats(); st.Failures != 0 || !f.candidate(f.servers[0].Addr()).AvoidedUntil.IsZero() {
				t.Errorf("it counts as a failure: %+v", st)
			}
			// And back, though that was left before: it is the only other.
			f.servers[0].Behave(agenttest.Behaviour{})
			f.servers[1].Leave(agenttest.Fault(codes.Unavailable, reason, "go to another collector"))
			f.eventually("connected to the first again", f.connectedTo(f.servers[0]))
		})
	}
}

// What no other collector would answer differently is not asked of all in a row.
func TestIdentityIsRefusedByAll(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"identity_revoked", "identity_cloned"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, 4, func(c *uplink.Config) { c.RefusedRetry = time.Hour })
			for _, s := range f.servers {
				s.Refuse(agenttest.Denied(reason, "enrol it anew"))
			}
			f.run()
			f.batch(1)
			f.eventually("a second was heard", func() bool { return f.uplink.Stats().Failures == 2 })
			time.Sleep(200 * time.Millisecond)
			st := f.uplink.Stats()
			if st.Failures != 2 || st.Blocked != reason {
				t.Errorf("%d were asked, blocked is %q", st.Failures, st.Blocked)
			}
			if n := strings.Count(f.log.String(), "refuses this agent's identity"); n != 1 {
				t.Errorf("logged %d times", n)
			}
		})
	}
}

// One collector alone is wrong about the identity: the next is heard soon.
func TestIdentityIsRefusedByOne(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, func(c *uplink.Config) { c.RefusedRetry = time.Hour })
	f.servers[0].Refuse(agenttest.Denied("agent_unknown", "no such agent"))
	f.run()
	f.batch(1)
	f.delivered()
	if st := f.uplink.Stats(); st.Blocked != "" || st.Server != f.servers[1].Addr() {
		t.Errorf("stats %+v", st)
	}
}

// A stream that ends at once, again and again, does not make the agent storm.
func TestCollectorsThatTakeNothing(t *testing.T) {
	t.Parallel()
	var hellos atomic.Int64
	f := newFleet(t, 3, func(c *uplink.Config) { c.BackoffBase, c.BackoffMax = time.Hour, time.Hour })
	for _, s := range f.servers {
		s.Behave(agenttest.Behaviour{OnHello: func(*ingestv1.Hello) error { hellos.Add(1); return nil },
			OnBatch: func(*ingestv1.Batch) agenttest.Answer {
				return agenttest.Answer{End: status.Error(codes.Internal, "internal error")}
			}})
	}
	f.batch(1)
	f.run()
	f.eventually("each was tried", func() bool { return f.uplink.Stats().Failures == 3 })
	time.Sleep(200 * time.Millisecond)
	if n := hellos.Load(); n != 3 {
		t.Errorf("%d streams without a wait, there are 3 collectors", n)
	}
}

// The fail-over in the middle of a backlog: what is measured now still goes
// first, at the collector that the agent came to.
func TestLiveGoesFirstAfterFailover(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, nil)
	for range 200 {
		f.batch(1)
	}
	for _, s := range f.servers {
		s.Behave(agenttest.Behaviour{Window: 8, OnBatch: func(*ingestv1.Batch) agenttest.Answer {
			return agenttest.Answer{Delay: 10 * time.Millisecond}
		}})
	}
	f.run()
	f.eventually("some of the backlog is delivered", func() bool { return f.spool.Stats().Batches < 180 })
	f.servers[0].Stop()
	f.eventually("connected to the other", f.connectedTo(f.servers[1]))
	if left := f.spool.Stats().Batches; left < 120 {
		t.Fatalf("only %d of the backlog are left: the test shows nothing", left)
	}
	for range 10 {
		f.batch(1)
	}
	f.delivered()
	var there []agenttest.Arrival
	lastLive := -1
	for _, a := range f.server.Arrivals() {
		if a.Server != f.servers[1].Addr() {
			continue
		}
		if !a.Backlog {
			lastLive = len(there)
		}
		there = append(there, a)
	}
	if behind := len(there) - 1 - lastLive; lastLive < 0 || behind < 60 {
		t.Errorf("the last live batch came at place %d of %d: it waited for the backlog", lastLive, len(there))
	}
}
