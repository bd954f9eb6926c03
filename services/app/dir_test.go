package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

func TestSecondServerOnADirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockDir(dir)
	if err == nil {
		t.Fatal("two hold the directory")
	}
	for _, text := range []string{fmt.Sprintf("process %d ", os.Getpid()), dir, "--data-dir"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDir(dir)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := again.release(); err != nil {
		t.Error(err)
	}
}

func TestLockInAMissingDirectory(t *testing.T) {
	t.Parallel()
	if _, err := lockDir(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "lock the data directory") {
		t.Errorf("got %v", err)
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := Endpoints{HTTP: "127.0.0.1:1", GRPC: "127.0.0.1:2"}
	for range 2 { // replaces
		if err := writeEndpoints(dir, want); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "endpoints.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got Endpoints
	if err := json.Unmarshal(b, &got); err != nil || got != want || !strings.Contains(string(b), `"grpc": "127.0.0.1:2"`) {
		t.Errorf("%v, %s", err, b)
	}
	for range 2 { // what is gone may be removed
		if err := removeEndpoints(dir); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestControlSocket(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{
		"short path": t.TempDir(),
		"long path":  filepath.Join(t.TempDir(), strings.Repeat("long", 30)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			leaveStaleSocket(t, dir)
			if _, err := DialControl(t.Context(), dir); !errors.Is(err, ErrNoServer) {
				t.Errorf("a socket that nobody listens on: %v", err)
			}
			stop := serveControl(t, dir)
			conn, err := DialControl(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := statusv1.NewStatusServiceClient(conn).GetStatus(t.Context(), &statusv1.GetStatusRequest{}); err != nil {
				t.Error(err)
			}
			info, err := os.Stat(filepath.Join(dir, "control.sock"))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, mode %v", err, info.Mode())
			}
			_ = conn.Close()
			stop()
			if _, err := os.Stat(filepath.Join(dir, "control.sock")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket stayed: %v", err)
			}
		})
	}
}

func serveControl(t *testing.T, dir string) (stop func()) {
	t.Helper()
	l, err := listenControl(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	statusv1.RegisterStatusServiceServer(s, ready{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return func() {
		s.Stop()
		if err := errors.Join(<-served, removeControl(dir)); err != nil {
			t.Error(err)
		}
	}
}

type ready struct {
	statusv1.UnimplementedStatusServiceServer
}

func (ready) GetStatus(context.Context, *statusv1.GetStatusRequest) (*statusv1.GetStatusResponse, error) {
	return &statusv1.GetStatusResponse{Ready: true}, nil
}

// leaveStaleSocket leaves what a killed process leaves.
func leaveStaleSocket(t *testing.T, dir string) {
	t.Helper()
	l, err := listenControl(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.(*net.UnixListener).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "control.sock")); err != nil {
		t.Fatalf("no stale socket: %v", err)
	}
}

func TestDialWithoutServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := DialControl(t.Context(), dir)
	if !errors.Is(err, ErrNoServer) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("got %v", err)
	}
}
