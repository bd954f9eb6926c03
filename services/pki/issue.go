package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

const (
	// MaxRequestBytes bounds a certificate request; one with a 4096-bit RSA key
	// takes under 2 kB.
	MaxRequestBytes = 8 << 10
	minRSABits      = 2048
	maxRSABits      = 4096
	serialBits      = 127 // positive, and within the 20 bytes that RFC 5280 allows
)

// Issued is the certificate of an agent or a node.
type Issued struct {
	Chain   [][]byte // DER, leaf first
	End     time.Time
	KeyHash [sha256.Size]byte // over the public key
}

// IssueAgent issues a certificate for the agent from a certificate request in
// DER. Of the request only the key is used, whatever else it asks for. A request
// that is not acceptable is a fault of kind Invalid.
func (a *Authority) IssueAgent(id string, request []byte) (*Issued, error) {
	key, err := requestKey(request)
	if err != nil {
		return nil, err
	}
	ca, now := a.current.Load().cas[0], a.now()
	template, err := leafTemplate(ca, now, a.cfg.AgentLife)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{CommonName: id, Organization: []string{"esmon agent"}}
	template.URIs = []*url.URL{mtls.AgentURI(id)}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	leaf, err := a.sign(template, ca, key)
	if err != nil {
		return nil, fmt.Errorf("issue the certificate of agent %s: %w", id, err)
	}
	return &Issued{Chain: [][]byte{leaf.Raw, ca.Raw}, End: leaf.NotAfter, KeyHash: sha256.Sum256(leaf.RawSubjectPublicKeyInfo)}, nil
}

// requestKey returns the key of a certificate request, once its holder proved by
// the signature that it has the private one.
func requestKey(der []byte) (crypto.PublicKey, error) {
	if len(der) > MaxRequestBytes {
		return nil, fault.New(fault.Invalid, "csr_too_large", "csr: %d bytes, the limit is %d; send a PKCS #10 request with nothing but a key", len(der), MaxRequestBytes)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "csr_malformed", "csr: this is no PKCS #10 certificate request in DER; send one as `openssl req -outform der` makes it")
	}
	if err := checkKey(csr.PublicKey); err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "csr_signature", "csr: its signature does not match its key; sign the request with the private key of the key in it, with SHA-256 or better")
	}
	return csr.PublicKey, nil
}

// checkKey bounds the kinds of keys: those that every supported TLS stack can
// use, not weak, and not so large that checking them is work.
func checkKey(key crypto.PublicKey) error {
	const want = "use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits"
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
		return fault.New(fault.Invalid, "csr_key_refused", "csr: its key is ECDSA on %s; %s", k.Curve.Params().Name, want)
	case ed25519.PublicKey:
		return nil
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fault.New(fault.Invalid, "csr_key_refused", "csr: its key is RSA of %d bits; %s", bits, want)
		}
		return nil
	}
	return fault.New(fault.Invalid, "csr_key_refused", "csr: its key is of an unknown kind; %s", want)
}

func (a *Authority) issueServer(ca *x509.Certificate, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the server's key: %w", err)
	}
	template, err := leafTemplate(ca, now, a.cfg.ServerLife)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{CommonName: "esmon server", Organization: []string{"esmon"}}
	template.URIs = []*url.URL{mtls.ServerURI()}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	addNames(template, a.hosts)
	leaf, err := a.sign(template, ca, key.Public())
	if err != nil {
		return nil, fmt.Errorf("issue the server's certificate: %w", err)
	}
	// The CA's certificate goes along: an agent that enrols knows only its hash.
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, ca.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

func addNames(template *x509.Certificate, names []string) {
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
}

// leafTemplate returns what the certificates of agents, servers and nodes share. None
// outlives the CA's.
func leafTemplate(ca *x509.Certificate, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	end := now.Add(life)
	if end.After(ca.NotAfter) {
		end = ca.NotAfter
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		NotBefore:             now.Add(-min(backdate, life)),
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}, nil
}

func (a *Authority) sign(template, ca *x509.Certificate, key crypto.PublicKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read what was signed: %w", err)
	}
	return leaf, nil
}

// newCA makes the authority's own certificate. The subject depends on the key
// alone, so that certificates under one key chain to each of its CA certificates.
func newCA(key crypto.Signer, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encode the authority's key: %w", err)
	}
	sum := sha256.Sum256(spki)
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "esmon CA " + hex.EncodeToString(sum[:8]), Organization: []string{"esmon"}},
		SubjectKeyId:          sum[:20],
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the authority's certificate: %w", err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	return ca, nil
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}
