package control_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

// port is the agents' port of a registry, on loopback.
type port struct {
	*rig
	clock   *clock
	address string
	refused chan refusal // handshakes, as they are logged: each is counted by then
}

type refusal struct{ reason, message string }

func newPort(t *testing.T) *port {
	t.Helper()
	c := newClock()
	p := &port{rig: newRig(t, c, nil), clock: c, refused: make(chan refusal, 10)}
	p.log = slog.New(refusals{p.refused})
	p.restart()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p.address = l.Addr().String()
	quiet := slog.New(slog.DiscardHandler)
	server := grpc.NewServer(
		grpc.Creds(p.ServerCredentials(p.authority, mtls.ChaCha20)),
		grpc.ChainUnaryInterceptor(fault.UnaryServerInterceptor(quiet), p.UnaryAgentAuth),
		grpc.ChainStreamInterceptor(fault.StreamServerInterceptor(quiet), p.StreamAgentAuth),
	)
	enrolv1.RegisterEnrolmentServiceServer(server, p.EnrolmentService())
	ingestv1.RegisterIngestServiceServer(server, &ingest{r: p.Registry})
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		must(t, <-done)
	})
	return p
}

// ingest opens a session for a stream and ends with it, as the collector does; a
// push returns who called.
type ingest struct {
	ingestv1.UnimplementedIngestServiceServer
	r *control.Registry
}

func (i *ingest) Push(ctx context.Context, _ *ingestv1.PushRequest) (*ingestv1.PushResponse, error) {
	id, _ := mtls.AgentFromContext(ctx)
	return &ingestv1.PushResponse{Refusals: []*ingestv1.PointRefusal{{Reason: id}}}, nil
}

func (i *ingest) Stream(stream grpc.BidiStreamingServer[ingestv1.StreamRequest, ingestv1.StreamResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	id, _ := mtls.AgentFromContext(stream.Context())
	s, err := i.r.Connect(stream.Context(), id, first.GetHello())
	if err != nil {
		return err
	}
	defer s.Close()
	err = stream.Send(&ingestv1.StreamResponse{Message: &ingestv1.StreamResponse_Welcome{Welcome: &ingestv1.Welcome{ConnectCounter: s.Counter()}}})
	if err != nil {
		return err
	}
	select {
	case <-s.Superseded():
		return s.Cause()
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
}

// refusals is a log handler that hands on refused handshakes.
type refusals struct{ to chan refusal }

func (h refusals) Enabled(context.Context, slog.Level) bool { return true }
func (h refusals) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h refusals) WithGroup(string) slog.Handler            { return h }

func (h refusals) Handle(_ context.Context, rec slog.Record) error {
	if rec.Message != "connection of an agent refused" {
		return nil
	}
	var r refusal
	rec.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "reason":
			r.reason = a.Value.String()
		case "message":
			r.message = a.Value.String()
		}
		return true
	})
	h.to <- r
	return nil
}

// identity is an agent's certificate from that authority.
func identity(t *testing.T, a *pki.Authority, id string) *tls.Certificate {
	t.Helper()
	k := newKey(t)
	issued, err := a.IssueAgent(id, k.csr(t))
	must(t, err)
	return &tls.Certificate{Certificate: issued.Chain, PrivateKey: k.PrivateKey}
}

// dial returns a connection that shows the certificate; none if it is nil. The
// agent's clock is its own: it does not refuse what the server shall.
func (p *port) dial(cert *tls.Certificate) *grpc.ClientConn {
	p.Helper()
	o := mtls.Options{Roots: p.authority.Roots, Now: newClock().Now}
	if cert != nil {
		o.Certificate = func() (*tls.Certificate, error) { return cert, nil }
	}
	return p.dialWith(mtls.ClientConfig(o))
}

func (p *port) dialWith(config *tls.Config) *grpc.ClientConn {
	p.Helper()
	conn, err := grpc.NewClient(p.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	must(p.T, err)
	p.Cleanup(func() { _ = conn.Close() })
	return conn
}

// push calls and returns as whom.
func (p *port) push(conn *grpc.ClientConn) (string, error) {
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	defer cancel()
	res, err := ingestv1.NewIngestServiceClient(conn).Push(ctx, &ingestv1.PushRequest{})
	if err != nil {
		return "", fault.FromGRPC(err)
	}
	return res.GetRefusals()[0].GetReason(), nil
}

// stream opens a stream and says hello.
func (p *port) stream(conn *grpc.ClientConn, counter uint64) ingestv1.IngestService_StreamClient {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	p.Cleanup(cancel)
	s, err := ingestv1.NewIngestServiceClient(conn).Stream(ctx)
	must(p.T, err)
	_ = s.Send(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: hello(counter)}}) // the reason comes with Recv
	return s
}

// handshake makes one handshake over a pipe; the server must refuse it.
func handshake(t *testing.T, creds credentials.TransportCredentials, client *tls.Config) {
	t.Helper()
	there, here := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn := tls.Client(here, client)
		_ = conn.Handshake()              // passes: in TLS 1.3 the client is done first
		_, _ = conn.Read(make([]byte, 1)) // gets the alert
		_ = here.Close()
	}()
	if _, _, err := creds.ServerHandshake(there); err == nil {
		t.Error("the handshake was accepted")
	}
	_ = there.Close()
	<-done
}
