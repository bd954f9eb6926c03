package collectors

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ProxyError says why a proxy did not lead to a collector, and what to do.
type ProxyError struct {
	// Down says that it is the proxy itself: it would lead to no other collector
	// either.
	Down    bool
	Message string
	Err     error // the cause; may be nil
}

// Error returns the message.
func (e *ProxyError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Err }

func (p *Proxy) down(err error, format string, args ...any) *ProxyError {
	return &ProxyError{Down: true, Message: "the proxy " + p.String() + " " + fmt.Sprintf(format, args...), Err: err}
}

// maxAnswer is how much a proxy may say before the connection is through, bytes.
const maxAnswer = 64 << 10

// dial returns a connection to host:port through the proxy. It obeys ctx until it
// returns, not after.
func (p *Proxy) dial(ctx context.Context, target string, roots *x509.CertPool) (net.Conn, error) {
	conn, err := p.reach(ctx, roots)
	if err != nil {
		return nil, p.down(err, "cannot be reached: %v; check the setting proxy and that this host may connect to it", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // whatever waits ends
	through, err := p.connect(conn, target)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close() // the first error is the one to report
		return nil, err
	}
	return through, nil
}

// reach connects to the proxy itself.
func (p *Proxy) reach(ctx context.Context, roots *x509.CertPool) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", p.addr)
	if err != nil || !p.secure {
		return conn, err // the caller says what it is about
	}
	secured := tls.Client(conn, &tls.Config{ServerName: p.host, RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // likewise
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
}

// connect asks the proxy for the target.
func (p *Proxy) connect(conn net.Conn, target string) (net.Conn, error) {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Host: target}, Host: target, Header: http.Header{"User-Agent": {"esmon-agent"}}}
	if p.user != nil {
		password, _ := p.user.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(p.user.Username()+":"+password)))
	}
	if err := req.Write(conn); err != nil {
		return nil, p.down(err, "broke off: %v", err)
	}
	r := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, p.noAnswer(err)
	}
	// Of a CONNECT that worked the body is the connection: it is not closed here.
	if resp.StatusCode/100 != 2 {
		return nil, p.refused(resp, target)
	}
	if r.Buffered() == 0 {
		return conn, nil
	}
	early, err := r.Peek(r.Buffered())
	if err != nil {
		return nil, p.down(err, "broke off: %v", err)
	}
	return &prefixed{Conn: conn, r: io.MultiReader(bytes.NewReader(early), conn)}, nil
}

func (p *Proxy) noAnswer(err error) error {
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return p.down(err, "did not answer in time")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return p.down(err, "broke off before it answered")
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return p.down(err, "broke off: %v", err)
	}
	return p.down(err, "does not answer as an HTTP proxy does; check its address, and http or https before it")
}

func (p *Proxy) refused(resp *http.Response, target string) error {
	if resp.StatusCode == http.StatusProxyAuthRequired {
		return p.unauthorized(resp)
	}
	do := "allow this host to connect there, in the proxy's rules; some proxies allow port 443 only"
	if resp.StatusCode >= 500 {
		do = "it could not get there itself; check the address, and that the proxy can look up and reach it"
	}
	return &ProxyError{Message: fmt.Sprintf("the proxy %s answered CONNECT %s with %s: %s", p, target, clip(resp.Status), do)}
}

func (p *Proxy) unauthorized(resp *http.Response) error {
	offers := clip(strings.Join(resp.Header.Values("Proxy-Authenticate"), ", "))
	if offers == "" {
		offers = "no scheme"
	}
	if p.user == nil {
		return p.down(nil, "asks for user and password (407, it offers %s): write them into the setting proxy, http://user:password@host:port", offers)
	}
	return p.down(nil, "does not accept the user and password of the setting proxy (407, it offers %s): correct them; only Basic is supported", offers)
}

// clip shortens what somebody else wrote.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// prefixed is a connection of which something was read already.
type prefixed struct {
	net.Conn
	r io.Reader
}

// Read reads that first.
func (c *prefixed) Read(b []byte) (int, error) { return c.r.Read(b) } // of the connection itself
