package collectors_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/services/mtls"
)

// call makes a call to the collector and returns why it failed. A collector
// answers that it has no such service: then it was reached.
func call(t *testing.T, d *collectors.Dialer, s *agenttest.Server, addr string) error {
	t.Helper()
	addresses, err := collectors.ParseAddresses([]string{addr})
	if err != nil {
		t.Fatal(err)
	}
	list, errs := d.Candidates(t.Context(), addresses)
	if len(errs) > 0 {
		return errs[0]
	}
	token, err := mtls.ParseToken(s.Token)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.Connect(list[0], mtls.PinnedClientConfig(token.Fingerprint, mtls.Options{}), 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{}, grpc.WaitForReady(false))
	if err != nil && strings.Contains(err.Error(), "unknown service") {
		return nil
	}
	return conn.Cause(err)
}

// Each thing that can be wrong with a proxy, and what is said of it.
func TestProxyTrouble(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	stopped := agenttest.NewProxy(t)
	stopped.Stop()
	with := func(change func(*agenttest.Proxy)) *agenttest.Proxy {
		p := agenttest.NewProxy(t)
		change(p)
		return p
	}
	asks := func() *agenttest.Proxy {
		return with(func(p *agenttest.Proxy) { p.User, p.Password = "user", "geheim" })
	}
	for _, c := range []struct {
		name, proxy, to, want string
		down                  bool
	}{
		{"unreachable", "http://user:geheim@" + stopped.Addr(), s.Addr(), "cannot be reached: dial tcp", true},
		{"no such host", "http://user:geheim@proxy.invalid:3128", s.Addr(), "cannot be reached", true},
		{"asks for a password", "http://" + asks().Addr(), s.Addr(), `asks for user and password (407, it offers "Basic realm=\"test\""): write them into the setting proxy`, true},
		{"another password", "http://user:geheimer@" + asks().Addr(), s.Addr(), "does not accept the user and password of the setting proxy (407", true},
		{"forbids", "http://" + with(func(p *agenttest.Proxy) { p.Status = 403 }).Addr(), s.Addr(), "answered CONNECT " + s.Addr() + ` with "403 Forbidden": allow this host to connect there`, false},
		{"cannot get there", "http://" + agenttest.NewProxy(t).Addr(), stopped.Addr(), `with "502 Bad Gateway": it could not get there itself`, false},
		{"no proxy", "http://" + agenttest.BlackHole(t, "127.0.0.1:0").Addr(), s.Addr(), "did not answer in time", true},
		{"resets", "http://" + agenttest.Resetter(t, "127.0.0.1:0").Addr(), s.Addr(), "the proxy http://", true}, // while connecting or behind it
		{"speaks no HTTP", "http://" + says(t, "SSH-2.0-OpenSSH_9.2\r\n", ""), s.Addr(), "does not answer as an HTTP proxy does", true},
		{"speaks for ever", "http://" + says(t, "HTTP/1.1 200 OK\r\nX: ", "x"), s.Addr(), "broke off before it answered", true},
		{"no TLS", "https://" + agenttest.NewProxy(t).Addr(), s.Addr(), "cannot be reached: TLS: ", true},
		{"TLS of somebody", "https://" + agenttest.NewTLSProxy(t).Addr(), s.Addr(), "cannot be reached: TLS: ", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := call(t, open(t, collectors.Config{Proxy: collectors.ProxySetting(c.proxy)}), s, c.to)
			e, ok := errors.AsType[*collectors.ProxyError](err)
			if !ok {
				t.Fatalf("error is %T: %v", err, err)
			}
			if !strings.Contains(e.Error(), c.want) || e.Down != c.down || strings.Contains(fmt.Sprintf("%+v %#v", e, e), "geheim") {
				t.Errorf("down %v: %v\nwant %v …%s…", e.Down, e, c.down, c.want)
			}
		})
	}
}

// says is a server that says this to everybody, and more for ever, if there is
// more.
func says(t *testing.T, text, more string) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			_, err = io.WriteString(conn, text)
			for more != "" && err == nil { // until the client breaks off
				_, err = io.WriteString(conn, strings.Repeat(more, 1000))
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = lis.Close(); <-done })
	return lis.Addr().String()
}

func TestProxyIsChosen(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	p := agenttest.NewProxy(t)
	p.Hosts = map[string]string{"a.example:8443": s.Addr()}
	environ := func(kv ...string) []string { return append([]string{"PATH=/bin"}, kv...) }
	dns := &agenttest.Resolver{}
	for _, c := range []struct {
		name    string
		setting collectors.ProxySetting
		environ []string
		to      string
		through bool
		want    string // of the error
	}{
		{"setting", collectors.ProxySetting("http://" + p.Addr()), nil, "a.example:8443", true, ""},
		{"setting, to loopback", collectors.ProxySetting("http://" + p.Addr()), nil, s.Addr(), true, ""},
		{"setting over the environment", collectors.ProxySetting("http://" + p.Addr()), environ("HTTPS_PROXY=http://127.0.0.1:1", "NO_PROXY=*"), "a.example:8443", true, ""},
		{"environment", "", environ("HTTPS_PROXY=http://" + p.Addr()), "a.example:8443", true, ""},
		{"environment, small", "", environ("https_proxy=" + p.Addr()), "a.example:8443", true, ""},
		{"environment, not for it", "", environ("HTTPS_PROXY=http://"+p.Addr(), "NO_PROXY=b.example,.example"), "a.example:8443", false, "no such host"},
		{"environment, never for loopback", "", environ("HTTPS_PROXY=http://" + p.Addr()), s.Addr(), false, ""},
		{"environment, that of HTTP", "", environ("HTTP_PROXY=http://" + p.Addr()), "a.example:8443", false, "no such host"},
		{"never", collectors.NoProxy, environ("HTTPS_PROXY=http://" + p.Addr()), "a.example:8443", false, "no such host"},
		{"environment, unusable", "", environ("HTTPS_PROXY=socks5://user:geheim@x"), "a.example:8443", false, "HTTPS_PROXY: socks5 proxies are not supported"},
		{"environment, nonsense", "", environ("HTTPS_PROXY=http://user:geheim@x:port"), "a.example:8443", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) { // one after the other: they count
			before := p.Through()
			err := call(t, open(t, collectors.Config{Proxy: c.setting, Environ: c.environ, Resolver: dns}), s, c.to)
			if through := p.Through() > before; through != c.through {
				t.Errorf("through the proxy: %v, want %v; error %v", through, c.through, err)
			}
			if (err == nil) != (c.want == "") && c.name != "environment, nonsense" || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "geheim")) {
				t.Errorf("error is %v, want …%s…", err, c.want)
			}
		})
	}
}

func TestSettingIsNotShown(t *testing.T) {
	t.Parallel()
	for setting, want := range map[collectors.ProxySetting]string{
		"": "", "none": "none", "http://proxy": "http://proxy:80", "https://user:geheim@proxy": "https://proxy:443",
		"http://user:geheim@[::1]:3128": "http://[::1]:3128", "user:geheim@proxy": "***", "http://user:geheim@%": "***",
	} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "proxy", setting)
		if text := log.String() + fmt.Sprintf("%v %+v %#v %s", setting, setting, setting, struct{ P collectors.ProxySetting }{setting}); strings.Contains(text, "geheim") {
			t.Errorf("it is shown: %s", text)
		}
		if setting.String() != want {
			t.Errorf("shown as %q, want %q", setting, want)
		}
	}
	if _, err := collectors.New(collectors.Config{Proxy: "ftp://user:geheim@x"}); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("error is %v", err)
	}
}
