package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// The files: the key is written first and never again, the certificates are
// replaced as a whole at a renewal, newest first.
const (
	keyFile  = "ca.key"
	certFile = "ca.crt"
)

func loadOrCreate(dir string, now time.Time) (crypto.Signer, []*x509.Certificate, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the folder: %w", err)
	}
	key, err := loadKey(dir)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = createKey(dir)
	}
	if err != nil {
		return nil, nil, err
	}
	cas, err := loadCAs(dir, key)
	if errors.Is(err, fs.ErrNotExist) { // the first start, or one that stopped between the two files
		cas, err = createCA(dir, key, now)
	}
	return key, cas, err
}

func loadKey(dir string) (crypto.Signer, error) {
	path := filepath.Join(dir, keyFile)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s can be read by others (mode %o): anyone who read it can pose as any agent; run chmod 600 %s if you know who could", path, mode, path)
	}
	der, err := readPEM(path, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der[0])
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: restore it from a backup: %w", path, err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a key that cannot sign: restore it from a backup", path)
	}
	return key, nil
}

// createKey makes the authority's key. A certificate without a key means that
// the key was lost: a new one would shut out the whole fleet, so that is refused.
func createKey(dir string) (crypto.Signer, error) {
	if _, err := os.Stat(filepath.Join(dir, certFile)); err == nil {
		return nil, fmt.Errorf("%s is there but %s is not: restore the key from a backup, or remove %s as well to start a new authority (every agent must then enrol anew)", certFile, keyFile, certFile)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	return key, WriteFile(dir, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func loadCAs(dir string, key crypto.Signer) ([]*x509.Certificate, error) {
	path := filepath.Join(dir, certFile)
	ders, err := readPEM(path, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	var cas []*x509.Certificate
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s is damaged: restore it from a backup: %w", path, err)
		}
		public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !public.Equal(c.PublicKey) || !c.IsCA {
			return nil, fmt.Errorf("%s does not belong to %s: restore both from the same backup", path, keyFile)
		}
		cas = append(cas, c)
	}
	return cas, nil
}

func createCA(dir string, key crypto.Signer, now time.Time) ([]*x509.Certificate, error) {
	ca, err := newCA(key, now)
	if err != nil {
		return nil, err
	}
	cas := []*x509.Certificate{ca}
	return cas, saveCAs(dir, cas)
}

func saveCAs(dir string, cas []*x509.Certificate) error {
	var out bytes.Buffer
	for _, c := range cas {
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
			return fmt.Errorf("encode the certificate: %w", err)
		}
	}
	return WriteFile(dir, certFile, out.Bytes())
}

// readPEM returns the blocks of the file; there is at least one.
func readPEM(path, kind string) ([][]byte, error) {
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
		return nil, fmt.Errorf("%s holds no %s block: restore it from a backup", path, kind)
	}
	return blocks, nil
}

// WriteFile replaces a file, readable by its owner only, so that after a power cut
// either the old or the new one is there, whole.
func WriteFile(dir, name string, data []byte) (err error) {
	f, err := os.CreateTemp(dir, name+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", name, err)
			_ = os.Remove(f.Name()) // the error that led here is the one to tell
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // a directory cannot be synced there, NTFS logs the rename
		return nil
	}
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
