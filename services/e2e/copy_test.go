package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/fleetsim"
)

// TestCopyToCluster moves an installation of one process to several over RabbitMQ and
// PostgreSQL while its agents send or wait. The server is killed in the midst, so that
// its ingest log holds what nobody has stored; what was acknowledged before, and what
// agents kept meanwhile, must be there exactly once. Agents keep their certificates.
func TestCopyToCluster(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.kill()
	s.env = hurried // stored by cuts and merged
	s.start()
	cfg := fleetsim.DefaultConfig()
	cfg.Agents, cfg.Series, cfg.Interval, cfg.Backdate = 50, 100, 500*time.Millisecond, 3*time.Hour
	cfg.Address, cfg.Token, cfg.Duration, cfg.Drain = s.grpc, s.token(cfg.Agents), 24*time.Hour, 3*time.Minute
	fleet, err := fleetsim.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	making, stop := context.WithCancel(t.Context())
	defer stop()
	l := &load{Fleet: fleet, stop: stop, done: make(chan error, 1)}
	go func() {
		report, err := fleet.RunUntil(t.Context(), making)
		if err == nil && report.Refused > 0 {
			err = fmt.Errorf("%d frames were refused: %s", report.Refused, report.LastError)
		}
		l.done <- err
	}()
	l.awaitMore(t, 30_000)
	eventually(t, time.Minute, "a block is merged", func() error {
		if n := s.counter("esmon_tsdb_blocks_merged_total"); n == 0 {
			return errors.New("none is")
		}
		return nil
	})
	s.kill()
	s.env = nil // with the usual time between cuts: nearly all of this life is in the log only
	s.start()
	l.awaitMore(t, 30_000)
	s.kill()

	pg, err := pgtest.StartServer(t.Context(), pgtest.Options{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Remove() }) // if no platform did
	copyData := func() string { return runCopy(t, s.dir, pg.DSN("postgres")) }
	out := copyData()
	if !strings.Contains(out, "The copy is complete") || !strings.Contains(out, fmt.Sprintf(" %d agents", cfg.Agents)) {
		t.Errorf("copy printed %s", out)
	}
	if again := copyData(); !strings.Contains(again, "The copy was complete already") {
		t.Errorf("the second copy printed %s", again)
	}
	before := fleet.Samples()
	p := startPlatform(t, platform.Options{Storage: 2, ControlDir: s.dir, Postgres: pg, Agents: s.grpc})
	l.awaitMore(t, 30_000)
	v := l.finish(t, p.URL())
	t.Logf("%d samples were acknowledged before, %d in all, %d found, %d differences\n%s", before, v.Samples, v.Found, v.Differences, out)
	if v.Differences > 0 || v.Found != v.Samples || v.Samples <= before {
		t.Errorf("the ledger and the store differ: %+v", v)
	}
	for _, x := range p.Storage {
		if n, err := x.Metric(t.Context(), "esmon_storage_data_loss_total", ""); err != nil || n > 0 {
			t.Errorf("%s alarmed %v losses (%v)\n%s", x.Name, n, err, x.Tail(2000))
		}
	}
}

// awaitMore waits until so many more samples are acknowledged.
func (l *load) awaitMore(t *testing.T, samples int64) {
	t.Helper()
	before := l.Samples()
	eventually(t, time.Minute, "samples are acknowledged", func() error {
		if n := l.Samples() - before; n < samples {
			return fmt.Errorf("%d samples so far", n)
		}
		return nil
	})
}

// runCopy copies a data directory and returns what was printed.
func runCopy(t *testing.T, dir, dsn string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t, "ESMON_BIN"), "copy", "--from", "sqlite", "--to", "postgres", "--data-dir", dir)
	cmd.Env = append(os.Environ(), "ESMON_POSTGRES_DSN="+dsn)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("copy: %v\n%s", err, out)
	}
	return string(out)
}
