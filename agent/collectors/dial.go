package collectors

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
)

// Config is what a dialer needs. The zero value connects as the environment of
// most programs would have it, without any.
type Config struct {
	// Proxy is the setting of the proxy.
	Proxy ProxySetting
	// Environ is the environment, as [os.Environ] returns it, in which the proxy is
	// looked for if the setting is empty.
	Environ []string
	// ProxyRoots are the CAs of https proxies; nil for those of the system.
	ProxyRoots *x509.CertPool
	// Resolver is [net.DefaultResolver] if nil.
	Resolver Resolver
}

// Dialer leads to collectors. Its methods may be called at the same time.
type Dialer struct {
	proxy      func(hostPort string) (*Proxy, error)
	proxyRoots *x509.CertPool
	resolver   Resolver

	mu      sync.Mutex     // guards answers
	answers map[string]any // of the DNS, the last good one of each question
}

// New returns a dialer. The error is a wrong setting of the proxy.
func New(cfg Config) (*Dialer, error) {
	choose, err := cfg.Proxy.chooser(cfg.Environ)
	if err != nil {
		return nil, err
	}
	d := &Dialer{proxy: choose, proxyRoots: cfg.ProxyRoots, resolver: cfg.Resolver, answers: map[string]any{}}
	if d.resolver == nil {
		d.resolver = net.DefaultResolver
	}
	return d, nil
}

func (d *Dialer) dial(ctx context.Context, c Candidate) (net.Conn, error) {
	if c.Proxy != nil {
		return c.Proxy.dial(ctx, c.Name, d.proxyRoots)
	}
	var direct net.Dialer
	return direct.DialContext(ctx, "tcp", c.Addr) // it names the address
}

// PeerError says that it is the collector that cannot be trusted: it did not
// prove that it is one. Another may.
type PeerError struct{ Err error }

// Error returns why.
func (e *PeerError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *PeerError) Unwrap() error { return e.Err }

// Conn is a connection to one candidate, made at its first call. It is not made
// a second time: a call after it broke fails.
type Conn struct {
	*grpc.ClientConn
	d       *Dialer
	to      Candidate
	timeout time.Duration

	mu       sync.Mutex // guards what follows
	begun    bool
	dialled  bool
	verified bool
	dialErr  error
	peerErr  error
}

var errOneConnection = errors.New("the connection ended; it is made anew by whoever uses it")

// Connect returns a connection to the candidate. Nothing is sent before its first
// call; then TCP, proxy and TLS together may take as long as timeout says.
func (d *Dialer) Connect(c Candidate, config *tls.Config, timeout time.Duration, opts ...grpc.DialOption) (*Conn, error) {
	cn := &Conn{d: d, to: c, timeout: timeout}
	all := append([]grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(cn.watch(config))),
		grpc.WithAuthority(authority(c.Name)),
		grpc.WithNoProxy(), // this package knows better
		grpc.WithContextDialer(cn.dial),
		grpc.WithConnectParams(grpc.ConnectParams{
			MinConnectTimeout: timeout, Backoff: backoff.Config{BaseDelay: timeout, Multiplier: 1, MaxDelay: timeout},
		}),
	}, opts...)
	var err error
	if cn.ClientConn, err = grpc.NewClient("passthrough:///collector", all...); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c, err)
	}
	return cn, nil
}

// authority is what the server is called in HTTP/2 and, if it has a name, in
// TLS. A zone means something on this host only.
func authority(name string) string {
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		return name
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.WithZone("").String()
	}
	return net.JoinHostPort(host, port)
}

// watch has the connection notice how far the handshake came. gRPC keeps only the
// text of what failed.
func (cn *Conn) watch(config *tls.Config) *tls.Config {
	config = config.Clone()
	verify := config.VerifyConnection
	config.VerifyConnection = func(cs tls.ConnectionState) error {
		var err error
		if verify != nil {
			err = verify(cs)
		}
		cn.mu.Lock()
		defer cn.mu.Unlock()
		cn.verified, cn.peerErr = err == nil, err
		return err
	}
	return config
}

func (cn *Conn) dial(ctx context.Context, _ string) (net.Conn, error) {
	cn.mu.Lock()
	again := cn.begun
	cn.begun = true
	cn.mu.Unlock()
	if again {
		return nil, errOneConnection
	}
	conn, err := cn.d.dial(ctx, cn.to)
	cn.mu.Lock()
	defer cn.mu.Unlock()
	cn.dialled, cn.dialErr = err == nil, err
	return conn, err
}

// Cause returns why a call on the connection failed: what the connection knows,
// where it knows more than the error says, else the error.
func (cn *Conn) Cause(err error) error {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	switch {
	case err == nil:
		return nil
	case cn.dialErr != nil:
		return cn.dialErr
	case cn.peerErr != nil:
		return &PeerError{cn.peerErr}
	case cn.dialled && !cn.verified && deadline(err):
		return fmt.Errorf("%s took the connection and said nothing for %s; check that a server is behind the address", cn.to, cn.timeout)
	}
	return err
}

// deadline tells whether the text of a failed handshake says that it took too
// long.
func deadline(err error) bool { return strings.Contains(err.Error(), context.DeadlineExceeded.Error()) }
