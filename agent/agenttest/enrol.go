package agenttest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"

	"github.com/esolutions/esmon/services/mtls"
)

// Enrol implements the enrolment service.
func (s *Server) Enrol(_ context.Context, r *enrolv1.EnrolRequest) (*enrolv1.EnrolResponse, error) {
	if r.GetToken() != s.Token {
		return nil, Denied("token_unknown", "the token is not known here: make one with esmon token create")
	}
	s.platform.mu.Lock()
	s.enrolled++
	s.counter = 0
	id := fmt.Sprintf("agent%d", s.enrolled)
	s.platform.mu.Unlock()
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
