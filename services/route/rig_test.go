package route_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// healthName is the name whose health the nodes report.
const healthName = "storage"

var quiet = slog.New(slog.DiscardHandler)

// doomed is a listener whose connections can be torn, as the system does when a
// process is killed.
type doomed struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (d *doomed) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err == nil {
		d.mu.Lock()
		d.conns = append(d.conns, c)
		d.mu.Unlock()
	}
	return c, err
}

func (d *doomed) kill() {
	_ = d.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}

// fakeNode is a storage node with real servers. What it answers names it.
type fakeNode struct {
	queryv1.UnimplementedQueryServiceServer
	livev1.UnimplementedLiveServiceServer
	ingestv1.UnimplementedIngestServiceServer

	address string // of gRPC, by which it is known
	web     string // of HTTP
	health  *health.Server
	fresh   *route.Freshness

	mu   sync.Mutex // guards head
	head []bus.Position

	// before is called with each request, its error is the answer.
	before atomic.Pointer[func(context.Context) error]
	asked  atomic.Int64
	drain  chan struct{} // closed to end the streams

	listeners []*doomed
	stop      func()
}

// startNode returns a running node; "" as its addresses takes free ones.
func startNode(t testing.TB, address, web string) *fakeNode {
	t.Helper()
	n := &fakeNode{health: health.NewServer(), head: []bus.Position{{LogID: "L", Partition: 0, Offset: 1}}, drain: make(chan struct{})}
	var err error
	n.fresh, err = route.NewFreshness(route.FreshnessConfig{Wait: 15 * time.Millisecond}, route.FreshnessDeps{Positions: n.positions}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	n.setServing(true)
	g := grpc.NewServer(grpc.ChainUnaryInterceptor(fault.UnaryServerInterceptor(quiet)), grpc.ChainStreamInterceptor(fault.StreamServerInterceptor(quiet)))
	queryv1.RegisterQueryServiceServer(n.fresh.Registrar(g), n)
	livev1.RegisterLiveServiceServer(n.fresh.Registrar(g), n)
	ingestv1.RegisterIngestServiceServer(g, n)
	healthv1.RegisterHealthServer(g, n.health)
	mux := http.NewServeMux()
	mux.Handle(route.PrometheusPath+"/", n.fresh.Middleware(http.HandlerFunc(n.serveProm)))
	w := &http.Server{Handler: mux}
	lg, lw := n.listen(t, address), n.listen(t, web)
	n.address, n.web = lg.Addr().String(), lw.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.Serve(lg) })
	wg.Go(func() { _ = w.Serve(lw) })
	n.stop = sync.OnceFunc(func() {
		g.Stop()
		_ = w.Close()
		wg.Wait()
	})
	t.Cleanup(n.stop)
	return n
}

func (n *fakeNode) listen(t testing.TB, address string) *doomed {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	d := &doomed{Listener: l}
	n.listeners = append(n.listeners, d)
	return d
}

// kill ends the node as kill -9 does.
func (n *fakeNode) kill() {
	for _, l := range n.listeners {
		l.kill()
	}
	n.stop()
}

func (n *fakeNode) setServing(yes bool) {
	st := healthv1.HealthCheckResponse_NOT_SERVING
	if yes {
		st = healthv1.HealthCheckResponse_SERVING
	}
	n.health.SetServingStatus(healthName, st)
}

func (n *fakeNode) positions() []bus.Position {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]bus.Position(nil), n.head...)
}

func (n *fakeNode) setHead(head ...bus.Position) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.head = head
}

func (n *fakeNode) setBefore(f func(context.Context) error) { n.before.Store(&f) }

// view is what a query pins: how far partition 0 was read.
func (n *fakeNode) view(ctx context.Context) (string, error) {
	n.asked.Add(1)
	if f := n.before.Load(); f != nil {
		if err := (*f)(ctx); err != nil {
			return "", err
		}
	}
	return strconv.FormatInt(n.positions()[0].Offset, 10), nil
}

func (n *fakeNode) Query(ctx context.Context, _ *queryv1.QueryRequest) (*queryv1.QueryResponse, error) {
	seen, err := n.view(ctx)
	return &queryv1.QueryResponse{ResultType: seen, Text: n.address}, err
}

