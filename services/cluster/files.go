package cluster

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

// The files of an identity. The key is made first and never replaced; each file is
// replaced as a whole.
const (
	keyFile         = "key.pem"
	certificateFile = "certificate.pem" // leaf first
	rootsFile       = "roots.pem"
)

const (
	keyBlock         = "PRIVATE KEY"
	certificateBlock = "CERTIFICATE"
	// maxFile bounds what is read of each; a certificate takes about 1 kB.
	maxFile = 1 << 20
)

// newKey makes a key and a certificate request for it.
func newKey() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make this node's key: %w", err)
	}
	request, err := newRequest(key)
	return key, request, err
}

func newRequest(key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate request: %w", err)
	}
	return der, nil
}

// openKey reads the node's key, or makes it.
func openKey(dir string) (crypto.Signer, []byte, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the node's folder: %w", err)
	}
	path := filepath.Join(dir, keyFile)
	blocks, err := readPEM(path, keyBlock)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(dir)
	}
	if err != nil {
		return nil, nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(blocks[0])
	if err != nil {
		return nil, nil, damaged(path, err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, nil, damaged(path, errors.New("the key cannot sign"))
	}
	request, err := newRequest(key)
	return key, request, err
}

func createKey(dir string) (crypto.Signer, []byte, error) {
	key, request, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode this node's key: %w", err)
	}
	return key, request, pki.WriteFile(dir, keyFile, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}))
}

// loadIdentity reads certificate and roots; fs.ErrNotExist if one is not there.
func loadIdentity(dir string, key crypto.Signer) (*identity, error) {
	path := filepath.Join(dir, certificateFile)
	chain, err := readPEM(path, certificateBlock)
	if err != nil {
		return nil, err
	}
	cert, err := certificate(chain, key)
	if err != nil {
		return nil, damaged(path, err)
	}
	path = filepath.Join(dir, rootsFile)
	ders, err := readPEM(path, certificateBlock)
	if err != nil {
		return nil, err
	}
	roots, err := pool(ders)
	if err != nil {
		return nil, damaged(path, err)
	}
	return &identity{cert: cert, roots: roots}, nil
}

// saveIdentity writes the roots first: those that come with a certificate accept
// the one before as well, not the other way round.
func saveIdentity(dir string, chain, roots [][]byte) error {
	if err := pki.WriteFile(dir, rootsFile, encodePEM(roots)); err != nil {
		return err
	}
	return pki.WriteFile(dir, certificateFile, encodePEM(chain))
}

func encodePEM(ders [][]byte) []byte {
	var out bytes.Buffer
	for _, der := range ders {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: der}))
	}
	return out.Bytes()
}

// certificate returns the chain with its key, if they belong together and are a
// node's.
func certificate(chain [][]byte, key crypto.Signer) (*tls.Certificate, error) {
	if len(chain) == 0 {
		return nil, errors.New("there is no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("the certificate is not for the key in %s", keyFile)
	}
	if _, ok := mtls.Node(leaf); !ok {
		return nil, errors.New("the certificate is not one of a node")
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

func pool(ders [][]byte) (*x509.CertPool, error) {
	if len(ders) == 0 {
		return nil, errors.New("there is no root certificate")
	}
	roots := x509.NewCertPool()
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read a root certificate: %w", err)
		}
		roots.AddCert(c)
	}
	return roots, nil
}

// readPEM returns the blocks of the file; there is at least one.
func readPEM(path, kind string) ([][]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); kind == keyBlock && mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s can be read by others (mode %o): anyone who read it can pose as this node; run chmod 600 %s if you know who could", path, mode, path)
	}
	if info.Size() > maxFile {
		return nil, damaged(path, fmt.Errorf("it has %d bytes", info.Size()))
	}
	rest, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	var blocks [][]byte
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type == kind {
			blocks = append(blocks, b.Bytes)
		}
	}
	if len(blocks) == 0 {
		return nil, damaged(path, fmt.Errorf("it holds no %s block", kind))
	}
	return blocks, nil
}

func damaged(path string, err error) error {
	return fmt.Errorf("%s is damaged: restore it from a backup, or remove the folder and join this node anew (esmon node token create): %w", path, err)
}
