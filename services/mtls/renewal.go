package mtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// renewalContext begins what is signed for a renewal, so that the signature serves
// nothing else, as in TLS 1.3 (RFC 8446, 4.4.3).
const renewalContext = "esmon certificate renewal v1\x00"

// Bounds of what comes as a proof; real chains have two certificates of under 1 kB.
const (
	maxProofChain = 4
	maxProofBytes = 8 << 10
)

// SignRenewal signs a certificate request with the key of the present certificate: the
// proof, wherever the request passes, that the agent itself asks. The key is ECDSA,
// RSA or Ed25519.
func SignRenewal(key crypto.Signer, request []byte) ([]byte, error) {
	message := renewalMessage(request)
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		return key.Sign(rand.Reader, message, crypto.Hash(0)) //nolint:wrapcheck // the caller says what for
	}
	digest := sha256.Sum256(message)
	return key.Sign(rand.Reader, digest[:], crypto.SHA256) //nolint:wrapcheck // likewise
}

// CheckRenewal checks a proof by [SignRenewal] and returns the agent that gave it.
// chain is its certificate and those above, DER, leaf first; it must be valid at the
// time and lead to one of the roots.
func CheckRenewal(chain [][]byte, signature, request []byte, roots *x509.CertPool, now time.Time) (agent string, err error) {
	leaf, above, err := proofChain(chain)
	if err != nil {
		return "", err
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: above, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return "", fmt.Errorf("the certificate: %w", err)
	}
	agent, ok := AgentID(leaf)
	if !ok {
		return "", errors.New("the certificate names no agent")
	}
	algorithm, ok := renewalAlgorithm(leaf.PublicKey)
	if !ok {
		return "", errors.New("the certificate's key is of an unknown kind")
	}
	if err := leaf.CheckSignature(algorithm, renewalMessage(request), signature); err != nil {
		return "", fmt.Errorf("the signature: %w", err)
	}
	return agent, nil
}

func renewalMessage(request []byte) []byte { return append([]byte(renewalContext), request...) }

func proofChain(chain [][]byte) (leaf *x509.Certificate, above *x509.CertPool, err error) {
	if len(chain) == 0 || len(chain) > maxProofChain {
		return nil, nil, fmt.Errorf("there are %d certificates; want 1 to %d", len(chain), maxProofChain)
	}
	above = x509.NewCertPool()
	for i, der := range chain {
		if len(der) > maxProofBytes {
			return nil, nil, fmt.Errorf("certificate %d has %d bytes; the limit is %d", i, len(der), maxProofBytes)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fmt.Errorf("certificate %d: %w", i, err)
		}
		if i == 0 {
			leaf = c
			continue
		}
		above.AddCert(c)
	}
	return leaf, above, nil
}

func renewalAlgorithm(key crypto.PublicKey) (x509.SignatureAlgorithm, bool) {
	switch key.(type) {
	case *ecdsa.PublicKey:
		return x509.ECDSAWithSHA256, true
	case ed25519.PublicKey:
		return x509.PureEd25519, true
	case *rsa.PublicKey:
		return x509.SHA256WithRSA, true
	}
	return 0, false
}
