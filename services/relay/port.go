package relay

import (
	"context"
	"crypto/x509"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

// credentials returns the transport security of the agents' port. Whether an identity
// was revoked only the centre knows, and says it when a stream is opened.
func (r *Relay) credentials() credentials.TransportCredentials {
	config := mtls.ServerConfig(mtls.Options{Cipher: r.deps.Cipher, Certificate: r.deps.Certificate, Roots: r.deps.Roots, Now: r.deps.Now})
	return &serverCredentials{TransportCredentials: credentials.NewTLS(config), r: r}
}

// serverCredentials count and log every handshake that failed.
type serverCredentials struct {
	credentials.TransportCredentials
	r *Relay
}

// ServerHandshake does the handshake and says why one failed.
func (c *serverCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if refusal := mtls.Explain(err, c.r.deps.Now()); refusal != nil {
		c.r.metrics.refused.WithLabelValues(refusal.Reason).Inc()
		if c.r.logs.Allow() {
			c.r.log.Warn("connection of an agent refused", "from", raw.RemoteAddr().String(), "reason", refusal.Reason, "message", refusal.Message)
		}
	}
	return conn, info, err //nolint:wrapcheck // gRPC says what was attempted
}

// Clone returns a copy.
func (c *serverCredentials) Clone() credentials.TransportCredentials {
	return &serverCredentials{TransportCredentials: c.TransportCredentials.Clone(), r: c.r}
}

// agentOf returns the agent whose verified certificate the connection showed, and
// when that ends.
func (r *Relay) agentOf(ctx context.Context) (id string, end time.Time, err error) {
	leaf := peerCertificate(ctx)
	if leaf == nil {
		return "", end, fault.New(fault.Unauthenticated, mtls.ReasonMissing, "this port is for enrolled agents and no certificate was shown: enrol first (esmon token create, esmon-agent enroll)")
	}
	if r.deps.Now().After(leaf.NotAfter) {
		return "", end, fault.New(fault.Unauthenticated, mtls.ReasonExpired, "the certificate of this connection ended at %s: renew it and connect again", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	id, ok := mtls.AgentID(leaf)
	if !ok {
		return "", end, fault.New(fault.Unauthenticated, mtls.ReasonIdentity, "the certificate names no agent: enrol the agent to get one that does")
	}
	return id, leaf.NotAfter, nil
}

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

// limit closes connections at once while too many are open: before the handshake, so
// that nobody gets work out of the relay.
func (r *Relay) limit(lis net.Listener) net.Listener {
	return &limitedListener{Listener: lis, metrics: r.metrics, places: make(chan struct{}, r.cfg.Port.MaxConnections)}
}

type limitedListener struct {
	net.Listener
	metrics *metrics
	places  chan struct{}
}

// Accept returns the next connection there is a place for.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // gRPC looks at what it is
		}
		select {
		case l.places <- struct{}{}:
			l.metrics.connections.Inc()
			return &limitedConn{Conn: conn, l: l}, nil
		default:
			l.metrics.refused.WithLabelValues(reasonConnections).Inc()
			_ = conn.Close() // nothing was sent or received
		}
	}
}

type limitedConn struct {
	net.Conn
	l    *limitedListener
	once sync.Once
}

// Close closes the connection and frees its place.
func (c *limitedConn) Close() error {
	c.once.Do(func() {
		<-c.l.places
		c.l.metrics.connections.Dec()
	})
	return c.Conn.Close() //nolint:wrapcheck // of the connection itself
}
