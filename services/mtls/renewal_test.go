package mtls_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/mtls"
)

func TestRenewalProof(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	web, request := ca.agent(t, "web"), []byte("a certificate request")
	ended := agentTemplate("web")
	ended.NotBefore, ended.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour)
	prove := func(c *tls.Certificate) []byte {
		signature, err := mtls.SignRenewal(c.PrivateKey.(crypto.Signer), request)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	if got, err := mtls.CheckRenewal(web.Certificate, prove(web), request, ca.roots(), now); err != nil || got != "web" {
		t.Errorf("the agent's own proof gives %q, %v", got, err)
	}
	for what, c := range map[string]struct {
		chain     [][]byte
		signature []byte
		request   []byte
		want      string
	}{
		"no certificate":             {nil, prove(web), request, "there are 0 certificates"},
		"many certificates":          {slices.Repeat(web.Certificate, 3), prove(web), request, "there are 6 certificates"},
		"no certificate at all":      {[][]byte{[]byte("x")}, prove(web), request, "certificate 0"},
		"a large one":                {[][]byte{web.Certificate[0], make([]byte, 10_000)}, prove(web), request, "certificate 1 has 10000 bytes"},
		"another request":            {web.Certificate, prove(web), []byte("another"), "the signature"},
		"another's signature":        {web.Certificate, prove(ca.agent(t, "db")), request, "the signature"},
		"no signature":               {web.Certificate, nil, request, "the signature"},
		"a certificate of another":   {other.agent(t, "web").Certificate, prove(web), request, "the certificate"},
		"an ended certificate":       {ca.issue(t, ended).Certificate, prove(web), request, "the certificate"},
		"a server's certificate":     {ca.server(t).Certificate, prove(web), request, "the certificate"},
		"a certificate without name": {ca.issue(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}).Certificate, prove(web), request, "names no agent"},
	} {
		got, err := mtls.CheckRenewal(c.chain, c.signature, c.request, ca.roots(), now)
		if err == nil || got != "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s gives %q, %v; want %q", what, got, err, c.want)
		}
	}
}

// TestRenewalProofOfEveryKind signs with every kind of key that is issued for.
func TestRenewalProofOfEveryKind(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{small, edwards} {
		template := agentTemplate("web")
		template.SerialNumber, template.NotBefore, template.NotAfter = nextSerial(), now.Add(-time.Hour), now.Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := mtls.SignRenewal(key, []byte("request"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := mtls.CheckRenewal([][]byte{der}, signature, []byte("request"), ca.roots(), now); err != nil || got != "web" {
			t.Errorf("%T: %q, %v", key, got, err)
		}
	}
}

func FuzzCheckRenewal(f *testing.F) {
	f.Add([]byte{}, []byte{}, []byte{})
	f.Add([]byte{0x30, 0x82, 1, 0}, []byte{0x30, 6, 2, 1, 1, 2, 1, 1}, []byte("request"))
	f.Fuzz(func(t *testing.T, leaf, signature, request []byte) {
		if agent, err := mtls.CheckRenewal([][]byte{leaf, leaf}, signature, request, x509.NewCertPool(), now); err == nil {
			t.Errorf("%q is proven without a root", agent)
		}
	})
}
