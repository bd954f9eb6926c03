package cli

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// TestNoServer checks what everybody reads who asks before starting, or in the
// wrong directory.
func TestNoServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, command := range []string{"status", "query up", "token create", "token list", "token revoke x", "agents", "agents list", "agents show x", "agents tag x a=b", "agents revoke x"} {
		args := append(strings.Fields(command), "--data-dir", filepath.Join(dir, "none"))
		want := "esmon: no server runs on the data directory " + filepath.Join(dir, "none") + ": start one with `esmon serve`, or name the right one with --data-dir DIR or --server URL\n"
		if got := esmon(t, args...); got != (result{exitFailed, "", want}) {
			t.Errorf("%s: %+v", command, got)
		}
	}
	if r := esmonWith(t, []string{"ESMON_DATA_DIR=" + dir}, "bench", "fleet"); r.code != exitFailed || !strings.Contains(r.errout, "find the server: open "+dir) {
		t.Errorf("bench fleet: %+v", r)
	}
}

func TestRESTThatIsNone(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	_ = l.Close()
	for url, want := range map[string]string{
		"http://" + closed:                               "cannot reach the server at " + closed + ": dial tcp " + closed + ": connect: connection refused",
		"http://" + shared.grpc:                          "cannot reach the server at " + shared.grpc,
		strings.Replace(shared.http, "http", "https", 1): "server gave HTTP response to HTTPS client",
		answering(t, 200, "<html>Welcome"):               "did not answer as an esmon server does; is the URL right?",
		answering(t, 404, "<html>Not here"):              "answered 404 Not Found, which is not how an esmon server says what is wrong; is the URL right?",
	} {
		if r := esmon(t, "status", "--server", url); r.code != exitFailed || r.out != "" || !strings.Contains(r.errout, want) || strings.Count(r.errout, "\n") != 1 {
			t.Errorf("%s: %+v", url, r)
		}
	}
	if r := esmon(t, "status", "--server", shared.http+"/"); r.code != exitOK {
		t.Errorf("a slash at the end: %+v", r)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	url := answering(t, 200, `{"version": "AUTHORIZATION", "ready": true}`)
	r := esmonWith(t, []string{"ESMON_SERVER=" + url, "ESMON_TOKEN=s3cret"}, "status")
	if r.code != exitOK || !strings.Contains(r.out, "Bearer s3cret") {
		t.Errorf("%+v", r)
	}
	if r := esmonWith(t, []string{"ESMON_SERVER=" + url}, "status", "--server", shared.http); !strings.Contains(r.out, "1.2.3") {
		t.Errorf("the flag does not win: %+v", r)
	}
	if r := esmonWith(t, []string{"ESMON_DATA_DIR=nowhere"}, "status", "--data-dir", shared.dir); r.code != exitOK {
		t.Errorf("the flag does not win: %+v", r)
	}
	if r := esmonWith(t, []string{"ESMON_DATA_DIR="}, "status"); !strings.Contains(r.errout, "./data") {
		t.Errorf("an empty variable: %+v", r)
	}
}

// silent is a server that takes requests and never answers; asked is closed at the
// first.
func silent(t *testing.T) (url string, asked chan struct{}) {
	t.Helper()
	asked = make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	url, _ := silent(t)
	c := &connection{program: &Program{}, server: url, timeout: 50 * time.Millisecond}
	err := c.do(t.Context(), func(ctx context.Context, conn grpc.ClientConnInterface) error {
		_, err := statusv1.NewStatusServiceClient(conn).GetStatus(ctx, &statusv1.GetStatusRequest{})
		return err
	})
	if err == nil || err.Error() != "the server did not answer within 50ms" {
		t.Errorf("got %v", err)
	}
}

func TestInterruptedCommand(t *testing.T) {
	t.Parallel()
	url, asked := silent(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	var out, errout bytes.Buffer
	code := Main(ctx, Program{Args: []string{"status", "--server", url}, Stdout: &out, Stderr: &errout})
	if code != exitFailed || errout.String() != "esmon: interrupted\n" || out.Len() > 0 {
		t.Errorf("exit code %d, %s", code, errout.String())
	}
}
