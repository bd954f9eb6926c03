package collector_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc/metadata"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

func TestMain(m *testing.M) {
	zstdgrpc.Register() // its channels must not belong to the bubble of one test
	goleak.VerifyTestMain(m)
}

// bubble runs a test in a time of its own. It fails if a goroutine is left.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// rig is a collector on a fake log, with agents that are connected by hand.
type rig struct {
	testing.TB
	c        *collector.Collector
	log      *fakeLog
	reg      *prometheus.Registry
	source   string                  // of pushes
	sessions map[string]*fakeSession // by agent; made before the agent connects
	refuse   error                   // what Connect answers
	hello    *ingestv1.Hello         // what Connect got last
	stop     context.CancelFunc
	done     chan error // gets what Run returned
}

func newRig(t testing.TB, change func(*collector.Config)) *rig {
	t.Helper()
	return newRigOn(t, newFakeLog(t), change)
}

func newRigOn(t testing.TB, log *fakeLog, change func(*collector.Config)) *rig {
	t.Helper()
	cfg := collector.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	r := &rig{TB: t, log: log, reg: prometheus.NewRegistry(), source: "shop", sessions: map[string]*fakeSession{}, done: make(chan error, 1)}
	deps := collector.Deps{Log: r.log, Connect: r.connectSession, Agent: agentOf, Source: func(context.Context) string { return r.source }}
	var err error
	if r.c, err = collector.New(cfg, deps, discard(), r.reg); err != nil {
		t.Fatal(err)
	}
	r.wantNoNewReasons()
	r.run()
	return r
}

// wantNoNewReasons fails the test if at its end a reason is counted that was not
// shown at zero before: an alert on the increase of a counter would have missed it.
func (r *rig) wantNoNewReasons() {
	shown := r.reasons()
	r.Cleanup(func() {
		for name := range r.reasons() {
			if !shown[name] {
				r.Errorf("%s was not there at zero when the collector began", name)
			}
		}
	})
}

// reasons returns the label values of what is refused, put off and published.
func (r *rig) reasons() map[string]bool {
	families, err := r.reg.Gather()
	if err != nil {
		r.Fatal(err)
	}
	out := map[string]bool{}
	for _, f := range families {
		switch f.GetName() {
		case "esmon_collector_refused_frames_total", "esmon_collector_refused_points_total", "esmon_collector_put_off_batches_total", "esmon_collector_records_total":
			for _, m := range f.GetMetric() {
				out[f.GetName()+" "+m.GetLabel()[0].GetValue()] = true
			}
		}
	}
	return out
}

func (r *rig) run() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.done <- r.c.Run(ctx) }()
	r.Cleanup(func() {
		stop()
		r.log.letAllGo()
		if err := <-r.done; err != nil {
			r.Errorf("Run returned %v", err)
		}
	})
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// agentOf reads who calls from a header instead of a certificate.
func agentOf(ctx context.Context) (string, bool) {
	md, _ := metadata.FromIncomingContext(ctx)
	if ids := md.Get("agent"); len(ids) == 1 {
		return ids[0], true
	}
	return "", false
}

func (r *rig) connectSession(_ context.Context, agent string, hello *ingestv1.Hello) (collector.Session, error) {
	r.hello = hello
	if r.refuse != nil {
		return nil, r.refuse
	}
	return r.session(agent), nil
}

// session returns the session that the agent has or will have.
func (r *rig) session(agent string) *fakeSession {
	s := r.sessions[agent]
	if s == nil {
		s = newFakeSession(agent)
		r.sessions[agent] = s
	}
	return s
}

// value returns the sum of a metric of the collector over all its label values,
// or of those with the one given.
func (r *rig) value(name string, label ...string) float64 {
	r.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "esmon_collector_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(label) == 0 || len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() == label[0] {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// agent is an agent at the other end of a stream without a network.
type agent struct {
	*rig
	id   string
	pipe *pipe
	mu   sync.Mutex      // guards acks
	acks []*ingestv1.Ack // in the order they came
	end  chan struct{}   // closed when the stream has ended
	err  error           // then, what the call returned
}

// open calls Stream for the agent, who has sent nothing yet.
func (r *rig) open(id string) *agent {
	r.Helper()
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("agent", id))
	a := &agent{rig: r, id: id, pipe: newPipe(ctx), end: make(chan struct{})}
	go func() {
		a.err = r.c.Stream(a.pipe)
		a.pipe.cancel() // as gRPC does
		close(a.end)
	}()
	r.Cleanup(func() {
		a.pipe.cancel()
		<-a.end
	})
	return a
}

// connect opens a stream and says hello; the agent reads what it is sent.
func (r *rig) connect(id string) *agent {
	r.Helper()
	a := r.connectDeaf(id)
	go func() {
		for {
			select {
			case m := <-a.pipe.out:
				a.mu.Lock()
				a.acks = append(a.acks, m.GetAck())
				a.mu.Unlock()
			case <-a.pipe.ctx.Done():
				return
			}
		}
	}()
	return a
}

// connectDeaf is connect for an agent that reads nothing behind the welcome.
func (r *rig) connectDeaf(id string) *agent {
	r.Helper()
	a := r.open(id)
	a.write(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: &ingestv1.Hello{AgentVersion: "1.2.3", ConnectCounter: 6}}})
	select {
	case m := <-a.pipe.out:
		if w := m.GetWelcome(); w.GetConnectCounter() != 7 || w.GetWindow() == 0 || w.GetMaxBatchBytes() == 0 || w.GetClockMs() != time.Now().UnixMilli() {
			r.Fatalf("welcome %v", m)
		}
	case <-a.end:
		r.Fatalf("the stream of %s ended: %v", id, a.err)
	}
	return a
}

func (a *agent) write(m *ingestv1.StreamRequest) {
	select {
	case a.pipe.in <- m:
	case <-a.pipe.ctx.Done():
	}
}

// send sends a batch and returns when it was received.
func (a *agent) send(b *ingestv1.Batch) {
	a.write(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Batch{Batch: b}})
}

// settle waits until nothing more happens without time passing, after giving the
// collector the time for a commit.
func settle() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

// answers returns the messages that came behind the welcome.
func (a *agent) answers() []*ingestv1.Ack {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.acks)
}

// forget makes answers begin anew.
func (a *agent) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.acks = nil
}

// acked returns the numbers that were acknowledged, in their order.
func (a *agent) acked() []uint64 {
	var out []uint64
	for _, ack := range a.answers() {
		for _, r := range ack.GetRanges() {
			for n := r.GetFirst(); n <= r.GetLast(); n++ {
				out = append(out, n)
			}
		}
	}
	return out
}

func (a *agent) refusals() []*ingestv1.Refusal {
	var out []*ingestv1.Refusal
	for _, ack := range a.answers() {
		out = append(out, ack.GetRefusals()...)
	}
	return out
}

// wantEnd waits for the stream's end and checks its reason; "" is a good end.
func (a *agent) wantEnd(reason string) {
	a.Helper()
	<-a.end
	synctest.Wait()
	got := ""
	if a.err != nil {
		got = fault.ReasonOf(a.err)
	}
	if got != reason {
		a.Errorf("the stream of %s ended with %q (%v), want %q", a.id, got, a.err, reason)
	}
}

// closeSend tells the collector that the agent sends no more.
func (a *agent) closeSend() { close(a.pipe.in) }

var hostLabels = metric.NewLabels(metric.Label{Name: "host_name", Value: "web1"}, metric.Label{Name: "team", Value: "shop"})
