package agenttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/mtls"
)

// CA issues certificates as the platform's own does.
type CA struct {
	key  *ecdsa.PrivateKey
	Cert *x509.Certificate
}

// NewCA makes a CA.
func NewCA(t testing.TB) *CA {
	t.Helper()
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template("ca", time.Now().Add(time.Hour), func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	}), template("ca", time.Now().Add(time.Hour), nil), key.Public(), key)
	if err != nil {
		t.Fatalf("make a CA: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("read the CA: %v", err)
	}
	return &CA{key: key, Cert: cert}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	return key
}

func template(name string, until time.Time, change func(*x509.Certificate)) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		panic(fmt.Sprintf("no randomness: %v", err))
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Second), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(c)
	}
	return c
}

// server issues the certificate of the server at loopback.
func (ca *CA) server(t testing.TB) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template("server", time.Now().Add(time.Hour), func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		c.URIs, c.IPAddresses, c.DNSNames = []*url.URL{mtls.ServerURI()}, []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	}), ca.Cert, key.Public(), ca.key)
	if err != nil {
		t.Fatalf("issue the server's certificate: %v", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, ca.Cert.Raw}, PrivateKey: key}
}

// agent issues an agent's certificate for the key of a request.
func (ca *CA) agent(id string, csr []byte, life time.Duration) ([]byte, error) {
	req, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	if err := req.CheckSignature(); err != nil {
		return nil, fmt.Errorf("check the request: %w", err)
	}
	return x509.CreateCertificate(rand.Reader, template("agent", time.Now().Add(life), func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		c.URIs = []*url.URL{mtls.AgentURI(id)}
	}), ca.Cert, req.PublicKey, ca.key)
}

// ReadCA reads the key and the certificate of a CA, as PEM.
func ReadCA(t testing.TB, path string) *CA {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	keyBlock, rest := pem.Decode(text)
	certBlock, _ := pem.Decode(rest)
	if keyBlock == nil || certBlock == nil {
		t.Fatalf("%s: there is no key with a certificate in it", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return &CA{key: key.(*ecdsa.PrivateKey), Cert: cert}
}
