//go:build linux

package amqp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/bus/amqp"
	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
)

// authority issues certificates, in files where a broker may read them.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	dir, err := os.MkdirTemp("", "amqp-tls-") // t.TempDir is closed to the broker's user
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := &authority{t: t, dir: dir}
	a.cert, a.key = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// issue writes name.pem and name.key.
func (a *authority) issue(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(a.path(path), pem.EncodeToMemory(block), 0o644); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue("broker", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	a.issue("client", &x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	ca, clientCert, clientKey := a.path("ca.pem"), a.path("client.pem"), a.path("client.key")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	amqptest.Run(t, amqptest.Options{Config: []string{
		"listeners.ssl.1 = " + address, "ssl_options.certfile = " + a.path("broker.pem"), "ssl_options.keyfile = " + a.path("broker.key"),
		"ssl_options.cacertfile = " + ca, "ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = true",
	}})
	url := "amqps://guest:guest@" + address + "/"
	for name, c := range map[string]struct {
		change func(*amqp.Config)
		good   bool
	}{
		"both sides are known":  {func(c *amqp.Config) { c.CAFile, c.CertFile, c.KeyFile = ca, clientCert, clientKey }, true},
		"the broker is unknown": {func(c *amqp.Config) { c.CertFile, c.KeyFile = clientCert, clientKey }, false},
		"the client is unknown": {func(c *amqp.Config) { c.CAFile = ca }, false},
		"no such file":          {func(c *amqp.Config) { c.CAFile = "/nowhere" }, false},
		"no certificate":        {func(c *amqp.Config) { c.CAFile = clientKey }, false},
	} {
		cfg := config(url, c.change)
		if !c.good {
			cfg.StartTimeout = 2 * time.Second
		}
		l, err := amqp.Open(t.Context(), cfg, amqp.Deps{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if err := l.Publish(t.Context(), 0, fmt.Append(nil, name)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			_ = l.Close()
		}
	}
}
