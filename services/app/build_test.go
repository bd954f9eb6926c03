package app

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/esolutions/esmon/services/mtls"
)

// taken returns an address that somebody else listens on until the test ends.
func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAStartThatFailsReleasesEverything breaks each thing that Build opens, and
// then mends it: the directory must be as good as before.
func TestAStartThatFailsReleasesEverything(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breakIt func(t *testing.T, cfg *Config)
		want    []string // what the message says
	}{
		"cipher": {func(_ *testing.T, cfg *Config) { cfg.TLS.Cipher = "rot13" }, []string{"rot13"}},
		"database": {
			func(t *testing.T, cfg *Config) {
				write(t, filepath.Join(cfg.DataDir, "es_monitor.db"), strings.Repeat("no database. ", 1000))
			},
			[]string{"es_monitor.db", "restore a backup"},
		},
		"ingest log": {
			func(t *testing.T, cfg *Config) {
				write(t, filepath.Join(cfg.DataDir, "es_ingest.db"), strings.Repeat("no database. ", 1000))
			},
			[]string{"es_ingest.db"},
		},
		"keys": {
			func(t *testing.T, cfg *Config) {
				write(t, filepath.Join(cfg.DataDir, "pki", "ca.crt"), "no certificate")
			},
			[]string{"pki"},
		},
		"HTTP address": {
			func(t *testing.T, cfg *Config) { cfg.HTTP.Address = taken(t) },
			[]string{"http.address", "address already in use"},
		},
		"agents' address": {
			func(t *testing.T, cfg *Config) { cfg.GRPC.Address = taken(t) },
			[]string{"grpc.address", "address already in use"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := testConfig(t)
			bad := good
			c.breakIt(t, &bad)
			_, err := Build(t.Context(), bad, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal("it starts")
			}
			for _, text := range c.want {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not say %q", err, text)
				}
			}
			released(t, good.DataDir)
			mend(t, good.DataDir)
			if err := build(t, good).Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// mend removes the files that hold what the tests write.
func mend(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.HasPrefix(b, []byte("no ")) {
			err = os.Remove(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHTTPAddressIsFreeAfterTheAgentsIsNot is about what was taken before.
func TestHTTPAddressIsFreeAfterTheAgentsIsNot(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(t)
	cfg.HTTP.Address, cfg.GRPC.Address = l.Addr().String(), taken(t)
	_ = l.Close()
	if _, err := Build(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "grpc.address") {
		t.Fatalf("got %v", err)
	}
	released(t, cfg.DataDir, cfg.HTTP.Address)
}

func TestStartIsCutOff(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Build(ctx, cfg, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("it starts")
	}
	released(t, cfg.DataDir)
}

func TestDataDirectoryThatCannotBe(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	file := filepath.Join(cfg.DataDir, "file")
	write(t, file, "")
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		cfg.DataDir = dir
		_, err := Build(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "--data-dir (setting data_dir)") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestDataDirectoryOfSomebodyElse(t *testing.T) {
	t.Parallel()
	err := explainDirectory(&fs.PathError{Op: "open", Path: "d/lock", Err: fs.ErrPermission})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "run this as the user that owns the directory") {
		t.Errorf("got %v", err)
	}
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	cfg := testConfig(t)
	if err := os.Chmod(cfg.DataDir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestDataDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.DataDir = filepath.Join(cfg.DataDir, "a", "b")
	a := build(t, cfg)
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	err := filepath.WalkDir(cfg.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCiphers(t *testing.T) {
	t.Parallel()
	for _, c := range []mtls.Cipher{mtls.ChaCha20, mtls.System} {
		cfg := testConfig(t)
		cfg.TLS.Cipher = c
		if err := build(t, cfg).Close(); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
}
