package control

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

// ServerIdentity is what the agents' port shows and accepts; *pki.Authority is
// one.
type ServerIdentity interface {
	ServerCertificate() (*tls.Certificate, error)
	Roots() *x509.CertPool
}

// refusalLogs is how many refused handshakes are logged a second; all are
// counted. Anybody who reaches the port can cause one.
const refusalLogs = 5

// ServerCredentials returns the transport security of the agents' port: TLS as
// package mtls makes it, revoked and unknown identities refused in the handshake,
// and every refusal counted and logged with its reason.
func (r *Registry) ServerCredentials(id ServerIdentity, cipher mtls.Cipher) credentials.TransportCredentials {
	config := mtls.ServerConfig(mtls.Options{
		Cipher: cipher, Certificate: id.ServerCertificate, Roots: id.Roots, CheckPeer: r.CheckPeer, Now: r.now,
	})
	return &serverCredentials{TransportCredentials: credentials.NewTLS(config), r: r, logs: rate.NewLimiter(refusalLogs, refusalLogs)}
}

type serverCredentials struct {
	credentials.TransportCredentials
	r    *Registry
	logs *rate.Limiter
}

// ServerHandshake does the handshake and says why one failed.
func (c *serverCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if refusal := mtls.Explain(err, c.r.now()); refusal != nil {
		c.r.metrics.refused.WithLabelValues(refusal.Reason).Inc()
		if c.logs.Allow() {
			c.r.log.Warn("connection of an agent refused", "from", raw.RemoteAddr().String(), "reason", refusal.Reason, "message", refusal.Message)
		}
	}
	return conn, info, err
}

// Clone returns a copy.
func (c *serverCredentials) Clone() credentials.TransportCredentials {
	return &serverCredentials{TransportCredentials: c.TransportCredentials.Clone(), r: c.r, logs: c.logs}
}

// CheckPeer refuses the certificate of an agent that is revoked or that the
// registry does not know, for [mtls.Options].
func (r *Registry) CheckPeer(leaf *x509.Certificate) error {
	id, ok := mtls.AgentID(leaf)
	if !ok {
		return &mtls.Refusal{Reason: mtls.ReasonIdentity, Message: "the certificate names no agent: enrol the agent to get one that does"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	err := r.active(ctx, id)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return &mtls.Refusal{Reason: f.Reason, Message: f.Message, Err: err}
	}
	if err != nil {
		return &mtls.Refusal{Reason: "registry_unavailable", Message: fmt.Sprintf("agent %s cannot be looked up right now: it tries again by itself: %v", id, err), Err: err}
	}
	return nil
}

// UnaryAgentAuth is the interceptor of the agents' port: a call passes if its
// connection showed the certificate of an agent that is not revoked, and runs
// with that agent in its context ([mtls.AgentFromContext]). Enrolment passes
// without.
func (r *Registry) UnaryAgentAuth(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx, err := r.authenticate(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

// StreamAgentAuth does the same for streams.
func (r *Registry) StreamAgentAuth(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ctx, err := r.authenticate(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return handle(srv, &agentStream{ServerStream: ss, ctx: ctx})
}

type agentStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context that carries the agent.
func (s *agentStream) Context() context.Context { return s.ctx }

func (r *Registry) authenticate(ctx context.Context, method string) (context.Context, error) {
	if method == enrolv1.EnrolmentService_Enrol_FullMethodName {
		return ctx, nil
	}
	id, err := r.caller(ctx)
	if err != nil {
		r.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
		return ctx, err
	}
	return mtls.WithAgent(ctx, id), nil
}

// caller returns the agent whose verified certificate the connection showed.
func (r *Registry) caller(ctx context.Context) (string, error) {
	leaf := peerCertificate(ctx)
	if leaf == nil {
		return "", fault.New(fault.Unauthenticated, mtls.ReasonMissing, "this port is for enrolled agents and no certificate was shown: enrol first (esmon token create, esmon-agent enroll)")
	}
	if now := r.now(); now.After(leaf.NotAfter) {
		return "", fault.New(fault.Unauthenticated, mtls.ReasonExpired, "the certificate of this connection ended at %s: renew it and connect again", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	id, ok := mtls.AgentID(leaf)
	if !ok {
		return "", fault.New(fault.Unauthenticated, mtls.ReasonIdentity, "the certificate names no agent: enrol the agent to get one that does")
	}
	return id, r.active(ctx, id)
}

// peerCertificate returns the certificate that the caller's connection showed, if
// it verified.
func peerCertificate(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.PeerCertificates) == 0 {
		return nil
	}
	return info.State.PeerCertificates[0]
}

// certificateEnd returns when the agent's certificate ends: as the relay says that
// passes its stream on, else as its connection showed; the zero time without one.
func certificateEnd(ctx context.Context) time.Time {
	if end, ok := mtls.CertificateEndFromContext(ctx); ok {
		return end
	}
	if leaf := peerCertificate(ctx); leaf != nil {
		return leaf.NotAfter
	}
	return time.Time{}
}
