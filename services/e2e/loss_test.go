package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
)

// TestDeletedStreamIsAlarmed deletes the stream while it holds what is not stored:
// that is lost, and nothing else, and the alarm says what.
func TestDeletedStreamIsAlarmed(t *testing.T) {
	p := startPlatform(t, platform.Options{})
	l := startLoad(t, p, 50, 400*time.Millisecond)
	acked(t, l, 100_000)
	storage := p.Storage[0]
	if err := storage.Stop(); err != nil { // it stores what it has read
		t.Fatal(err)
	}
	before := l.Samples()
	acked(t, l, 50_000)
	if err := p.MQ.Nodes[0].DeleteQueue(t.Context(), "/", "metrics.ingest"); err != nil {
		t.Fatal(err)
	}
	between := l.Samples() - before // at the most; some of it is acknowledged after
	acked(t, l, 50_000)
	if err := storage.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := storage.Metric(t.Context(), "esmon_storage_data_loss_total", `cause="gap"`); err != nil || n != 1 {
		t.Errorf("%v alarms of lost data, %v", n, err)
	}
	alarm := regexp.MustCompile(`DATA LOSS.*records from \d+ on: they were in the ingest log [0-9a-f]+, and this is another.*stored up to samples of \S+.*first record is of \S+`)
	if text := storage.Tail(1 << 20); !alarm.MatchString(text) {
		t.Errorf("no alarm with the span:\n%s", strings.Join(regexp.MustCompile(`(?m)^.*DATA LOSS.*$`).FindAllString(text, -1), "\n"))
	}
	v := l.finish(t, p.URL())
	lost := v.Samples - v.Found
	t.Logf("%d acknowledged, %d found; at most %d were in the stream when it was deleted", v.Samples, v.Found, between)
	if lost <= 0 || lost > between+10_000 {
		t.Errorf("%d samples are lost, at most %d were in the stream", lost, between)
	}
}

// TestStorageDownPastTheLogsLimits leaves storage stopped until the log may hold no
// more: agents are asked to wait, and nothing is lost.
func TestStorageDownPastTheLogsLimits(t *testing.T) {
	p := startPlatform(t, platform.Options{Env: []string{"ESMON_BUS_MAX_BYTES=8MiB", "ESMON_BUS_SEGMENT_BYTES=256KiB"}})
	l := startLoad(t, p, 50, 100*time.Millisecond)
	acked(t, l, 100_000)
	storage := p.Storage[0]
	if err := storage.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 3*time.Minute, "the collector takes nothing more", func() error {
		if v, err := p.Collectors[0].Metric(t.Context(), "esmon_collector_log_full", ""); err != nil || v != 1 {
			return fmt.Errorf("esmon_collector_log_full is %v, %w", v, err)
		}
		return nil
	})
	if err := storage.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	acked(t, l, 100_000)
	v := l.finish(t, p.URL())
	t.Logf("%+v", v)
	if v.Differences > 0 || v.Found != v.Samples {
		t.Errorf("the ledger and the store differ: %+v", v)
	}
	if n, err := storage.Metric(t.Context(), "esmon_storage_data_loss_total", ""); err != nil || n != 0 {
		t.Errorf("%v alarms of lost data, %v", n, err)
	}
}

// acked waits until so many more samples are acknowledged.
func acked(t *testing.T, l *load, n int64) {
	t.Helper()
	before := l.Samples()
	eventually(t, 3*time.Minute, fmt.Sprintf("%d samples are acknowledged", n), func() error {
		if got := l.Samples() - before; got < n {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
}
