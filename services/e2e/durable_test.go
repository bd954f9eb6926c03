package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/fleetsim"
)

// call is one system call on the ingest log's files, as strace saw it.
type call struct {
	name       string
	file       string
	begin, end time.Time
}

// TestAckFollowsSync watches the server's system calls: between the sending of
// each batch and its acknowledgement the ingest log's file must have been written
// and then synchronised, in this order and completely. One agent with one batch
// under way makes the order unambiguous.
func TestAckFollowsSync(t *testing.T) {
	t.Parallel()
	s := &server{t: t, dir: t.TempDir(), http: "127.0.0.1:0", grpc: "127.0.0.1:0", out: &output{}}
	trace := filepath.Join(t.TempDir(), "trace")
	s.startTraced(trace)

	cfg := fleetsim.DefaultConfig()
	cfg.Agents, cfg.Series, cfg.Window, cfg.Interval = 1, 100, 1, 50*time.Millisecond
	cfg.Address, cfg.Token, cfg.Moments, cfg.Duration = s.grpc, s.token(1), 100, 0
	var mu sync.Mutex
	var acks [][2]time.Time
	cfg.OnAck = func(sent, acked time.Time) {
		mu.Lock()
		defer mu.Unlock()
		acks = append(acks, [2]time.Time{sent, acked})
	}
	fleet, err := fleetsim.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fleet.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.stopTraced(); err != nil {
		t.Fatalf("the server ended with %v\n%s", err, s.out.tail(4000))
	}

	calls := readTrace(t, trace)
	if len(acks) != int(cfg.Moments) {
		t.Fatalf("%d acknowledgements, want %d", len(acks), cfg.Moments)
	}
	for i, a := range acks {
		if !syncedBetween(calls, a[0], a[1]) {
			t.Errorf("batch %d: acknowledged %s after it was sent, with no write and completed sync of the ingest log between", i+1, a[1].Sub(a[0]))
		}
	}
	t.Logf("%d acknowledgements, each after a completed sync; %d system calls on the ingest log", len(acks), len(calls))
}

// startTraced starts the server below strace.
func (s *server) startTraced(trace string) {
	s.t.Helper()
	program := binary(s.t, "ESMON_BIN")
	s.launch(exec.Command("strace", "-f", "-qq", "-ttt", "-T", "-y", "-o", trace, "-e", "trace=fsync,fdatasync,pwrite64,write",
		program, "serve", "--data-dir", s.dir, "--http", s.http, "--grpc", s.grpc))
	s.t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
	})
	eventually(s.t, 60*time.Second, "the traced server is ready", func() error {
		if err := s.readEndpoints(filepath.Join(s.dir, "endpoints.json")); err != nil {
			return err
		}
		return getOK(s.url() + "/readyz")
	})
}

// stopTraced asks the server to drain, and not strace, which would let go of it.
func (s *server) stopTraced() error {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "lock"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		s.t.Fatalf("the lock file holds %q: %v", b, err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	return s.exit()
}

// traced matches a whole call, and the two halves of one that another thread's
// line interrupted.
var (
	whole   = regexp.MustCompile(`^(\d+) +([\d.]+) (\w+)\(\d+<([^>]*)>.*\) += (-?\d+).*<([\d.]+)>$`)
	begun   = regexp.MustCompile(`^(\d+) +([\d.]+) (\w+)\(\d+<([^>]*)>.*<unfinished \.\.\.>$`)
	resumed = regexp.MustCompile(`^(\d+) +([\d.]+) <\.\.\. (\w+) resumed>.*\) += (-?\d+).*<([\d.]+)>$`)
)

// readTrace returns the successful calls on the ingest log's files.
func readTrace(t *testing.T, path string) []call {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var calls []call
	open := map[string]call{} // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := whole.FindStringSubmatch(line); m != nil && isLog(m[4]) && !strings.HasPrefix(m[5], "-") {
			begin := seconds(t, m[2])
			calls = append(calls, call{m[3], m[4], begin, begin.Add(duration(t, m[6]))})
		} else if m := begun.FindStringSubmatch(line); m != nil && isLog(m[4]) {
			open[m[1]] = call{name: m[3], file: m[4], begin: seconds(t, m[2])}
		} else if m := resumed.FindStringSubmatch(line); m != nil && open[m[1]].name == m[3] {
			c := open[m[1]]
			delete(open, m[1])
			c.end = c.begin.Add(duration(t, m[5]))
			if !strings.HasPrefix(m[4], "-") {
				calls = append(calls, c)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return calls
}

func isLog(path string) bool { return strings.HasPrefix(filepath.Base(path), "es_ingest.db") }

func seconds(t *testing.T, text string) time.Time {
	t.Helper()
	return time.Unix(0, 0).Add(duration(t, text))
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	whole, fraction, _ := strings.Cut(text, ".")
	s, err1 := strconv.ParseInt(whole, 10, 64)
	us, err2 := strconv.ParseInt(fraction, 10, 64)
	if err1 != nil || err2 != nil {
		t.Fatalf("strace printed the time %q", text)
	}
	return time.Duration(s)*time.Second + time.Duration(us)*time.Microsecond
}

// syncedBetween tells whether within the span a write was followed by a sync of
// the same file that began after the write had ended and ended before the span does.
func syncedBetween(calls []call, from, to time.Time) bool {
	const tick = time.Microsecond // strace's clock is cut to microseconds
	for _, w := range calls {
		isWrite := w.name == "pwrite64" || w.name == "write"
		if !isWrite || w.begin.Add(tick).Before(from) || w.end.After(to) {
			continue
		}
		for _, s := range calls {
			isSync := s.name == "fsync" || s.name == "fdatasync"
			if isSync && s.file == w.file && !s.begin.Add(tick).Before(w.end) && !s.end.After(to.Add(tick)) {
				return true
			}
		}
	}
	return false
}
