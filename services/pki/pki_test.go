package pki_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, cfg pki.Config, now time.Time) *pki.Authority {
	t.Helper()
	a, err := tryOpen(dir, cfg, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryOpen(dir string, cfg pki.Config, now time.Time) (*pki.Authority, error) {
	return pki.Open(dir, cfg, func() time.Time { return now }, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func server(t *testing.T, a *pki.Authority) *x509.Certificate {
	t.Helper()
	c, err := a.ServerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

func TestFirstStartMakesTheAuthority(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "pki")
	a := open(t, dir, pki.DefaultConfig(), start)
	for name, want := range map[string]fs.FileMode{".": 0o700, "ca.key": 0o600, "ca.crt": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	again := open(t, dir, pki.DefaultConfig(), start.Add(day))
	if a.Fingerprint() != again.Fingerprint() || !bytes.Equal(a.RootsDER()[0], again.RootsDER()[0]) {
		t.Error("the second start made another authority")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("files %v, %v", entries, err)
	}
}

func TestServerCertificate(t *testing.T) {
	t.Parallel()
	cfg := pki.DefaultConfig()
	cfg.Names = []string{"esmon.example", "10.1.2.3", "localhost"}
	a := open(t, t.TempDir(), cfg, start)
	leaf := server(t, a)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "esmon.example", "10.1.2.3"} {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: a.Roots(), DNSName: name, CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: a.Roots(), CurrentTime: start, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err == nil {
		t.Error("a server's certificate verifies as a client's")
	}
	if host, err := os.Hostname(); err == nil && !slices.Contains(leaf.DNSNames, host) {
		t.Errorf("names %v lack %s", leaf.DNSNames, host)
	}
	if got := leaf.NotAfter.Sub(start); got != 90*day {
		t.Errorf("valid for %s", got)
	}
}

func TestServerCertificateIsRenewedWhileRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		a, err := pki.Open(t.TempDir(), pki.DefaultConfig(), nil, slog.New(slog.DiscardHandler), reg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()

		first := server(t, a)
		time.Sleep(59 * day)
		if server(t, a) != first {
			t.Error("renewed too early")
		}
		time.Sleep(2 * day) // two thirds of 91 days (backdated one) are over
		second := server(t, a)
		if second == first || time.Until(second.NotAfter) < 88*day {
			t.Errorf("not renewed: ends %v", second.NotAfter)
		}
		if got, want := gauge(t, reg, "server"), float64(second.NotAfter.Unix()); got != want {
			t.Errorf("metric of the expiry %v, want %v", got, want)
		}

		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The CA's certificate is renewed under its key: pins hold, and who knows only
// the old certificate still accepts what is issued under the new one.
func TestAuthorityIsRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, set := withClock(t, dir)
	pin, root := a.Fingerprint(), a.RootsDER()[0]
	now := set(7 * 365 * day)
	if err := a.Renew(); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.RootsDER()[0], root) || a.Fingerprint() != pin || len(a.RootsDER()) != 2 {
		t.Fatalf("not renewed under its key: %d roots", len(a.RootsDER()))
	}
	c, err := x509.ParseCertificate(root)
	if err != nil {
		t.Fatal(err)
	}
	old := x509.NewCertPool()
	old.AddCert(c)
	if _, err := server(t, a).Verify(x509.VerifyOptions{Roots: old, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
		t.Errorf("the new server certificate under the old root: %v", err)
	}
	if n := len(open(t, dir, pki.DefaultConfig(), now).RootsDER()); n != 2 {
		t.Errorf("%d roots after a restart", n)
	}
	set(14 * 365 * day) // the first one ended, the second is due
	if err := a.Renew(); err != nil {
		t.Fatal(err)
	}
	if n := len(a.RootsDER()); n != 2 {
		t.Errorf("%d roots, want the newest two", n)
	}
}

// withClock opens an authority and returns a func that sets its clock to a time
// after the start.
func withClock(t *testing.T, dir string) (*pki.Authority, func(time.Duration) time.Time) {
	t.Helper()
	var ahead atomic.Int64
	clock := func() time.Time { return start.Add(time.Duration(ahead.Load())) }
	a, err := pki.Open(dir, pki.DefaultConfig(), clock, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return a, func(d time.Duration) time.Time { ahead.Store(int64(d)); return clock() }
}

func gauge(t *testing.T, reg *prometheus.Registry, certificate string) float64 {
	t.Helper()
	if n, err := testutil.GatherAndCount(reg, "esmon_pki_certificate_expiry_timestamp_seconds"); err != nil || n != 2 {
		t.Fatalf("%d metrics, %v", n, err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == certificate {
			return m.GetGauge().GetValue()
		}
	}
	return 0
}

// A first start with the clock ahead must not lock everybody out for good.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pin := open(t, dir, pki.DefaultConfig(), start.Add(365*day)).Fingerprint()
	a := open(t, dir, pki.DefaultConfig(), start)
	if _, err := server(t, a).Verify(x509.VerifyOptions{Roots: a.Roots(), CurrentTime: start}); err != nil {
		t.Errorf("server certificate after the clock was set right: %v", err)
	}
	if a.Fingerprint() != pin {
		t.Error("the key changed")
	}
}

func TestDamagedFolders(t *testing.T) {
	t.Parallel()
	write := func(name, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   string
	}{
		"key lost":             {func(t *testing.T, dir string) { remove(t, dir, "ca.key") }, "restore the key from a backup"},
		"key empty":            {write("ca.key", ""), "holds no PRIVATE KEY block"},
		"key garbled":          {write("ca.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "ca.key is damaged"},
		"certificate empty":    {write("ca.crt", ""), "holds no CERTIFICATE block"},
		"certificate garbled":  {write("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "ca.crt is damaged"},
		"certificate of other": {copyFromOther("ca.crt"), "does not belong to ca.key"},
		"key readable": {func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, "ca.key"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "chmod 600"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			open(t, dir, pki.DefaultConfig(), start)
			c.damage(t, dir)
			_, err := tryOpen(dir, pki.DefaultConfig(), start)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A start that was killed between the two files goes on with the key.
func TestInterruptedFirstStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pin := open(t, dir, pki.DefaultConfig(), start).Fingerprint()
	remove(t, dir, "ca.crt")
	if got := open(t, dir, pki.DefaultConfig(), start).Fingerprint(); got != pin {
		t.Error("a new key was made")
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func copyFromOther(name string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		other := t.TempDir()
		open(t, other, pki.DefaultConfig(), start)
		data, err := os.ReadFile(filepath.Join(other, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := pki.DefaultConfig()
	good.Names = []string{"a.example", "::1", "host-1"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	bad := pki.Config{Names: []string{"https://x", "a:8443", ""}, AgentLife: time.Second, ServerLife: 1000 * day}
	err := bad.Validate()
	for _, want := range []string{`"https://x"`, `"a:8443"`, `""`, "agent_certificate_life: 1s", "server_certificate_life"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}

func TestSecondRegistrationIsReported(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	for i := range 2 {
		_, err := pki.Open(t.TempDir(), pki.DefaultConfig(), nil, slog.New(slog.DiscardHandler), reg)
		if (err != nil) != (i == 1) {
			t.Errorf("start %d: %v", i, err)
		}
		if already := (prometheus.AlreadyRegisteredError{}); i == 1 && !errors.As(err, &already) {
			t.Errorf("got %v", err)
		}
	}
}

func TestWorksWithMTLS(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), pki.DefaultConfig(), start)
	c, err := a.ServerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	config := mtls.ServerConfig(mtls.Options{Certificate: a.ServerCertificate, Roots: a.Roots, Now: func() time.Time { return start }})
	got, err := config.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil || got != c || len(got.Certificate) != 2 {
		t.Errorf("%v, %v", got, err)
	}
}
