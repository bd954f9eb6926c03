package uplink_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/uplink"
)

// aged ends connections after about 200ms; what is open then may go on for the
// grace.
func aged(grace time.Duration) grpc.ServerOption {
	return grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 200 * time.Millisecond, MaxConnectionAgeGrace: grace})
}

// late answers each batch after a random time.
func late(most time.Duration) func(*ingestv1.Batch) agenttest.Answer {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	return func(*ingestv1.Batch) agenttest.Answer {
		mu.Lock()
		defer mu.Unlock()
		return agenttest.Answer{Delay: time.Duration(random.Int64N(int64(most)))}
	}
}

// Servers that end connections by age: the agent goes to the other each time, what
// is under way is answered first, and nothing counts as a failure.
func TestConnectionAge(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t, aged(time.Minute))
	f := fleetOf(t, []*agenttest.Server{s, s.Peer(aged(time.Minute))}, func(c *uplink.Config) { c.SteadyAfter = 0 })
	for _, s := range f.servers {
		s.Behave(agenttest.Behaviour{OnBatch: late(30 * time.Millisecond)})
	}
	f.run()
	f.eventually("six streams", func() bool { f.batch(1); return f.uplink.Stats().Connects >= 6 })
	f.delivered()
	if st := f.uplink.Stats(); st.Failures != 0 {
		t.Errorf("it counts as a failure: %+v", st)
	}
	at, seen := map[string]int{}, map[uint64]int{}
	for _, a := range f.server.Arrivals() {
		at[a.Server]++
		seen[a.Sequence]++
	}
	if at[f.servers[0].Addr()] == 0 || at[f.servers[1].Addr()] == 0 {
		t.Errorf("batches came to %v: the agent did not change", at)
	}
	for seq, n := range seen {
		if n > 1 {
			t.Errorf("batch %d came %d times: its answer was not waited for", seq, n)
		}
	}
}

// The same with one server, which is simply connected to anew.
func TestConnectionAgeOfOneServer(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t, aged(time.Minute))
	r := enrolRig(t, s, t.TempDir(), func(c *uplink.Config) { c.SteadyAfter, c.BackoffBase, c.BackoffMax = 0, time.Hour, time.Hour })
	r.run()
	r.eventually("four streams", func() bool { r.batch(1); return r.uplink.Stats().Connects >= 4 })
	r.delivered()
	if st := r.uplink.Stats(); st.Failures != 0 {
		t.Errorf("it counts as a failure: %+v", st)
	}
}

// A server that does not answer in time, and one whose grace is over: the batches
// come again on the next stream.
func TestConnectionAgeWithoutAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		grace, drain time.Duration
	}{
		{"the grace ends", 50 * time.Millisecond, time.Minute},
		{"the agent leaves", time.Minute, 50 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := agenttest.New(t, aged(c.grace))
			r := enrolRig(t, s, t.TempDir(), func(u *uplink.Config) { u.SteadyAfter, u.DrainTimeout = 0, c.drain })
			s.Behave(agenttest.Behaviour{OnBatch: func(b *ingestv1.Batch) agenttest.Answer {
				return agenttest.Answer{Hold: b.GetSequence() == 2 && len(s.Hellos()) < 3}
			}})
			r.run()
			for range 5 {
				r.batch(1)
			}
			r.delivered()
			if n := len(s.Hellos()); n < 3 {
				t.Errorf("%d streams; batch 2 was answered on the third", n)
			}
		})
	}
}