func (n *fakeNode) Watch(_ *livev1.WatchRequest, s grpc.ServerStreamingServer[livev1.WatchResponse]) error {
	n.asked.Add(1)
	if err := s.Send(&livev1.WatchResponse{Error: n.address}); err != nil {
		return err
	}
	select {
	case <-s.Context().Done():
		return s.Context().Err()
	case <-n.drain:
		return fault.New(fault.Unavailable, "node_stopping", "this node is stopping")
	}
}

func (n *fakeNode) Push(ctx context.Context, _ *ingestv1.PushRequest) (*ingestv1.PushResponse, error) {
	_, err := n.view(ctx)
	return &ingestv1.PushResponse{}, err
}

// serveProm answers with what the node got to see.
func (n *fakeNode) serveProm(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // first: only then is it noticed that a caller goes
	seen, err := n.view(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"status":"success","data":{"node":%q,"seen":%q,"method":%q,"path":%q,"query":%q,"body":%q,"headers":%q}}`,
		n.address, seen, r.Method, r.URL.EscapedPath(), r.URL.RawQuery, body, fmt.Sprint(r.Header))
}

// rig is a way to storage over fake nodes.
type rig struct {
	*route.Storage
	reg   *prometheus.Registry
	nodes []*fakeNode
	clock *clock
	web   map[string]string // by address
}

// clock is set by hand.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1_800_000_000, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// newRig starts n nodes and waits until all are known to be well.
func newRig(t testing.TB, n int, change func(*route.Config, *route.Deps)) *rig {
	t.Helper()
	r := &rig{reg: prometheus.NewRegistry(), clock: &clock{}, web: map[string]string{}}
	cfg := route.DefaultConfig()
	cfg.LookupInterval = 100 * time.Millisecond
	deps := route.Deps{Credentials: insecure.NewCredentials(), Health: healthName, Now: r.clock.now}
	for range n {
		node := startNode(t, "", "")
		r.nodes = append(r.nodes, node)
		r.web[node.address] = node.web
		deps.Addresses = append(deps.Addresses, node.address)
	}
	transport := &http.Transport{DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, r.web[address])
	}}
	t.Cleanup(transport.CloseIdleConnections)
	deps.HTTP = transport
	if change != nil {
		change(&cfg, &deps)
	}
	var err error
	if r.Storage, err = route.NewStorage(cfg, deps, quiet, r.reg); err != nil {
		t.Fatal(err)
	}
	runStorage(t, r.Storage)
	r.wait(t, "all nodes are well", func() bool { return r.count(route.Serving) == n })
	return r
}

func runStorage(t testing.TB, s *route.Storage) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func (r *rig) count(state route.State) (n int) {
	for _, x := range r.Nodes() {
		if x.State == state {
			n++
		}
	}
	return n
}

func (*rig) wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30s: %s", what)
		}
	}
}

func (r *rig) waitState(t testing.TB, n *fakeNode, state route.State) {
	t.Helper()
	r.wait(t, n.address+" is "+string(state), func() bool {
		for _, x := range r.Nodes() {
			if x.Address == n.address {
				return x.State == state
			}
		}
		return false
	})
}

func (r *rig) byAddress(address string) *fakeNode {
	for _, n := range r.nodes {
		if n.address == address {
			return n
		}
	}
	return nil
}

// query asks over gRPC.
func (r *rig) query(ctx context.Context) (*queryv1.QueryResponse, error) {
	return queryv1.NewQueryServiceClient(r.Storage).Query(ctx, &queryv1.QueryRequest{Query: "x"})
}

// nodeOf returns the node that the session is on, by asking.
func (r *rig) nodeOf(t testing.TB, session string) *fakeNode {
	t.Helper()
	res, err := r.query(in(t, session))
	if err != nil {
		t.Fatalf("session %s: %v", session, err)
	}
	return r.byAddress(res.GetText())
}

// in returns the test's context in a session.
func in(t testing.TB, session string) context.Context {
	t.Helper()
	return route.WithSession(t.Context(), session)
}

// position is one in the log that all nodes read.
func position(partition int, offset int64) bus.Position {
	return bus.Position{LogID: "L", Partition: partition, Offset: offset}
}
