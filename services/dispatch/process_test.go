package dispatch_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/db/queuetable"
	"github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/dispatch"
)

// The environment of a process that delivers until it is killed.
const (
	victimDir = "DISPATCH_TEST_DIR"
	victimURL = "DISPATCH_TEST_URL"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		fmt.Println(victim(dir, os.Getenv(victimURL)))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// victim delivers from the database in the directory to the address.
func victim(dir, url string) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	q := db.Queue("dispatch", queuetable.DefaultConfig())
	if err := q.Recover(ctx); err != nil {
		return err
	}
	targets := map[string]dispatch.Target{}
	for _, name := range []string{"a", "b"} {
		targets[name] = dispatch.Target{Kind: "http", Receiver: poster(url)}
	}
	d, err := dispatch.New(quick(), dispatch.Deps{
		Outbox: db.Alerts(), Queue: q, Receivers: func() map[string]dispatch.Target { return targets }, Holder: "the only one",
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	fmt.Println("up")
	return d.Run(ctx)
}

// quick has little patience, for tests in real time.
func quick() dispatch.Config {
	cfg := dispatch.DefaultConfig()
	cfg.MinBackoff, cfg.BreakerPause, cfg.MaxBackoff, cfg.PollInterval = 100*time.Millisecond, 100*time.Millisecond, time.Second, 20*time.Millisecond
	return cfg
}

// poster sends the ID of a message.
type poster string

func (url poster) Send(ctx context.Context, m *alert.Message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(url), bytes.NewReader([]byte(m.ID)))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// sink counts what it got.
type sink struct {
	mu  sync.Mutex // guards what follows
	got map[string]int
	log []string
}

func (s *sink) take(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.got[id]++; s.got[id] == 1 {
		s.log = append(s.log, id)
	}
}

func (s *sink) count() (ids, doubled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.got {
		doubled += n - 1
	}
	return len(s.got), doubled
}

// ServeHTTP takes most messages and refuses some.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil || rand.IntN(10) == 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	s.take(body.String())
}

// launch starts a victim and waits until it delivers.
func launch(t *testing.T, dir, url string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), victimDir+"="+dir, victimURL+"="+url)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(cmd) })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "up\n" {
		t.Fatalf("the process says %q, %v", line, err)
	}
	return cmd
}

func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// TestKilledProcesses kills real processes, over a real database, again and again.
func TestKilledProcesses(t *testing.T) {
	t.Parallel()
	s := &sink{got: map[string]int{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	all := some(120)
	commit(t, db.Alerts(), all)
	kills := 0
	for end := time.Now().Add(5 * time.Minute); !delivered(t, db.Alerts()); kills++ {
		if time.Now().After(end) {
			got, _ := s.count()
			t.Fatalf("%d of %d were received", got, len(all))
		}
		round(t, s, dir, server.URL)
	}
	checkSink(t, s, all, kills)
}

// round lets a process deliver some, and kills it.
func round(t *testing.T, s *sink, dir, url string) {
	t.Helper()
	before, _ := s.count()
	cmd := launch(t, dir, url)
	defer end(cmd)
	enough := before + 1 + rand.IntN(40)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if now, _ := s.count(); now >= enough {
			return
		}
	}
}

// commit puts notifications into the outbox.
func commit(t *testing.T, store alert.Store, all []alert.Notification) {
	t.Helper()
	epoch, _, err := store.Lead(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].Payload, all[i].Created = []byte(`{"title":"t"}`), time.Now().UnixMilli()
	}
	if err := store.Commit(t.Context(), epoch, &alert.Commit{Notify: all}); err != nil {
		t.Fatal(err)
	}
}

func delivered(t *testing.T, outbox alert.OutboxStore) bool {
	t.Helper()
	left, err := outbox.Notifications(t.Context(), alert.NotificationPage{State: alert.Waiting, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return len(left) == 0
}

// checkSink checks that all came, in their order, and twice only what was on its way
// when a process was killed.
func checkSink(t *testing.T, s *sink, all []alert.Notification, kills int) {
	t.Helper()
	_, doubled := s.count()
	s.mu.Lock()
	defer s.mu.Unlock()
	place := map[string]int{}
	for i, id := range s.log {
		place[id] = i
	}
	last := map[string]int{}
	for i := range all {
		n := &all[i]
		at, ok := place[n.ID]
		if !ok {
			t.Errorf("%s was lost", n.ID)
		}
		if thread := n.Receiver + n.Order; at < last[thread] {
			t.Errorf("%s came before an earlier one of its order", n.ID)
		} else {
			last[thread] = at
		}
	}
	// Four orders, so four are on their way at most.
	if doubled > 4*kills {
		t.Errorf("%d came again, of %d kills", doubled, kills)
	}
	t.Logf("%d notifications, %d kills, %d came again", len(all), kills, doubled)
}
