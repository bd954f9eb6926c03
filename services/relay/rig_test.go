package relay_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
	"github.com/esolutions/esmon/services/relay"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

func TestMain(m *testing.M) {
	zstdgrpc.Register() // before the first call of any test
	goleak.VerifyTestMain(m)
}

// patience is how long something may take that is bound to come.
const patience = 30 * time.Second

const agentID = "aaaabbbbccccddddeeeeffffgg"

var quiet = slog.New(slog.DiscardHandler)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// centre is a collector's internal port: behind relay.Central stands what a test
// wants.
type centre struct {
	ingestv1.UnimplementedIngestServiceServer
	enrolv1.UnimplementedEnrolmentServiceServer

	stream func(ingestv1.IngestService_StreamServer) error
	enrol  func(context.Context, *enrolv1.EnrolRequest) (*enrolv1.EnrolResponse, error)
	renew  func(context.Context, *enrolv1.RenewRequest) (*enrolv1.RenewResponse, error)
	bare   bool // answers as a port does that does not take the relay's calls

	address string
	open    atomic.Int64 // streams
}

func (c *centre) Stream(ss ingestv1.IngestService_StreamServer) error {
	c.open.Add(1)
	defer c.open.Add(-1)
	return c.stream(ss)
}

func (c *centre) Enrol(ctx context.Context, req *enrolv1.EnrolRequest) (*enrolv1.EnrolResponse, error) {
	return c.enrol(relay.Forwarded(ctx), req)
}

func (c *centre) Renew(ctx context.Context, req *enrolv1.RenewRequest) (*enrolv1.RenewResponse, error) {
	return c.renew(relay.Forwarded(ctx), req)
}

func aRelay(context.Context) (cluster.Identity, bool) {
	return cluster.Identity{Name: "relay-1", Targets: []string{cluster.Relay}}, true
}

// start serves at the address, "" for a free one, until the test or stop ends it.
func (c *centre) start(t *testing.T) (stop func()) {
	t.Helper()
	if c.address == "" {
		c.address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", c.address)
	must(t, err)
	c.address = l.Addr().String()
	g := grpc.NewServer(
		grpc.MaxRecvMsgSize(32<<20),
		grpc.ChainUnaryInterceptor(fault.UnaryServerInterceptor(quiet)), grpc.ChainStreamInterceptor(fault.StreamServerInterceptor(quiet)))
	if c.bare {
		ingestv1.RegisterIngestServiceServer(g, c)
	} else {
		ingestv1.RegisterIngestServiceServer(g, &relay.Central{Collector: c, Node: aRelay})
	}
	enrolv1.RegisterEnrolmentServiceServer(g, c)
	served := make(chan struct{})
	go func() {
		_ = g.Serve(l)
		close(served)
	}()
	stop = func() {
		g.Stop()
		<-served
	}
	t.Cleanup(stop)
	return stop
}

// running is a relay that runs.
type running struct {
	*relay.Relay
	t         *testing.T
	authority *pki.Authority
	reg       *prometheus.Registry
	address   string
	stop      func() // as a service manager does; waits
}

func config() relay.Config {
	return relay.Config{Port: collector.DefaultServerConfig(), DrainTimeout: patience}
}

// start runs a relay before the collectors.
func start(t *testing.T, cfg relay.Config, collectors ...*centre) *running {
	t.Helper()
	r := &running{t: t, reg: prometheus.NewRegistry()}
	var err error
	r.authority, err = pki.Open(t.TempDir(), pki.DefaultConfig(), nil, quiet, prometheus.NewRegistry())
	must(t, err)
	list := manual.NewBuilderWithScheme("list")
	var state resolver.State
	for _, c := range collectors {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: c.address}}})
	}
	list.InitialState(state)
	conn, err := grpc.NewClient("list:///collectors", grpc.WithResolvers(list), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
	must(t, err)
	r.Relay, err = relay.New(cfg, relay.Deps{Uplink: conn, Certificate: r.authority.ServerCertificate, Roots: r.authority.Roots}, quiet, r.reg)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, l) }()
	stopped := false
	r.stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-done; err != nil {
				t.Error(err)
			}
			_ = conn.Close()
		}
	}
	t.Cleanup(r.stop)
	return r
}

