package agenttest

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

// Behaviour is how the server answers. All of it may be left zero: then it is a
// good one.
type Behaviour struct {
	// Window and MaxBatchBytes are what the welcome says; 64 and 1 MiB if 0.
	Window, MaxBatchBytes uint32
	// OnHello may refuse a stream.
	OnHello func(h *ingestv1.Hello) error
	// OnBatch decides what becomes of a batch. Nil answers with Accept.
	OnBatch func(b *ingestv1.Batch) Answer
	// CertificateLife is how long issued certificates live; one hour if 0.
	CertificateLife time.Duration
	// SkewMS is what acknowledgements say of the clocks.
	SkewMS int64
}

// Answer is what becomes of a batch.
type Answer struct {
	Hold      bool              // it is neither kept nor answered
	Lose      bool              // it is kept, but the answer never arrives
	Drop      bool              // the stream breaks, without keeping it
	End       error             // the stream ends with it, without keeping it
	Delay     time.Duration     // before it is kept and answered; others go on
	Refusal   *ingestv1.Refusal // it is put off, or refused with an acknowledgement
	SkipAck   bool              // with a refusal: no acknowledgement beside it
	Overclaim bool              // the acknowledgement names all numbers there are
}

// Accept is the answer of a good server.
var Accept = Answer{}

// Server is the fake: one collector of a platform.
type Server struct {
	ingestv1.UnimplementedIngestServiceServer
	enrolv1.UnimplementedEnrolmentServiceServer
	*platform

	t    testing.TB
	cert *tls.Certificate
	opts []grpc.ServerOption

	mu        sync.Mutex // guards what follows
	addr      string
	grpc      *grpc.Server
	behaviour Behaviour
	hellos    []*ingestv1.Hello
	serial    string        // of the certificate that opened the newest stream
	refused   error         // of every call of an agent
	leaving   chan struct{} // closed when the open streams are to end
	leave     error         // with what
}

// platform is what the collectors of one platform share.
type platform struct {
	CA    *CA
	Token string // that it accepts

	mu       sync.Mutex // guards what follows
	ledger   ledger
	counter  uint64
	enrolled int
}

// New starts a server on loopback that ends with the test.
func New(t testing.TB, opts ...grpc.ServerOption) *Server {
	t.Helper()
	return NewAt(t, NewCA(t), anyPort, opts...)
}

// NewAt starts a server of the CA's platform, without a history, at an address.
func NewAt(t testing.TB, ca *CA, addr string, opts ...grpc.ServerOption) *Server {
	t.Helper()
	p := &platform{CA: ca, ledger: newLedger()}
	random := make([]byte, mtls.TokenRandom)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	p.Token = mtls.NewToken(random, mtls.Fingerprint(p.CA.Cert)).String()
	return p.start(t, addr, opts)
}

// anyPort is a free port on loopback.
const anyPort = "127.0.0.1:0"

// Peer starts another collector of the same platform: what one has enrolled,
// acknowledged or counted, the other knows.
func (s *Server) Peer(opts ...grpc.ServerOption) *Server {
	s.t.Helper()
	return s.start(s.t, anyPort, opts)
}

// PeerAt is Peer at an address of its own, such as one of another loopback
// network.
func (s *Server) PeerAt(addr string, opts ...grpc.ServerOption) *Server {
	s.t.Helper()
	return s.start(s.t, addr, opts)
}

func (p *platform) start(t testing.TB, addr string, opts []grpc.ServerOption) *Server {
	t.Helper()
	zstdgrpc.Register()
	s := &Server{platform: p, t: t, cert: p.CA.server(t), opts: opts, addr: addr, leaving: make(chan struct{})}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start listens, at the same address as before.
func (s *Server) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	lis := listen(s.t, s.addr)
	roots := x509.NewCertPool()
	roots.AddCert(s.CA.Cert)
	config := mtls.ServerConfig(mtls.Options{
		Certificate: func() (*tls.Certificate, error) { return s.cert, nil },
		Roots:       func() *x509.CertPool { return roots },
	})
	s.addr = lis.Addr().String()
	s.grpc = grpc.NewServer(append([]grpc.ServerOption{grpc.Creds(credentials.NewTLS(config)), grpc.ForceServerCodecV2(zstdgrpc.Codec())}, s.opts...)...)
	ingestv1.RegisterIngestServiceServer(s.grpc, s)
	enrolv1.RegisterEnrolmentServiceServer(s.grpc, s)
	go func(g *grpc.Server) { _ = g.Serve(lis) }(s.grpc) // ends with Stop
}

// Stop ends the server at once, as a crash does.
func (s *Server) Stop() {
	s.mu.Lock()
	g := s.grpc
	s.mu.Unlock()
	g.Stop()
}

// Addr returns the address.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Behave changes how the server answers from now on.
func (s *Server) Behave(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour = b
}

// Refuse makes every call of an agent fail; nil ends that.
func (s *Server) Refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = err
}

// Leave ends the open streams with an error, as a collector does that wants its
// agents to go elsewhere. New ones are taken all the same.
func (s *Server) Leave(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave = err
	close(s.leaving)
	s.leaving = make(chan struct{})
}

// Denied is a refusal for good, as the platform words it.
func Denied(reason, message string) error { return Fault(codes.PermissionDenied, reason, message) }

// Fault is an error as the platform words it.
func Fault(code codes.Code, reason, message string) error {
	st, err := status.New(code, message).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "esmon"})
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return st.Err()
}

// Hellos returns what agents said at the beginning of their streams.
func (s *Server) Hellos() []*ingestv1.Hello {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*ingestv1.Hello(nil), s.hellos...)
}

// Serial returns the serial number of the certificate that opened the newest
// stream.
func (s *Server) Serial() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serial
}
