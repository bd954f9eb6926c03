package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/esolutions/esmon/services/mtls"
)

const (
	// maxAnonymous is how many connections without a certificate may be open at a
	// time, so that they cannot take the places of nodes.
	maxAnonymous = 64
	// anonymousLife is how long such a connection may last: joining takes a moment.
	anonymousLife = 30 * time.Second
	// acceptPause is how long to wait after the system had no room for a connection.
	acceptPause = 100 * time.Millisecond
)

// Reasons of connections closed at once.
const (
	reasonConnections = "too_many_connections"
	reasonAnonymous   = "too_many_without_certificate"
)

// places bounds how many of something there are; it holds one value for each.
type places chan struct{}

func newPlaces(n int) places { return make(places, n) }

func (p places) take() bool {
	select {
	case p <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p places) free() { <-p }

// acceptAll takes connections until the listener is closed, and waits for the
// handshakes that are under way.
func (s *Server) acceptAll(ctx context.Context, lis net.Listener) error {
	var handshakes sync.WaitGroup
	defer handshakes.Wait()
	for {
		raw, err := lis.Accept()
		if err != nil {
			if temporary, ok := errors.AsType[interface {
				error
				Temporary() bool
			}](err); ok && temporary.Temporary() && ctx.Err() == nil {
				time.Sleep(acceptPause)
				continue
			}
			return err //nolint:wrapcheck // Run looks at what it is
		}
		if !s.places.take() {
			s.refused.WithLabelValues(reasonConnections).Inc()
			_ = raw.Close() // nothing was sent or received
			continue
		}
		conn := &place{Conn: raw, free: []func(){s.places.free}}
		handshakes.Go(func() { s.handshake(ctx, conn) })
	}
}

// handshake lets the connection identify itself and hands it to the server of the
// protocol that was agreed.
func (s *Server) handshake(ctx context.Context, raw *place) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HandshakeTimeout)
	defer cancel()
	conn := tls.Server(raw, s.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		s.noteRefusal(raw, err)
		_ = raw.Close() // it is of no use
		return
	}
	state := conn.ConnectionState()
	if len(state.PeerCertificates) == 0 && !s.admitAnonymous(raw) {
		s.refused.WithLabelValues(reasonAnonymous).Inc()
		_ = raw.Close() // nothing was sent or received
		return
	}
	if state.NegotiatedProtocol == "h2" {
		s.toGRPC.hand(conn)
	} else {
		s.toHTTP.hand(conn)
	}
}

func (s *Server) admitAnonymous(raw *place) bool {
	if !s.anonymous.take() {
		return false
	}
	raw.onClose(s.anonymous.free)
	end := time.AfterFunc(anonymousLife, func() { _ = raw.Close() })
	raw.onClose(func() { end.Stop() })
	return true
}

func (s *Server) noteRefusal(raw net.Conn, err error) {
	r := mtls.ExplainNode(err, s.node.now())
	if r == nil { // it went away, or took too long
		s.refused.WithLabelValues(mtls.ReasonHandshake).Inc()
		return
	}
	s.refused.WithLabelValues(r.Reason).Inc()
	if s.logs.Allow() {
		s.log.Warn("connection to the internal port refused", "from", raw.RemoteAddr().String(), "reason", r.Reason, "message", r.Message)
	}
}

// place is a connection that frees what it took when it is closed.
type place struct {
	net.Conn
	mu     sync.Mutex // guards what follows
	closed bool
	free   []func()
}

// onClose has f called when the connection is closed, at once if it is.
func (p *place) onClose(f func()) {
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.free = append(p.free, f)
	}
	p.mu.Unlock()
	if closed {
		f()
	}
}

// Close closes the connection and frees its places.
func (p *place) Close() error {
	p.mu.Lock()
	free := p.free
	p.closed, p.free = true, nil
	p.mu.Unlock()
	for _, f := range free {
		f()
	}
	return p.Conn.Close() //nolint:wrapcheck // of the connection itself
}

// handover is the listener of a server behind the handshake.
type handover struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), done: make(chan struct{})}
}

// hand gives a connection to the server, or closes it if that has stopped.
func (h *handover) hand(conn net.Conn) {
	select {
	case h.conns <- conn:
	case <-h.done:
		_ = conn.Close() // nothing was sent or received
	}
}

func (h *handover) shut() { h.once.Do(func() { close(h.done) }) }

// Accept returns the next connection.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (h *handover) Close() error {
	h.shut()
	return nil
}

// Addr returns an address, as listeners must have one.
func (h *handover) Addr() net.Addr { return &net.UnixAddr{Name: "cluster", Net: "internal"} }

// finished are the credentials of connections whose handshake is over.
type finished struct{}

// ServerHandshake tells gRPC what the handshake found.
func (finished) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, ok := raw.(*tls.Conn)
	if !ok || !conn.ConnectionState().HandshakeComplete {
		return nil, nil, errors.New("the connection did not come from the internal port")
	}
	return conn, credentials.TLSInfo{
		State:          conn.ConnectionState(),
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

// ClientHandshake refuses: these are a server's.
func (finished) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are a server's")
}

// Info says that connections are TLS.
func (finished) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone returns a copy.
func (f finished) Clone() credentials.TransportCredentials { return f }

// OverrideServerName does nothing: names do not count between nodes.
func (finished) OverrideServerName(string) error { return nil }
