package app

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m, stopBroker) }

// testConfig is a server on free ports in a directory of its own, which stores
// nothing that the test does not send.
func testConfig(t *testing.T) Config {
	t.Helper()
	cfg := DefaultConfig()
	cfg.DataDir = t.TempDir()
	cfg.HTTP.Address, cfg.GRPC.Address = "127.0.0.1:0", "127.0.0.1:0"
	cfg.SelfMonitoring.Interval = 0
	cfg.Version = "1.2.3"
	return cfg
}

func build(t *testing.T, cfg Config) *App {
	t.Helper()
	a, err := Build(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// start runs the app until stop is called, which returns what Run returned. The
// server answers when start returns.
func start(t *testing.T, a *App) (conn *grpc.ClientConn, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	conn, err := DialControl(t.Context(), a.cfg.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	status(t, conn)
	return conn, func() error {
		_ = conn.Close()
		cancel()
		return <-ended
	}
}

func status(t *testing.T, conn *grpc.ClientConn) *statusv1.GetStatusResponse {
	t.Helper()
	res, err := statusv1.NewStatusServiceClient(conn).GetStatus(t.Context(), &statusv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// get returns the status code, over a connection that is closed afterwards.
func get(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	return res.StatusCode
}

// released checks that nothing of a server is left but what it keeps.
func released(t *testing.T, dir string, addresses ...string) {
	t.Helper()
	for _, name := range []string{"control.sock", "endpoints.json", "endpoints.json.new", "es_monitor.db-wal", "es_ingest.db-wal"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	lock, err := lockDir(dir)
	if err != nil {
		t.Errorf("the directory is not free: %v", err)
	} else if err := lock.release(); err != nil {
		t.Error(err)
	}
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Errorf("the address is not free: %v", err)
			continue
		}
		_ = l.Close()
	}
}

func TestServerRunsAndStops(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	a := build(t, cfg)
	conn, stop := start(t, a)
	res := status(t, conn)
	if !res.GetReady() || res.GetVersion() != "1.2.3" || len(res.GetPartitions()) != 1 || res.GetDataBytes() == 0 {
		t.Errorf("got %v", res)
	}
	b, err := os.ReadFile(filepath.Join(cfg.DataDir, "endpoints.json"))
	var e Endpoints
	if err := errors.Join(err, json.Unmarshal(b, &e)); err != nil || e != a.Endpoints() || strings.HasSuffix(e.HTTP, ":0") || strings.HasSuffix(e.GRPC, ":0") {
		t.Errorf("%v, endpoints.json says %+v, want %+v", err, e, a.Endpoints())
	}
	for _, path := range []string{"/readyz", "/metrics", "/api/v1/status"} {
		if code := get(t, "http://"+e.HTTP+path); code != http.StatusOK {
			t.Errorf("%s answers %d", path, code)
		}
	}
	if c, err := net.Dial("tcp", e.GRPC); err != nil {
		t.Errorf("agents' port: %v", err)
	} else {
		_ = c.Close()
	}
	if err := stop(); err != nil {
		t.Errorf("Run returned %v", err)
	}
	released(t, cfg.DataDir, e.HTTP, e.GRPC)
	if _, err := DialControl(t.Context(), cfg.DataDir); !errors.Is(err, ErrNoServer) {
		t.Errorf("after the stop: %v", err)
	}
}

func TestStoppedBeforeItRan(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	a := build(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Errorf("Run returned %v", err)
	}
	released(t, cfg.DataDir, a.Endpoints().HTTP, a.Endpoints().GRPC)
}

func TestServerThatIsClosedWithoutARun(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	a := build(t, cfg)
	_, err := Build(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "already runs a server on the data directory "+cfg.DataDir) {
		t.Errorf("a second server: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(cfg.DataDir, "control.sock")); err != nil {
		t.Errorf("the second took the first one's socket with it: %v", err)
	}
	waiting, err := dialSocket(t.Context(), cfg.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = waiting.Close() }()
	for range 2 { // twice does no harm
		if err := a.Close(); err != nil {
			t.Errorf("Close returned %v", err)
		}
	}
	released(t, cfg.DataDir, a.Endpoints().HTTP, a.Endpoints().GRPC)
	_ = waiting.SetReadDeadline(time.Now().Add(30 * time.Second)) // reached only if the socket is still open
	if _, err := waiting.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("who waited on the control socket got %v", err)
	}
}

func TestAFailedPartEndsTheServer(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	a := build(t, cfg)
	broken, fail := errors.New("disk on fire"), make(chan struct{})
	a.add("a part of the test", func(ctx context.Context) error {
		select {
		case <-fail:
			return broken
		case <-ctx.Done():
			return nil
		}
	})
	ended := make(chan error, 1)
	go func() { ended <- a.Run(t.Context()) }()
	conn, err := DialControl(t.Context(), cfg.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	status(t, conn)
	_ = conn.Close()
	close(fail)
	if err := <-ended; !errors.Is(err, broken) || err.Error() != "a part of the test: disk on fire" {
		t.Errorf("Run returned %v", err)
	}
	released(t, cfg.DataDir, a.Endpoints().HTTP, a.Endpoints().GRPC)
}

// TestAPartThatDoesNotStop checks that the deadline ends the process' wait, and
// that what can be released is.
func TestAPartThatDoesNotStop(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.StopTimeout = time.Millisecond
	a := build(t, cfg)
	let, gone := make(chan struct{}), make(chan struct{})
	a.add("a stubborn part", func(context.Context) error { defer close(gone); <-let; return nil })
	_, stop := start(t, a)
	err := stop()
	if err == nil || !strings.Contains(err.Error(), "stop a stubborn part: not done within 1ms (setting stop_timeout)") {
		t.Errorf("Run returned %v", err)
	}
	close(let)
	<-gone
}
