package query_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// startPrometheus starts a Prometheus that holds what the store holds and returns
// its address.
func startPrometheus(t *testing.T, p *plainStore) string {
	t.Helper()
	dir := t.TempDir()
	text, data, config := filepath.Join(dir, "data.om"), filepath.Join(dir, "data"), filepath.Join(dir, "prometheus.yml")
	writeOpenMetrics(t, p, text)
	if out, err := exec.CommandContext(t.Context(), tool(t, "promtool"), "tsdb", "create-blocks-from", "openmetrics", text, data).CombinedOutput(); err != nil {
		t.Fatalf("make blocks of the data: %v\n%s", err, out)
	}
	if err := os.WriteFile(config, []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	// The retention is such that blocks of long ago are not dropped at once.
	ended := startBound(t, dir, tool(t, "prometheus"), "--config.file="+config, "--storage.tsdb.path="+data,
		"--storage.tsdb.retention.time=100y", "--web.listen-address="+address, "--log.level=warn")
	if err := waitReady(t.Context(), "http://"+address+"/-/ready", ended); err != nil {
		t.Fatalf("start prometheus: %v", err)
	}
	return "http://" + address
}

// boundScript runs a command that ends when the standard input does.
const boundScript = `exec 3<&0; "$@" & pid=$!; { read -r _ <&3; kill $pid; } & wait $pid`

// startBound starts a command that ends with the test, and with the test's process
// however that ends. The channel is closed when the command ended.
func startBound(t *testing.T, dir string, command ...string) <-chan struct{} {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", boundScript, "sh"}, command...)...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, dir
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Cancel = input.Close
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is ended from here
		_ = log.Close()
	}()
	t.Cleanup(func() { // the test's context has ended before
		<-ended
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("output of %s:\n%s", command[0], text)
		}
	})
	return ended
}

// waitReady asks until the answer is 200.
func waitReady(ctx context.Context, url string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close() // nothing of it is wanted
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ended:
			return fmt.Errorf("it ended before it was ready")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// freeAddress returns an address of the loopback that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
