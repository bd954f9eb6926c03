package uplink_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/agent/uplink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var schema = probe.Schema(probe.Gauge("esmon.test.value", "1", "A value."), probe.Counter("esmon.test.count", "1", "A count."))

// rig is an agent without probes: a test puts its readings.
type rig struct {
	t      *testing.T
	dir    string
	server *agenttest.Server
	spool  *spool.Spool
	writer *spool.Writer
	store  *enrol.Store
	uplink *uplink.Uplink
	log    *logText

	mu   sync.Mutex // guards what follows
	put  map[agenttest.Sample]uint64
	seq  int64
	stop func()
}

// logText is the log of a rig.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// quick are settings for tests.
func quick(servers ...string) uplink.Config {
	c := uplink.DefaultConfig()
	c.Servers = servers
	c.Version = "test"
	c.Host = enrol.Facts{HostName: "h", HostID: "id", OSType: "linux", Arch: "amd64"}
	c.SteadyAfter = 10 * time.Millisecond
	c.BackoffBase, c.BackoffMax, c.RefusedRetry, c.RenewRetry = 5*time.Millisecond, 50*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
	return c
}

// direct is a dialer without a proxy.
func direct(t *testing.T) *collectors.Dialer { return dialer(t, collectors.Config{}) }

func dialer(t *testing.T, cfg collectors.Config) *collectors.Dialer {
	t.Helper()
	d, err := collectors.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func newRig(t *testing.T, change func(*uplink.Config)) *rig {
	t.Helper()
	s := agenttest.New(t)
	return enrolRig(t, s, t.TempDir(), change)
}

func enrolRig(t *testing.T, s *agenttest.Server, dir string, change func(*uplink.Config)) *rig {
	t.Helper()
	i, err := enrol.Enrol(t.Context(), direct(t), []string{s.Addr()}, s.Token, "", enrol.Facts{HostName: "h"})
	if err != nil {
		t.Fatal(err)
	}
	if err := enrol.Save(dir, i); err != nil {
		t.Fatal(err)
	}
	return openRig(t, s, dir, change)
}

// openRig opens what is in the state directory.
func openRig(t *testing.T, s *agenttest.Server, dir string, change func(*uplink.Config)) *rig {
	t.Helper()
	return openRigOver(t, direct(t), s, dir, change)
}

// openRigOver does so with a dialer of the test.
func openRigOver(t *testing.T, dialer *collectors.Dialer, s *agenttest.Server, dir string, change func(*uplink.Config)) *rig {
	t.Helper()
	r := &rig{t: t, dir: dir, server: s, put: map[agenttest.Sample]uint64{}, log: &logText{}, stop: func() {}}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(r.log, t.Output()), &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.store, err = enrol.OpenStore(dir); err != nil {
		t.Fatal(err)
	}
	cfg := spool.DefaultConfig()
	cfg.Path = filepath.Join(dir, "spool.db")
	if r.spool, err = spool.Open(t.Context(), cfg, time.Now, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.spool.Close() })
	r.writer = spool.NewWriter(spool.DefaultWriterConfig(), r.spool, log)
	uc := quick(s.Addr())
	if change != nil {
		change(&uc)
	}
	r.uplink = uplink.New(uc, r.spool, r.store, dialer, time.Now, log)
	t.Cleanup(func() { r.stop() })
	return r
}

// run starts the uplink.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.uplink.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				r.t.Errorf("run: %v", err)
			}
		case <-time.After(time.Minute):
			r.t.Error("the uplink does not stop")
		}
	})
}

// batch puts one batch of n readings and remembers its samples.
func (r *rig) batch(n int) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	c := spool.Collection{Probe: "test", Started: time.Now()}
	for i := range n {
		r.seq++
		device := fmt.Sprint("d", i)
		now := time.Now().UnixMilli()
		values := []float64{float64(r.seq), float64(-r.seq)}
		c.Readings = append(c.Readings, probe.Reading{Schema: schema, Labels: probe.Label("device", device), Time: now, Values: values})
		for k, column := range schema.Columns {
			r.put[agenttest.Sample{Series: fmt.Sprintf("%s{device=%q}", column.Name, device), Time: now}] = math.Float64bits(values[k])
		}
	}
	r.writer.Put(c)
	if err := r.writer.Flush(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	time.Sleep(time.Millisecond) // the next batch has another timestamp
}

// delivered waits until the spool is empty and compares what the server kept with
// what was put.
func (r *rig) delivered() {
	r.t.Helper()
	r.eventually("the spool is empty", func() bool { return r.spool.Stats().Batches == 0 })
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.server.Samples()
	missing := 0
	for s, v := range r.put {
		if g, ok := got[s]; !ok || g != v {
			missing++
		}
	}
	if missing > 0 || len(got) != len(r.put) {
		r.t.Errorf("%d of %d samples are missing or wrong; the server has %d", missing, len(r.put), len(got))
	}
}

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	r.t.Fatalf("never: %s; stats %+v", what, r.uplink.Stats())
}
