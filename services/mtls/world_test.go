package mtls_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/esolutions/esmon/services/mtls"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// authority is a CA for tests: it issues what a real one never would.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

var serial = struct {
	sync.Mutex
	n int64
}{}

func nextSerial() *big.Int {
	serial.Lock()
	defer serial.Unlock()
	serial.n++
	return big.NewInt(serial.n)
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	a.cert = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, key)
	return a
}

func (a *authority) sign(t *testing.T, template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = nextSerial()
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(time.Hour)
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issue returns a certificate made from the template; the chain has the CA.
func (a *authority) issue(t *testing.T, template *x509.Certificate) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	leaf := a.sign(t, template, a.cert, key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *authority) server(t *testing.T) *tls.Certificate {
	t.Helper()
	return a.issue(t, serverTemplate())
}

func (a *authority) agent(t *testing.T, id string) *tls.Certificate {
	t.Helper()
	return a.issue(t, agentTemplate(id))
}

func serverTemplate() *x509.Certificate {
	return &x509.Certificate{
		URIs: []*url.URL{mtls.ServerURI()}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"localhost"},
	}
}

func agentTemplate(id string) *x509.Certificate {
	return &x509.Certificate{URIs: []*url.URL{mtls.AgentURI(id)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

// options are those of one side with this certificate (none if nil).
func (a *authority) options(cert *tls.Certificate) mtls.Options {
	o := mtls.Options{Roots: a.roots, Now: clock}
	if cert != nil {
		o.Certificate = func() (*tls.Certificate, error) { return cert, nil }
	}
	return o
}

// outcome is what the two sides of one connection saw.
type outcome struct {
	client, server error
	state          tls.ConnectionState // of the client
	peer           []*x509.Certificate // that the server saw
}

// connect makes one connection over loopback and sends a byte back and forth, as
// a TLS 1.3 client learns of a refused certificate only when it reads.
func connect(t *testing.T, server, client *tls.Config) outcome {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out outcome
	var served sync.WaitGroup
	served.Go(func() { out.peer, out.server = serve(ctx, l, server) })
	out.state, out.client = dial(ctx, l.Addr().String(), client)
	served.Wait()
	return out
}

func serve(ctx context.Context, l net.Listener, config *tls.Config) ([]*x509.Certificate, error) {
	raw, err := l.Accept()
	if err != nil {
		return nil, err
	}
	conn := tls.Server(raw, config)
	defer func() { _ = conn.Close() }()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	_, err = conn.Write([]byte{1})
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	return conn.ConnectionState().PeerCertificates, err
}

func dial(ctx context.Context, addr string, config *tls.Config) (tls.ConnectionState, error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	conn := tls.Client(raw, config)
	defer func() { _ = conn.Close() }()
	if err := conn.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, err
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	if err == nil {
		_, err = conn.Write([]byte{1})
	}
	return conn.ConnectionState(), err
}

// wantRefusal checks the reason, and that the message says what to do.
func wantRefusal(t *testing.T, side string, err error, reason string) {
	t.Helper()
	r := mtls.Explain(err, now)
	if r == nil {
		t.Errorf("%s: %v is not explained, want reason %s", side, err, reason)
		return
	}
	if r.Reason != reason {
		t.Errorf("%s: reason %s, want %s (%v)", side, r.Reason, reason, err)
	}
	if len(r.Message) < 40 {
		t.Errorf("%s: message %q says too little", side, r.Message)
	}
	if errors.Unwrap(r) != nil && r.Message == errors.Unwrap(r).Error() {
		t.Errorf("%s: message %q is only the cause", side, r.Message)
	}
	t.Logf("%s: %s", side, r.Message)
}

func TestMain(m *testing.M) {
	if helper() {
		return
	}
	goleak.VerifyTestMain(m)
}
