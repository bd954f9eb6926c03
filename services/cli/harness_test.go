package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files")

// asProgram makes this test binary behave as esmon does, for the tests that need a
// process of their own.
const asProgram = "ESMON_TEST_AS_PROGRAM"

// shared is the server that the tests ask: one for all, as it is left by those that
// change something with names of their own only.
var shared struct{ dir, http, grpc string }

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(asProgram) != "" {
		os.Exit(Main(context.Background(), Program{Version: "1.2.3", Args: flag.Args(), Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}))
	}
	os.Exit(withServer(m.Run))
}

// withServer runs the tests while the shared server runs.
func withServer(tests func() int) int {
	dir, err := os.MkdirTemp("", "esmon-cli")
	if err != nil {
		return failed(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shared.dir = dir
	ctx, cancel := context.WithCancel(context.Background())
	ended, greeted := make(chan int, 1), newWatcher("A first question")
	var log bytes.Buffer
	go func() {
		ended <- Main(ctx, Program{
			Version: "1.2.3", Args: []string{"serve", "--data-dir", dir, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"},
			Environ: []string{"ESMON_SELF_MONITORING_INTERVAL=0s"}, Stdout: greeted, Stderr: &log,
		})
	}()
	select {
	case code := <-ended:
		cancel()
		return failed(fmt.Errorf("the server ended with %d: %s", code, log.String()))
	case <-greeted.seen:
	}
	code := failed(readEndpoints(ctx))
	if code == 0 {
		code = tests()
	}
	cancel()
	if stopped := <-ended; stopped != exitOK {
		return failed(fmt.Errorf("the server ended with %d: %s", stopped, log.String()))
	}
	if code == 0 {
		code = failed(goleak.Find())
	}
	return code
}

// readEndpoints reads where the shared server is, once it answers.
func readEndpoints(ctx context.Context) error {
	var out bytes.Buffer
	if Main(ctx, Program{Args: []string{"status", "--data-dir", shared.dir}, Stdout: &out, Stderr: &out}) != exitOK {
		return fmt.Errorf("the server is not ready: %s", out.String())
	}
	b, err := os.ReadFile(filepath.Join(shared.dir, "endpoints.json"))
	if err != nil {
		return err
	}
	var e struct{ HTTP, GRPC string }
	if err := json.Unmarshal(b, &e); err != nil {
		return err
	}
	shared.http, shared.grpc = "http://"+e.HTTP, e.GRPC
	return nil
}

func failed(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// watcher is a writer that tells when a text was written.
type watcher struct {
	text string
	seen chan struct{}
	once sync.Once
	mu   sync.Mutex // guards have
	have bytes.Buffer
}

func newWatcher(text string) *watcher { return &watcher{text: text, seen: make(chan struct{})} }

func (s *watcher) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have.Write(b)
	if strings.Contains(s.have.String(), s.text) {
		s.once.Do(func() { close(s.seen) })
	}
	return len(b), nil
}

func (s *watcher) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have.String()
}

// result is what a command left.
type result struct {
	code        int
	out, errout string
}

// esmon runs a command against the shared server, unless args or environ say
// another.
func esmon(t *testing.T, args ...string) result {
	t.Helper()
	return esmonWith(t, []string{"ESMON_DATA_DIR=" + shared.dir}, args...)
}

func esmonWith(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var out, errout bytes.Buffer
	code := Main(t.Context(), Program{Version: "1.2.3", Args: args, Environ: environ, Stdout: &out, Stderr: &errout})
	return result{code, out.String(), errout.String()}
}

// ok is a command that must succeed and say nothing but its result.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	r := esmon(t, args...)
	if r.code != exitOK || r.errout != "" {
		t.Fatalf("esmon %s: exit code %d, %s", strings.Join(args, " "), r.code, r.errout)
	}
	return r.out
}

// bothWays runs a command over the control socket and over REST: what they print
// must be the same. It returns that.
func bothWays(t *testing.T, args ...string) result {
	t.Helper()
	socket := esmon(t, args...)
	rest := esmonWith(t, nil, append(args, "--server", shared.http)...)
	if socket != rest {
		t.Errorf("esmon %s:\nover the socket %+v\nover REST       %+v", strings.Join(args, " "), socket, rest)
	}
	return socket
}

var names atomic.Int64

// unique returns the name with a number that no other test of this process gets,
// a repeated one included: the shared server keeps what was made.
func unique(name string) string { return fmt.Sprintf("%s-%d", name, names.Add(1)) }

// golden compares with a file of testdata, which -update writes.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// fullDevice is standard output on a full disk.
type fullDevice struct{}

func (fullDevice) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
