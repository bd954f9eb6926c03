package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/esolutions/esmon/services/dispatch/receiver/secret"
)

// Limits of an answer: what a service may make the platform read.
const (
	maxHeaderBytes = 64 << 10
	maxBodyBytes   = 64 << 10
)

// Config is how a receiver gets to its service.
type Config struct {
	// Proxy is the URL of an HTTP or SOCKS5 proxy, or "none"; empty: that of the
	// environment.
	Proxy secret.Value
	// CAFile has the certificates, PEM, that are trusted instead of the system's.
	CAFile string
	// Dial opens connections; nil for the usual way.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock, for Retry-After as a date.
	Now func() time.Time
}

// Client calls one service.
type Client struct {
	http *http.Client
	now  func() time.Time
}

// NoProxy is the proxy setting that uses none, whatever the environment has.
const NoProxy = "none"

// NewClient returns a client. It reads the CA file and opens no connection.
func NewClient(c Config) (*Client, error) {
	tlsConfig, err := TLS(c.CAFile)
	if err != nil {
		return nil, err
	}
	proxy, err := proxyOf(c.Proxy)
	if err != nil {
		return nil, err
	}
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	t := &http.Transport{
		Proxy: proxy, DialContext: dial, TLSClientConfig: tlsConfig, ForceAttemptHTTP2: true,
		MaxResponseHeaderBytes: maxHeaderBytes, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: 10 * time.Second,
	}
	// A redirect is an answer like others: following it would send the message, and the
	// credentials with it, to wherever the answer says.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	now := c.Now
	if now == nil {
		now = time.Now
	}
	return &Client{http: &http.Client{Transport: t, CheckRedirect: stay}, now: now}, nil
}

// TLS returns how connections out are secured: by the certificates in the file, or the
// system's if there is none.
func TLS(caFile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // the operator's configuration names it
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s has no certificate in PEM form", caFile)
	}
	return c, nil
}

func proxyOf(v secret.Value) (func(*http.Request) (*url.URL, error), error) {
	text, err := v.Read()
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	switch text {
	case "":
		return http.ProxyFromEnvironment, nil
	case NoProxy:
		return nil, nil //nolint:nilnil // no function is how net/http is told to use no proxy
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return nil, errors.New("proxy: it must be a URL such as http://proxy.example.com:3128 or socks5://…, or none")
	}
	return http.ProxyURL(u), nil
}

// Request is one call.
type Request struct {
	Method string // POST if empty
	URL    string
	Header http.Header
	Body   []byte
	Type   string // of the body; JSON if empty
	Key    string // the idempotency key; left out if empty
}

// Answer is what came back with a status of 200 to 299.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // the first 64 KiB of it
}

// Refusal is an answer that is none of success; judge it with [Client.Refused].
type Refusal struct {
	Host   string
	Status int
	Header http.Header
	Body   []byte
}

// Do sends the request. Exactly one of the three is set: the answer, what the service
// refused it with, or an error that is one of [Unreachable]'s.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, *Refusal, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, nil, Permanent("the receiver's url is no URL of http or https; correct it")
	}
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, nil, Permanent("the receiver's url or method cannot be used; correct it")
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	setDefault(req.Header, "Content-Type", first(r.Type, "application/json"))
	setDefault(req.Header, "User-Agent", "esmon")
	if r.Key != "" {
		// Not in the usual case of letters: net/http takes a request with the usual one for
		// one that it may send again by itself when the connection breaks. Many services
		// do not know the key, and would take the message twice.
		req.Header["idempotency-key"] = []string{r.Key}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, Unreachable(ctx, u.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBodyBytes))
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		// The service has taken it, even if the rest of the answer is lost.
		return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil, nil
	}
	if err != nil && ctx.Err() != nil && Retryable(resp.StatusCode) {
		return nil, nil, Unreachable(ctx, u.Host, err)
	}
	return nil, &Refusal{Host: u.Host, Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

func setDefault(h http.Header, name, value string) {
	if h.Get(name) == "" {
		h.Set(name, value)
	}
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Now returns the time of the client's clock.
func (c *Client) Now() time.Time { return c.now() }
