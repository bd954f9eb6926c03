package enrol

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/mtls"
)

// Identity is who the agent is. It is immutable.
type Identity struct {
	AgentID     string
	Servers     []string // where it enrolled
	Certificate *tls.Certificate
	Roots       *x509.CertPool

	rootCerts []*x509.Certificate
}

// document is an identity as it is stored: one file, so that key and
// certificate always belong together.
type document struct {
	AgentID string   `json:"agent_id"`
	Servers []string `json:"servers"`
	Key     string   `json:"key"`
	Chain   string   `json:"chain"`
	Roots   string   `json:"roots"`
}

// newKey makes a key and the certificate request for it.
func newKey() (key *ecdsa.PrivateKey, csr []byte, err error) {
	key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	csr, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate request: %w", err)
	}
	return key, csr, nil
}

// newIdentity puts together what the server issued and checks that it fits: the
// certificate must be for our key and name an agent.
func newIdentity(key *ecdsa.PrivateKey, chain, roots [][]byte, servers []string) (*Identity, error) {
	if len(chain) == 0 {
		return nil, errors.New("the server sent no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, errors.New("the certificate is not for this agent's key")
	}
	id, ok := mtls.AgentID(leaf)
	if !ok {
		return nil, errors.New("the certificate names no agent")
	}
	i := &Identity{
		AgentID: id, Servers: servers, Roots: x509.NewCertPool(),
		Certificate: &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf},
	}
	for _, der := range roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read a CA certificate: %w", err)
		}
		i.Roots.AddCert(root)
		i.rootCerts = append(i.rootCerts, root)
	}
	if len(i.rootCerts) == 0 {
		return nil, errors.New("the server sent no CA certificate to trust")
	}
	return i, nil
}

// Expires returns when the certificate ends.
func (i *Identity) Expires() time.Time { return i.Certificate.Leaf.NotAfter }

// RenewAt returns when the certificate should be replaced: after two thirds of
// its life.
func (i *Identity) RenewAt() time.Time {
	leaf := i.Certificate.Leaf
	return leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 3 * 2)
}

func (i *Identity) marshal() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(i.Certificate.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	d := document{AgentID: i.AgentID, Servers: i.Servers, Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
	for _, c := range i.Certificate.Certificate {
		d.Chain += certPEM(c)
	}
	for _, c := range i.rootCerts {
		d.Roots += certPEM(c.Raw)
	}
	return json.MarshalIndent(d, "", "  ")
}

func certPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func unmarshal(text []byte) (*Identity, error) {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(d.Key))
	if block == nil {
		return nil, errors.New("there is no key in it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T, not ECDSA", parsed)
	}
	return newIdentity(key, certDER(d.Chain), certDER(d.Roots), d.Servers)
}

func certDER(text string) (out [][]byte) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out
		}
		out = append(out, block.Bytes)
	}
}