// identity is an agent's certificate from the authority.
func identity(t *testing.T, a *pki.Authority, id string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(t, err)
	issued, err := a.IssueAgent(id, csr)
	must(t, err)
	leaf, err := x509.ParseCertificate(issued.Chain[0])
	must(t, err)
	return &tls.Certificate{Certificate: issued.Chain, PrivateKey: key, Leaf: leaf}
}

// agent connects as the agent with the certificate, or without one.
func (r *running) agent(cert *tls.Certificate) *grpc.ClientConn {
	r.t.Helper()
	o := mtls.Options{Roots: r.authority.Roots}
	if cert != nil {
		o.Certificate = func() (*tls.Certificate, error) { return cert, nil }
	}
	conn, err := grpc.NewClient(r.address, grpc.WithTransportCredentials(credentials.NewTLS(mtls.ClientConfig(o))))
	must(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// enrolled connects as an agent with a good certificate.
func (r *running) enrolled() *grpc.ClientConn { return r.agent(identity(r.t, r.authority, agentID)) }

// open opens a stream and says hello.
func open(ctx context.Context, t *testing.T, conn *grpc.ClientConn) ingestv1.IngestService_StreamClient {
	t.Helper()
	s, err := ingestv1.NewIngestServiceClient(conn).Stream(ctx, grpc.UseCompressor(zstdgrpc.Name))
	must(t, err)
	hello := &ingestv1.Hello{AgentVersion: "test", Host: &ingestv1.HostFacts{HostName: "web-1"}}
	if err := s.Send(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: hello}}); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return s
}

// welcomed opens a stream and waits for the welcome.
func welcomed(ctx context.Context, t *testing.T, conn *grpc.ClientConn) ingestv1.IngestService_StreamClient {
	t.Helper()
	s := open(ctx, t, conn)
	m, err := s.Recv()
	must(t, err)
	if m.GetWelcome().GetConnectCounter() != 7 {
		t.Fatalf("the welcome is %v", m)
	}
	return s
}

// welcome answers the hello, which it returns.
func welcome(ss ingestv1.IngestService_StreamServer) (*ingestv1.Hello, error) {
	m, err := ss.Recv()
	if err != nil {
		return nil, err
	}
	return m.GetHello(), ss.Send(&ingestv1.StreamResponse{Message: &ingestv1.StreamResponse_Welcome{Welcome: &ingestv1.Welcome{ConnectCounter: 7}}})
}

func batch(sequence uint64, size int) *ingestv1.StreamRequest {
	values := make([]float64, size/8)
	for i := range values {
		values[i] = float64(i) * 1.1
	}
	return &ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Batch{Batch: &ingestv1.Batch{Sequence: sequence, Frames: []*ingestv1.Frame{{TimestampMs: 1, Values: values}}}}}
}

func ack(from, to uint64) *ingestv1.StreamResponse {
	return &ingestv1.StreamResponse{Message: &ingestv1.StreamResponse_Ack{Ack: &ingestv1.Ack{Ranges: []*ingestv1.SequenceRange{{First: from, Last: to}}}}}
}

// wantStatus checks what an agent sees, the reason in the details included.
func wantStatus(t *testing.T, err error, code codes.Code, reason string) {
	t.Helper()
	s := status.Convert(err)
	got := ""
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			got = info.GetReason()
		}
	}
	if s.Code() != code || got != reason {
		t.Errorf("%v with reason %q, want %v with %q", err, got, code, reason)
	}
}

// metric returns the sum of a metric over its series whose label values contain want.
func (r *running) metric(name, want string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	must(r.t, err)
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			match := want == ""
			for _, l := range m.GetLabel() {
				match = match || l.GetValue() == want
			}
			if f.GetName() == "esmon_relay_"+name && match {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// eventually waits until f finds nothing wrong.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	wrong := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if wrong = f(); wrong == "" {
			return
		}
	}
	t.Fatal(wrong)
}
