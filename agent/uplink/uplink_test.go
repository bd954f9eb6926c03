package uplink_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/uplink"
)

func TestDelivers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.server.Behave(agenttest.Behaviour{SkewMS: 1234})
	r.run()
	for range 20 {
		r.batch(3)
	}
	r.delivered()
	st := r.uplink.Stats()
	if !st.Connected || st.LastAck.IsZero() || st.SkewMS != 1234 || st.Connects != 1 || st.SentLive+st.SentBacklog != 20 || st.InFlight != 0 {
		t.Errorf("stats %+v", st)
	}
	h := r.server.Hellos()[0]
	if h.GetSpoolId() != r.spool.ID() || h.GetAgentVersion() != "test" || h.GetHost().GetHostName() != "h" || h.GetConnectCounter() != 0 {
		t.Errorf("hello %v", h)
	}
	r.stop()
	if r.store.Counter() != 1 {
		t.Errorf("the connect counter is %d, want 1", r.store.Counter())
	}
}

// Streams that break at random, acknowledgements that come late, out of order or
// never, batches that are put off, a server that is restarted: all arrives, and
// nothing twice.
func TestLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *uplink.Config) { c.AckTimeout = 300 * time.Millisecond })
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(7, 7))
	r.server.Behave(agenttest.Behaviour{Window: 16, OnBatch: func(*ingestv1.Batch) agenttest.Answer {
		mu.Lock()
		defer mu.Unlock()
		switch n := random.IntN(100); {
		case n < 3:
			return agenttest.Answer{Drop: true}
		case n < 6:
			return agenttest.Answer{Lose: true}
		case n < 30:
			return agenttest.Answer{Delay: time.Duration(random.IntN(30)) * time.Millisecond}
		case n < 36:
			return agenttest.Answer{Refusal: &ingestv1.Refusal{Reason: "busy", Retryable: true, RetryAfterMs: 1}}
		}
		return agenttest.Accept
	}})
	r.run()
	for i := range 300 {
		r.batch(2)
		if i%100 == 50 {
			r.server.Stop()
			r.server.Start()
		}
	}
	r.eventually("all but a few acknowledged", func() bool { return r.spool.Stats().Batches < 20 })
	r.server.Behave(agenttest.Behaviour{})
	r.delivered()
	if st := r.uplink.Stats(); st.Failures < 3 || st.PutOff == 0 {
		t.Errorf("the test broke too little: %+v", st)
	}
}

func TestRestartOfTheAgent(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var arrived atomic.Int64
	r.server.Behave(agenttest.Behaviour{OnBatch: func(*ingestv1.Batch) agenttest.Answer {
		arrived.Add(1)
		return agenttest.Answer{Hold: true}
	}})
	r.run()
	for range 10 {
		r.batch(2)
	}
	// Arrived, not only sent: none may meet the server's later behaviour.
	r.eventually("held by the server", func() bool { return arrived.Load() == 10 })
	cut := r.spool.Close // as if killed: the uplink loses its spool, nothing is acknowledged
	if err := cut(); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.server.Behave(agenttest.Behaviour{})
	again := openRig(t, r.server, r.dir, nil)
	again.put = r.put
	again.run()
	again.delivered()
	for _, a := range r.server.Arrivals() {
		if !a.Backlog {
			t.Errorf("batch %d waited for a connection and is not marked so", a.Sequence)
		}
	}
}

func TestWindowIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var under, most atomic.Int64
	r.server.Behave(agenttest.Behaviour{Window: 8, OnBatch: func(*ingestv1.Batch) agenttest.Answer {
		if n := under.Add(1); n > most.Load() {
			most.Store(n)
		}
		return agenttest.Answer{Hold: true}
	}})
	for range 30 {
		r.batch(1)
	}
	r.run()
	r.eventually("the backlog's window is full", func() bool { return under.Load() == 2 })
	for range 30 {
		r.batch(1)
	}
	r.eventually("both windows are full", func() bool { return under.Load() == 8 })
	time.Sleep(50 * time.Millisecond)
	if most.Load() > 8 {
		t.Errorf("%d batches were under way, the window is 8", most.Load())
	}
}

func TestLiveGoesFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for range 150 {
		r.batch(1)
	}
	r.server.Behave(agenttest.Behaviour{Window: 8, OnBatch: func(*ingestv1.Batch) agenttest.Answer {
		return agenttest.Answer{Delay: 10 * time.Millisecond}
	}})
	r.run()
	r.eventually("connected", func() bool { return r.uplink.Stats().Connected })
	for range 10 {
		r.batch(1)
	}
	r.delivered()
	lastLive, backlogAfter := 0, 0
	arrivals := r.server.Arrivals()
	for i, a := range arrivals {
		if !a.Backlog {
			lastLive = i
		}
	}
	for _, a := range arrivals[lastLive:] {
		if a.Backlog {
			backlogAfter++
		}
	}
	if backlogAfter < 80 {
		t.Errorf("the last live batch came at place %d of %d: it waited for the backlog", lastLive, len(arrivals))
	}
	if st := r.uplink.Stats(); st.SentBacklog != 150 || st.SentLive != 10 {
		t.Errorf("stats %+v", st)
	}
}

func TestPutOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var mu sync.Mutex
	var first time.Time
	var again time.Duration
	r.server.Behave(agenttest.Behaviour{OnBatch: func(b *ingestv1.Batch) agenttest.Answer {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case b.GetSequence() != 1:
		case first.IsZero():
			first = time.Now()
			return agenttest.Answer{Refusal: &ingestv1.Refusal{Reason: "rate_quota", Message: "too fast", Retryable: true, RetryAfterMs: 400}}
		default:
			again = time.Since(first)
		}
		return agenttest.Accept
	}})
	r.run()
	for range 5 {
		r.batch(1)
	}
	r.eventually("the others went on", func() bool { return r.spool.Stats().Batches == 1 })
	r.delivered()
	mu.Lock()
	defer mu.Unlock()
	if again < 400*time.Millisecond || again > 5*time.Second {
		t.Errorf("it came again after %s, the server said 400ms", again)
	}
}

func TestRefusalIsLoggedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.server.Behave(agenttest.Behaviour{OnBatch: func(b *ingestv1.Batch) agenttest.Answer {
		reason := []string{"label_name_invalid", "timestamp_in_future"}[b.GetSequence()%2]
		return agenttest.Answer{Refusal: &ingestv1.Refusal{Reason: reason, Message: "the label is wrong: mend it"}}
	}})
	r.run()
	for range 10 {
		r.batch(1)
	}
	r.delivered()
	if st := r.uplink.Stats(); st.Refusals["label_name_invalid"] != 5 || st.Refusals["timestamp_in_future"] != 5 {
		t.Errorf("refusals %v", st.Refusals)
	}
	if n := strings.Count(r.log.String(), "mend it"); n != 2 {
		t.Errorf("%d lines about refusals, want one a reason", n)
	}
}

// What a server says about batches it never got must not empty the spool.
func TestOverclaimingAck(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var n atomic.Int64
	r.server.Behave(agenttest.Behaviour{Window: 4, OnBatch: func(*ingestv1.Batch) agenttest.Answer {
		return agenttest.Answer{Overclaim: n.Add(1) == 1, Hold: n.Load() > 1}
	}})
	for range 10 {
		r.batch(1)
	}
	r.run()
	r.eventually("the window is full again", func() bool { return n.Load() >= 2 })
	if left := r.spool.Stats().Batches; left < 8 {
		t.Errorf("%d batches are left; no more than those sent may go", left)
	}
}

func TestLargeBatchIsSplit(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.server.Behave(agenttest.Behaviour{MaxBatchBytes: 2000, OnBatch: func(b *ingestv1.Batch) agenttest.Answer {
		if n := b.SizeVT(); n > 2000 {
			t.Errorf("batch %d has %d bytes", b.GetSequence(), n)
		}
		return agenttest.Accept
	}})
	r.batch(300)
	r.run()
	r.batch(300)
	r.delivered()
}

func TestStalledServer(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *uplink.Config) { c.AckTimeout = 200 * time.Millisecond })
	r.server.Behave(agenttest.Behaviour{OnBatch: func(*ingestv1.Batch) agenttest.Answer { return agenttest.Answer{Hold: true} }})
	r.run()
	r.batch(1)
	r.eventually("the stream was given up", func() bool { return len(r.server.Hellos()) > 1 })
	r.server.Behave(agenttest.Behaviour{})
	r.delivered()
	if !strings.Contains(r.log.String(), "stopped acknowledging") {
		t.Error("the log does not say why")
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.server.Behave(agenttest.Behaviour{OnBatch: func(*ingestv1.Batch) agenttest.Answer { return agenttest.Answer{Delay: 200 * time.Millisecond} }})
	r.run()
	r.eventually("connected", func() bool { return r.uplink.Stats().Connected })
	r.batch(1)
	r.batch(1)
	r.stop() // at once: both are unacknowledged
	if st := r.spool.Stats(); st.Batches != 0 {
		t.Errorf("%d batches were not waited for", st.Batches)
	}
	r.delivered()
}

func TestDrainEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *uplink.Config) { c.DrainTimeout = 100 * time.Millisecond })
	r.server.Behave(agenttest.Behaviour{OnBatch: func(*ingestv1.Batch) agenttest.Answer { return agenttest.Answer{Hold: true} }})
	r.run()
	r.batch(1)
	r.eventually("sent", func() bool { return r.uplink.Stats().InFlight == 1 })
	before := time.Now()
	r.stop()
	if d := time.Since(before); d > 5*time.Second {
		t.Errorf("the stop took %s", d)
	}
	if r.spool.Stats().Batches != 1 {
		t.Error("a batch that was not acknowledged left the spool")
	}
}

func TestStopWithoutServer(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.server.Stop()
	r.run()
	r.batch(1)
	r.eventually("failed", func() bool { return r.uplink.Stats().Failures > 2 })
	r.stop()
	if n := strings.Count(r.log.String(), "no connection to the server"); n == 0 || n > 2 {
		t.Errorf("the failure was logged %d times", n)
	}
}

func TestHelloIsRefusedForNow(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.server.Behave(agenttest.Behaviour{OnHello: func(*ingestv1.Hello) error {
		return status.Error(codes.Unavailable, "the registry cannot be read right now")
	}})
	r.run()
	r.batch(1)
	r.eventually("tried", func() bool { return r.uplink.Stats().Failures > 1 })
	if st := r.uplink.Stats(); st.Blocked != "" || !strings.Contains(st.LastError, "registry cannot be read") {
		t.Errorf("stats %+v", st)
	}
	r.server.Behave(agenttest.Behaviour{})
	r.delivered()
}
