package agenttest

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy is an HTTP proxy that knows CONNECT and nothing else. It may be changed
// before its first use only.
type Proxy struct {
	// User and Password are asked for, unless User is empty.
	User, Password string
	// Status is answered instead of connecting, unless it is 0.
	Status int
	// Hosts says where to connect to for a host:port; what is not in it is taken as
	// it is.
	Hosts map[string]string
	// CA issued the certificate of a proxy that speaks TLS.
	CA *CA

	lis      net.Listener
	bytes    atomic.Int64
	through  atomic.Int64
	refused  atomic.Int64
	mu       sync.Mutex // guards what follows
	conns    map[net.Conn]bool
	targets  []string
	plain    []byte // the first bytes that clients sent through
	closed   bool
	handlers sync.WaitGroup
}

// maxPlain is how much of what goes through is kept.
const maxPlain = 1 << 20

// NewProxy starts a proxy on loopback that ends with the test.
func NewProxy(t testing.TB) *Proxy {
	t.Helper()
	return newProxy(t, &Proxy{}, nil)
}

// NewTLSProxy starts a proxy that speaks TLS.
func NewTLSProxy(t testing.TB) *Proxy {
	t.Helper()
	ca := NewCA(t)
	return newProxy(t, &Proxy{CA: ca}, &tls.Config{Certificates: []tls.Certificate{*ca.server(t)}, MinVersion: tls.VersionTLS12})
}

func newProxy(t testing.TB, p *Proxy, config *tls.Config) *Proxy {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		lis = tls.NewListener(lis, config)
	}
	p.lis, p.conns = lis, map[net.Conn]bool{}
	p.handlers.Go(p.serve)
	t.Cleanup(p.Stop)
	return p
}

// Addr returns the address, host:port.
func (p *Proxy) Addr() string { return p.lis.Addr().String() }

// Roots returns the CA of a proxy that speaks TLS.
func (p *Proxy) Roots() *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(p.CA.Cert)
	return roots
}

// Bytes returns how many bytes went through, in both directions.
func (p *Proxy) Bytes() int64 { return p.bytes.Load() }

// Through returns how many connections were let through.
func (p *Proxy) Through() int64 { return p.through.Load() }

// Refused returns how many were not.
func (p *Proxy) Refused() int64 { return p.refused.Load() }

// Targets returns what was asked for, in order.
func (p *Proxy) Targets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.targets...)
}

// Plain returns what clients sent through, its beginning at least.
func (p *Proxy) Plain() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]byte(nil), p.plain...)
}

// Stop ends the proxy and what goes through it.
func (p *Proxy) Stop() {
	_ = p.lis.Close() // it may be already
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close() // likewise
	}
	p.mu.Unlock()
	p.handlers.Wait()
}

func (p *Proxy) serve() {
	for {
		conn, err := p.lis.Accept()
		if err != nil {
			return
		}
		p.handlers.Go(func() { p.handle(conn) })
	}
}

// own registers a connection, so that Stop closes it.
func (p *Proxy) own(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return !p.closed
}

func (p *Proxy) handle(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if !p.own(conn) {
		return
	}
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.targets = append(p.targets, req.Host)
	p.mu.Unlock()
	if answer := p.refusal(req); answer != "" {
		p.refused.Add(1)
		_, _ = io.WriteString(conn, answer) // the client may be gone
		return
	}
	to := req.Host
	if known, ok := p.Hosts[to]; ok {
		to = known
	}
	server, err := net.Dial("tcp", to)
	if err != nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") // likewise
		return
	}
	defer func() { _ = server.Close() }()
	if !p.own(server) {
		return
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	p.through.Add(1)
	p.pipe(conn, r, server)
}

// pipe carries bytes both ways until one side ends.
func (p *Proxy) pipe(client net.Conn, fromClient io.Reader, server net.Conn) {
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(server, io.TeeReader(fromClient, counted{p, true})) // ends with either side
		_ = server.Close()
	})
	both.Go(func() {
		_, _ = io.Copy(client, io.TeeReader(server, counted{p, false})) // likewise
		_ = client.Close()
	})
	both.Wait()
}

func (p *Proxy) refusal(req *http.Request) string {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.User+":"+p.Password))
	switch {
	case req.Method != http.MethodConnect:
		return "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"
	case p.User != "" && req.Header.Get("Proxy-Authorization") != want:
		return "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"test\"\r\nContent-Length: 0\r\n\r\n"
	case p.Status != 0:
		return fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n", p.Status, http.StatusText(p.Status))
	}
	return ""
}

// counted counts what passes.
type counted struct {
	p    *Proxy
	keep bool
}

func (c counted) Write(b []byte) (int, error) {
	c.p.bytes.Add(int64(len(b)))
	if c.keep {
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		c.p.plain = append(c.p.plain, b[:min(len(b), maxPlain-len(c.p.plain))]...)
	}
	return len(b), nil
}
