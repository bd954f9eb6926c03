package agenttest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
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
	Delay     time.Duration     // before it is kept and answered; others go on
	Refusal   *ingestv1.Refusal // it is put off, or refused with an acknowledgement
	SkipAck   bool              // with a refusal: no acknowledgement beside it
	Overclaim bool              // the acknowledgement names all numbers there are
}

// Accept is the answer of a good server.
var Accept = Answer{}

// Server is the fake.
type Server struct {
	ingestv1.UnimplementedIngestServiceServer
	enrolv1.UnimplementedEnrolmentServiceServer

	CA    *CA
	Token string // that it accepts
	t     testing.TB
	token mtls.Token
	cert  *tls.Certificate

	mu        sync.Mutex // guards what follows
	addr      string
	grpc      *grpc.Server
	behaviour Behaviour
	ledger    ledger
	hellos    []*ingestv1.Hello
	counter   uint64
	enrolled  int
	serial    string // of the certificate that opened the newest stream
	refused   error  // of every call of an agent
}

// New starts a server on loopback that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	zstdgrpc.Register()
	s := &Server{CA: NewCA(t), t: t, addr: "127.0.0.1:0", ledger: newLedger()}
	random := make([]byte, mtls.TokenRandom)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	s.token = mtls.NewToken(random, mtls.Fingerprint(s.CA.Cert))
	s.Token = s.token.String()
	s.cert = s.CA.server(t)
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start listens, at the same address as before.
func (s *Server) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var lis net.Listener
	var err error
	for range 100 { // the port may take a moment to be free again
		if lis, err = net.Listen("tcp", s.addr); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		s.t.Fatalf("listen: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.CA.Cert)
	config := mtls.ServerConfig(mtls.Options{
		Certificate: func() (*tls.Certificate, error) { return s.cert, nil },
		Roots:       func() *x509.CertPool { return roots },
	})
	s.addr = lis.Addr().String()
	s.grpc = grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.ForceServerCodecV2(zstdgrpc.Codec()))
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

// Denied is a refusal for good, as the platform words it.
func Denied(reason, message string) error {
	st, err := status.New(codes.PermissionDenied, message).WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "esmon"})
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

// Enrol implements the enrolment service.
func (s *Server) Enrol(_ context.Context, r *enrolv1.EnrolRequest) (*enrolv1.EnrolResponse, error) {
	if r.GetToken() != s.Token {
		return nil, Denied("token_unknown", "the token is not known here: make one with esmon token create")
	}
	s.mu.Lock()
	s.enrolled++
	s.counter = 0
	id := fmt.Sprintf("agent%d", s.enrolled)
	s.mu.Unlock()
	der, err := s.issue(id, r.GetCsr())
	if err != nil {
		return nil, err
	}
	return &enrolv1.EnrolResponse{AgentId: id, Chain: [][]byte{der}, Roots: [][]byte{s.CA.Cert.Raw}}, nil
}

// Renew implements the enrolment service.
func (s *Server) Renew(ctx context.Context, r *enrolv1.RenewRequest) (*enrolv1.RenewResponse, error) {
	leaf, err := s.agent(ctx)
	if err != nil {
		return nil, err
	}
	id, _ := mtls.AgentID(leaf)
	der, err := s.issue(id, r.GetCsr())
	if err != nil {
		return nil, err
	}
	return &enrolv1.RenewResponse{Chain: [][]byte{der}, Roots: [][]byte{s.CA.Cert.Raw}}, nil
}

func (s *Server) issue(id string, csr []byte) ([]byte, error) {
	s.mu.Lock()
	life := s.behaviour.CertificateLife
	s.mu.Unlock()
	if life == 0 {
		life = time.Hour
	}
	der, err := s.CA.agent(id, csr, life)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return der, nil
}

// agent returns the certificate of the caller, or the refusal that a test wants.
func (s *Server) agent(ctx context.Context) (*x509.Certificate, error) {
	s.mu.Lock()
	refused := s.refused
	s.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	p, _ := peer.FromContext(ctx)
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return nil, status.Error(codes.Unauthenticated, "no certificate was shown")
	}
	if info.State.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
		s.t.Errorf("the connection uses %s", tls.CipherSuiteName(info.State.CipherSuite))
	}
	return info.State.PeerCertificates[0], nil
}
