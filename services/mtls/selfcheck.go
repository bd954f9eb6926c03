package mtls

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"
)

// selfCheckTimeout is far more than a handshake in memory takes.
const selfCheckTimeout = 10 * time.Second

// SelfCheck makes one handshake with itself and returns an error if that does not
// end as the setting says. Programs call it before anything else: an enforced
// cipher that does not hold, because of FIPS mode or a changed Go runtime, must
// stop the start and not show up as a fleet that cannot connect.
func SelfCheck(c Cipher) error {
	if !c.Valid() {
		return fmt.Errorf("tls.cipher is %q: use %q or %q", string(c), ChaCha20, System)
	}
	cert, roots, err := throwaway()
	if err != nil {
		return fmt.Errorf("TLS self-check: %w", err)
	}
	o := Options{Cipher: c, Certificate: func() (*tls.Certificate, error) { return cert, nil }, Roots: func() *x509.CertPool { return roots }}
	state, err := handshake(ServerConfig(o), ClientConfig(Options{Cipher: c, Roots: o.Roots}))
	if err == nil {
		err = c.checkState(state)
	}
	if err != nil && fips140.Enabled() {
		return fmt.Errorf("TLS self-check: this process runs in FIPS mode, which knows no ChaCha20-Poly1305: set tls.cipher to %q on the server and all agents: %w", System, err)
	}
	if err != nil {
		return fmt.Errorf("TLS self-check: tls.cipher %q cannot be kept by this build; it was made with another Go version than tested, use a released build: %w", string(c), err)
	}
	return nil
}

// handshake connects the two in memory and returns what the client sees.
func handshake(server, client *tls.Config) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(context.Background(), selfCheckTimeout)
	defer cancel()
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() {
		defer func() { _ = a.Close() }() // ends the client, should it still wait
		served <- tls.Server(a, server).HandshakeContext(ctx)
	}()
	conn := tls.Client(b, client)
	err := conn.HandshakeContext(ctx)
	_ = b.Close() // a pipe; nothing is lost
	if serverErr := <-served; serverErr != nil {
		return tls.ConnectionState{}, serverErr
	}
	return conn.ConnectionState(), err
}

// throwaway makes a CA certificate that is a server's at the same time.
func throwaway() (*tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true, URIs: []*url.URL{ServerURI()},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("read the certificate made: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots, nil
}
