package collector_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

// port is the agents' port on a real socket.
type port struct {
	*rig
	address string
	stop    context.CancelFunc
	done    chan error // gets what Run returned
}

func newPort(t *testing.T, change func(*collector.Config), set func(*collector.ServerConfig)) *port {
	t.Helper()
	r := newRig(t, change)
	cfg := collector.DefaultServerConfig()
	if set != nil {
		set(&cfg)
	}
	around := collector.Interceptors{
		Unary:  []grpc.UnaryServerInterceptor{fault.UnaryServerInterceptor(discard())},
		Stream: []grpc.StreamServerInterceptor{fault.StreamServerInterceptor(discard())},
	}
	s, err := collector.NewServer(cfg, r.c, insecure.NewCredentials(), around, discard(), r.reg)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &port{rig: r, address: lis.Addr().String(), stop: stop, done: make(chan error, 1)}
	go func() { p.done <- s.Run(ctx, lis) }()
	t.Cleanup(func() {
		stop()
		r.log.letAllGo()
		if err := <-p.done; err != nil {
			t.Errorf("Run of the port returned %v", err)
		}
	})
	return p
}

// dial returns a client with a connection of its own.
func (p *port) dial() *grpc.ClientConn {
	p.Helper()
	conn, err := grpc.NewClient(p.address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.UseCompressor(zstdgrpc.Name)))
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = conn.Close() })
	return conn
}

type wire = grpc.BidiStreamingClient[ingestv1.StreamRequest, ingestv1.StreamResponse]

// call opens a stream of the agent on the connection.
func (p *port) call(conn *grpc.ClientConn, agent string) wire {
	p.Helper()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), "agent", agent), 30*time.Second)
	p.Cleanup(cancel)
	s, err := ingestv1.NewIngestServiceClient(conn).Stream(ctx)
	if err != nil {
		p.Fatal(err)
	}
	return s
}

// greet says hello and takes the welcome.
func (p *port) greet(s wire) {
	p.Helper()
	p.write(s, &ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: &ingestv1.Hello{}}})
	m, err := s.Recv()
	if err != nil || m.GetWelcome().GetConnectCounter() != 7 {
		p.Fatalf("welcome %v, %v", m, err)
	}
}

func (p *port) write(s wire, m *ingestv1.StreamRequest) {
	p.Helper()
	if err := s.Send(m); err != nil && !errors.Is(err, io.EOF) { // EOF: Recv has the reason
		p.Fatal(err)
	}
}

func (p *port) batch(s wire, b *ingestv1.Batch) {
	p.Helper()
	p.write(s, &ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Batch{Batch: b}})
}

// drain reads until the stream ends and returns what was acknowledged, and why it
// ended.
func drain(s wire) ([]uint64, *fault.Error) {
	var acked []uint64
	for {
		m, err := s.Recv()
		if err != nil {
			return acked, fault.FromGRPC(err)
		}
		for _, r := range m.GetAck().GetRanges() {
			for n := r.GetFirst(); n <= r.GetLast(); n++ {
				acked = append(acked, n)
			}
		}
	}
}

func TestABatchOverTheWire(t *testing.T) {
	t.Parallel()
	p := newPort(t, nil, nil)
	s := p.call(p.dial(), "a")
	p.greet(s)
	for n := uint64(1); n <= 20; n++ {
		p.batch(s, batch(n, first, frame(1, 1, float64(n))))
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	acked, end := drain(s)
	slices.Sort(acked)
	if len(acked) != 20 || acked[19] != 20 || !errors.Is(end.Err, io.EOF) {
		t.Errorf("acknowledged %v, then %v", acked, end)
	}
	rows := p.log.rows()
	if len(rows) != 20 || rows[19].values[0] != 20 {
		t.Errorf("%d frames were stored, want 20", len(rows))
	}
}

func TestPushOverTheWire(t *testing.T) {
	t.Parallel()
	p := newPort(t, nil, nil)
	client := ingestv1.NewIngestServiceClient(p.dial())
	resp, err := client.Push(t.Context(), &ingestv1.PushRequest{Points: []*ingestv1.Point{point("x", 1)}})
	if err != nil || resp.GetAccepted() != 1 || len(p.log.rows()) != 1 {
		t.Errorf("answer %v, %v", resp, err)
	}
	_, err = client.Push(t.Context(), &ingestv1.PushRequest{Points: make([]*ingestv1.Point, 10_001)})
	if f := fault.FromGRPC(err); f.Reason != "too_many_points" || status.Code(err) != codes.InvalidArgument {
		t.Errorf("too many: %v", err)
	}
}

func TestReasonsReachTheAgent(t *testing.T) {
	t.Parallel()
	p := newPort(t, nil, nil)
	s := p.call(p.dial(), "a")
	p.batch(s, batch(1))
	if _, end := drain(s); end.Reason != "hello_missing" || status.Code(end.Err) != codes.InvalidArgument {
		t.Errorf("no hello: %v", end)
	}
	s = p.call(p.dial(), "a")
	p.greet(s)
	p.session("a").supersede(fault.New(fault.Conflict, "superseded", "a newer stream"))
	if _, end := drain(s); end.Reason != "superseded" || end.Message != "a newer stream" {
		t.Errorf("superseded: %v", end)
	}
}

// The port stops when what was received is durable and answered.
func TestThePortDrains(t *testing.T) {
	t.Parallel()
	p := newPort(t, nil, nil)
	p.log.hold()
	s := p.call(p.dial(), "a")
	p.greet(s)
	p.batch(s, batch(1, first, frame(1, 1, 1)))
	waitFor(t, "the record to be under way", func() bool { return len(p.log.records()) == 1 })
	p.stop()
	p.log.letAllGo()
	acked, end := drain(s)
	if !slices.Equal(acked, []uint64{1}) || end.Reason != "shutting_down" {
		t.Errorf("acknowledged %v, then %v, want batch 1 and the shutdown", acked, end)
	}
	if err := <-p.done; err != nil {
		t.Error(err)
	}
	p.done <- nil
	if _, err := net.DialTimeout("tcp", p.address, time.Second); err == nil {
		t.Error("the port is still open")
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	p := newPort(t, nil, func(c *collector.ServerConfig) { c.MaxConnections = 2 })
	one, two := p.dial(), p.dial()
	p.greet(p.call(one, "a"))
	p.greet(p.call(two, "b"))
	raw, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	if err := raw.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := raw.Read(make([]byte, 1)); n != 0 || errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		t.Errorf("a third connection got %d bytes, %v, want it closed", n, err)
	}
	if got := p.value("connections_refused_total"); got != 1 || p.value("connections") != 2 {
		t.Errorf("%v refused, %v open, want 1 and 2", got, p.value("connections"))
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a place to become free", func() bool { return p.value("connections") == 1 })
	three := p.dial()
	p.greet(p.call(three, "c"))
	if three.GetState() != connectivity.Ready {
		t.Errorf("state %v", three.GetState())
	}
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// waitFor is for what happens on the far side of a socket and gives no sign here.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestAPortThatCannotServe(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	s, err := collector.NewServer(collector.DefaultServerConfig(), r.c, insecure.NewCredentials(), collector.Interceptors{}, discard(), r.reg)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = lis.Close()
	if err := s.Run(t.Context(), lis); err == nil || !strings.Contains(err.Error(), lis.Addr().String()) {
		t.Errorf("got %v", err)
	}
}
