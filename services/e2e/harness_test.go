package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary returns the path of a built program.
func binary(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Fatalf("%s is not set: run `make test-e2e`", variable)
	}
	return path
}

// server is a running `esmon serve` with its data directory.
type server struct {
	t    *testing.T
	dir  string
	args []string
	env  []string // on top of the test's own, for the next start
	cmd  *exec.Cmd
	out  *output
	gone chan error // receives the exit of the running process

	http, grpc string // bound addresses; kept over restarts
}

// startServer starts a server on free ports in a directory of the test's own.
func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), http: "127.0.0.1:0", grpc: "127.0.0.1:0", out: &output{}, args: args}
	s.start()
	t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
		if t.Failed() {
			t.Logf("output of the server:\n%s", s.out.tail(6000))
		}
	})
	return s
}

// start starts the process and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	endpoints := filepath.Join(s.dir, "endpoints.json")
	if err := os.Remove(endpoints); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	args := append([]string{"serve", "--data-dir", s.dir, "--http", s.http, "--grpc", s.grpc}, s.args...)
	cmd := exec.Command(binary(s.t, "ESMON_BIN"), args...)
	cmd.Env = append(os.Environ(), s.env...)
	s.launch(cmd)
	eventually(s.t, 60*time.Second, "the server is ready", func() error {
		select {
		case err := <-s.gone:
			s.gone <- err
			s.t.Fatalf("the server ended: %v\n%s", err, s.out.tail(4000))
		default:
		}
		if err := s.readEndpoints(endpoints); err != nil {
			return err
		}
		return getOK(s.url() + "/readyz")
	})
}

func (s *server) launch(cmd *exec.Cmd) {
	s.t.Helper()
	cmd.Stdout, cmd.Stderr = s.out, s.out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.cmd, s.gone = cmd, make(chan error, 1)
	go func(gone chan error) { gone <- cmd.Wait() }(s.gone)
}

func (s *server) readEndpoints(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var e struct{ HTTP, GRPC string }
	if err := json.Unmarshal(b, &e); err != nil {
		return err
	}
	s.http, s.grpc = e.HTTP, e.GRPC
	return nil
}

func (s *server) url() string { return "http://" + s.http }

// kill ends the process as a power switch would, as far as a process can tell.
func (s *server) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatal(err)
	}
	<-s.gone
	s.cmd = nil
}

// stop asks the process to drain and returns how it ended.
func (s *server) stop() error {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	return s.exit()
}

// exit waits for the end of a process that was asked to end.
func (s *server) exit() error {
	defer func() { s.cmd = nil }()
	select {
	case err := <-s.gone:
		return err
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill() // it is reported below
		return errors.New("not ended 30 s after SIGTERM")
	}
}

// esmon runs the command line against the server.
func (s *server) esmon(args ...string) (string, error) {
	s.t.Helper()
	return runProgram(s.t, "ESMON_BIN", append(args, "--data-dir", s.dir)...)
}

// token makes an enrolment token.
func (s *server) token(uses int) string {
	s.t.Helper()
	out, err := s.esmon("token", "create", "--uses", fmt.Sprint(uses))
	if err != nil {
		s.t.Fatalf("token create: %v\n%s", err, out)
	}
	return strings.TrimSpace(out)
}

// query evaluates PromQL through the Prometheus API and returns the values by
// the given label.
func (s *server) query(expr, by string) (map[string]string, error) {
	res, err := http.PostForm(s.url()+"/prometheus/api/v1/query", url.Values{"query": {expr}})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	out := make(map[string]string)
	for _, r := range answer.Data.Result {
		out[r.Metric[by]] = fmt.Sprint(r.Value[1])
	}
	return out, nil
}

// runProgram runs a program to its end and returns all it printed.
func runProgram(t *testing.T, variable string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t, variable), args...)
	var stdout, all bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, &all), &all
	if err := cmd.Run(); err != nil {
		return all.String(), err
	}
	return stdout.String(), nil
}

// eventually waits until f returns nil, and fails the test with its last error.
func eventually(t *testing.T, limit time.Duration, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func getOK(address string) error {
	res, err := http.Get(address)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1000)) // for the message only
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", address, res.Status, body)
	}
	return nil
}

// output keeps what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) tail(n int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.buf.Bytes()
	return string(b[max(0, len(b)-n):])
}
