package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

// caller is the node on the other side of a connection.
type caller struct {
	id   Identity
	leaf *x509.Certificate
}

type callerKey struct{}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerFrom(ctx context.Context) (caller, bool) {
	c, ok := ctx.Value(callerKey{}).(caller)
	return c, ok
}

// NodeFromContext returns the node that calls, in handlers of gRPC and HTTP on the
// internal port.
func NodeFromContext(ctx context.Context) (Identity, bool) {
	c, ok := callerFrom(ctx)
	return c.id, ok
}

// peerState returns what the handshake of a call's connection found.
func peerState(ctx context.Context) *tls.ConnectionState {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return nil
	}
	return &info.State
}

// callerOf returns the node whose verified certificate the connection showed.
func callerOf(state *tls.ConnectionState, now time.Time) (caller, error) {
	if state == nil || len(state.VerifiedChains) == 0 || len(state.PeerCertificates) == 0 {
		return caller{}, fault.New(fault.Unauthenticated, mtls.ReasonMissing, "this port is for nodes and no certificate was shown: join the node first (esmon node token create)")
	}
	leaf := state.PeerCertificates[0]
	id, ok := mtls.Node(leaf)
	if !ok {
		return caller{}, fault.New(fault.Unauthenticated, mtls.ReasonIdentity, "the certificate is not one of a node: this port is for the platform's own processes")
	}
	if now.After(leaf.NotAfter) {
		return caller{}, fault.New(fault.Unauthenticated, mtls.ReasonExpired, "the certificate that node %s opened this connection with ended at %s: connect again", id.Name, stamp(leaf.NotAfter))
	}
	return caller{id: id, leaf: leaf}, nil
}
