package pki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

func request(t *testing.T, key crypto.Signer, template *x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func p256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	return generate(t, elliptic.P256())
}

func generate(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestIssueAgent(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), pki.DefaultConfig(), start)
	key := p256(t)
	// A request that asks for much more than a key.
	issued, err := a.IssueAgent("abc234", request(t, key, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "admin"}, DNSNames: []string{"localhost"},
		URIs: []*url.URL{mtls.ServerURI(), mtls.AgentURI("other")},
	}))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(issued.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := mtls.AgentID(leaf); !ok || id != "abc234" {
		t.Errorf("identity %q, %v", id, ok)
	}
	if leaf.Subject.CommonName != "abc234" || len(leaf.URIs) != 1 || len(leaf.DNSNames) != 0 || leaf.IsCA {
		t.Errorf("subject %v, URIs %v, names %v, CA %v", leaf.Subject, leaf.URIs, leaf.DNSNames, leaf.IsCA)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) || issued.KeyHash != sha256.Sum256(leaf.RawSubjectPublicKeyInfo) {
		t.Error("the key is not that of the request")
	}
	if !issued.End.Equal(start.Add(30*day)) || !leaf.NotAfter.Equal(issued.End) || !leaf.NotBefore.Before(start) {
		t.Errorf("valid from %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
	verify := func(usage x509.ExtKeyUsage) error {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: a.Roots(), CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
	if err := verify(x509.ExtKeyUsageClientAuth); err != nil {
		t.Error(err)
	}
	if verify(x509.ExtKeyUsageServerAuth) == nil {
		t.Error("an agent's certificate verifies as a server's")
	}
}

func TestIssueNeverOutlivesTheAuthority(t *testing.T) {
	t.Parallel()
	a, set := withClock(t, t.TempDir())
	ca, err := x509.ParseCertificate(a.RootsDER()[0])
	if err != nil {
		t.Fatal(err)
	}
	if !ca.MaxPathLenZero || ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Error("the CA may do more than issue certificates")
	}
	set(ca.NotAfter.Sub(start) - 5*day) // its renewal failed for years
	issued, err := a.IssueAgent("abc", request(t, p256(t), &x509.CertificateRequest{}))
	if err != nil || !issued.End.Equal(ca.NotAfter) {
		t.Errorf("got %+v, %v, want the end %v", issued, err, ca.NotAfter)
	}
}

func TestAcceptedKeys(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), pki.DefaultConfig(), start)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{
		"P-256": p256(t), "P-384": generate(t, elliptic.P384()), "Ed25519": ed, "RSA 2048": rsaKey(t, 2048),
	} {
		if _, err := a.IssueAgent("abc", request(t, key, &x509.CertificateRequest{})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), pki.DefaultConfig(), start)
	good := request(t, p256(t), &x509.CertificateRequest{})
	largeRSA, err := os.ReadFile("testdata/rsa4104.der") // made once: such a key takes seconds
	if err != nil {
		t.Fatal(err)
	}
	forged := append([]byte(nil), good...)
	forged[len(forged)-1] ^= 1
	for name, c := range map[string]struct {
		der    []byte
		reason string
	}{
		"empty":     {nil, "csr_malformed"},
		"cut off":   {good[:len(good)-1], "csr_malformed"},
		"too large": {make([]byte, pki.MaxRequestBytes+1), "csr_too_large"},
		"forged":    {forged, "csr_signature"},
		"P-224":     {request(t, generate(t, elliptic.P224()), &x509.CertificateRequest{}), "csr_key_refused"},
		"P-521":     {request(t, generate(t, elliptic.P521()), &x509.CertificateRequest{}), "csr_key_refused"},
		"RSA 1024":  {request(t, rsaKey(t, 1024), &x509.CertificateRequest{}), "csr_key_refused"},
		"RSA 4104":  {largeRSA, "csr_key_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := a.IssueAgent("abc", c.der)
			if fault.KindOf(err) != fault.Invalid || fault.ReasonOf(err) != c.reason {
				t.Errorf("got %v (%s)", err, fault.ReasonOf(err))
			}
		})
	}
}

// BenchmarkIssue is what an enrolment costs the authority.
func BenchmarkIssue(b *testing.B) {
	now := time.Now()
	a, err := tryOpen(b.TempDir(), pki.DefaultConfig(), now)
	if err != nil {
		b.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := a.IssueAgent("abc", der); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzRequest(f *testing.F) {
	a, err := tryOpen(f.TempDir(), pki.DefaultConfig(), start)
	if err != nil {
		f.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	good, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:40])
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, der []byte) {
		if _, err := a.IssueAgent("abc", der); err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("not the sender's fault: %v", err)
		}
	})
}
