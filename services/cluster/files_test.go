package cluster_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/esolutions/esmon/services/cluster"
)

func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	other := t.TempDir()
	_, err := p.open(other, p.config(p.token("s2", cluster.Storage)), cluster.Storage)
	must(t, err)
	foreign, err := os.ReadFile(filepath.Join(other, "certificate.pem"))
	must(t, err)
	for name, c := range map[string]struct {
		file    string
		content string
		text    string
	}{
		"key":                      {"key.pem", "garbage", "key.pem is damaged"},
		"certificate":              {"certificate.pem", "", "certificate.pem is damaged"},
		"certificate of other key": {"certificate.pem", string(foreign), "not for the key"},
		"roots":                    {"roots.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "roots.pem is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := p.open(dir, p.config(p.token("s1", cluster.Storage)), cluster.Storage)
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, c.file), []byte(c.content), 0o600))
			_, err = p.open(dir, p.config(""), cluster.Storage)
			wantText(t, err, c.text, "join this node anew")
		})
	}
	must(t, os.Chmod(filepath.Join(other, "key.pem"), 0o644))
	_, err = p.open(other, p.config(""), cluster.Storage)
	wantText(t, err, "can be read by others", "chmod 600")
}
