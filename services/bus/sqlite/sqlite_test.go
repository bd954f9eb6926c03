//go:build unix

package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/bustest"
	"github.com/esolutions/esmon/services/bus/sqlite"
)

// victimPath makes the test binary a process that publishes until it is killed.
const victimPath = "INGEST_LOG_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victimPath); path != "" {
		victim(path)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, path string, change func(*sqlite.Config)) *sqlite.Log {
	t.Helper()
	cfg := sqlite.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	l, err := sqlite.Open(t.Context(), path, cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// release says that everything before the offset is stored.
func release(t *testing.T, l *sqlite.Log, before int64) error {
	t.Helper()
	b, err := l.Bounds(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return l.Release(t.Context(), bus.Position{LogID: b.LogID, Offset: before})
}

func storage(path string) *bustest.Storage {
	return &bustest.Storage{
		Releases: true,
		Open: func(t *testing.T, maxBytes int64) bustest.Log {
			return open(t, path, func(c *sqlite.Config) {
				// Without checkpoints the file does not change while a test copies
				// it: what a process leaves when it ends is all of one moment.
				c.CheckpointBytes = 1 << 40
				if maxBytes > 0 {
					c.MaxBytes = maxBytes
				}
			})
		},
		Crash: func(t *testing.T) *bustest.Storage {
			to := filepath.Join(t.TempDir(), "es_ingest.db")
			for _, suffix := range []string{"", "-wal"} {
				b, err := os.ReadFile(path + suffix)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(to+suffix, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			return storage(to)
		},
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	bustest.Run(t, func(t *testing.T) *bustest.Storage { return storage(filepath.Join(t.TempDir(), "es_ingest.db")) })
}

// victim publishes from several goroutines, prints what was confirmed, and
// releases some of it, until it is killed.
func victim(path string) {
	cfg := sqlite.DefaultConfig()
	cfg.CheckpointBytes = 256 << 10 // often
	l, err := sqlite.Open(context.Background(), path, cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for p := range 4 {
		go func() {
			for i := 0; ; i++ {
				rec := fmt.Sprintf("%d-%d-%d:%s", os.Getpid(), p, i, strings.Repeat("x", rand.IntN(40_000)))
				if err := l.Publish(context.Background(), 0, []byte(rec)); err != nil {
					fmt.Println("error", err)
				}
				name, _, _ := strings.Cut(rec, ":")
				_, _ = os.Stdout.WriteString("ok " + name + "\n")
			}
		}()
	}
	select {}
}

func TestNothingConfirmedIsLostByKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "es_ingest.db")
	confirmed := map[string]bool{}
	for range 6 {
		runVictim(t, path, confirmed)
		l := open(t, path, nil)
		checkThere(t, l, confirmed)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(confirmed) < 20 {
		t.Fatalf("only %d records were confirmed", len(confirmed))
	}
}

func runVictim(t *testing.T, path string, confirmed map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), victimPath+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var once sync.Once
	for lines.Scan() {
		what, name, _ := strings.Cut(lines.Text(), " ")
		if what != "ok" {
			t.Errorf("victim: %s", lines.Text())
			break
		}
		confirmed[name] = true
		once.Do(func() {
			time.AfterFunc(time.Duration(50+rand.IntN(250))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		})
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func checkThere(t *testing.T, l *sqlite.Log, confirmed map[string]bool) {
	t.Helper()
	b, err := l.Bounds(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Read(t.Context(), 0, b.First)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	there := map[string]bool{}
	for o := b.First; o < b.Next; o++ {
		rec, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := bytes.Cut(rec.Payload, []byte(":"))
		if there[string(name)] {
			t.Errorf("record %s is there twice", name)
		}
		there[string(name)] = true
	}
	for name := range confirmed {
		if !there[name] {
			t.Errorf("record %s was confirmed and is gone", name)
		}
	}
}

func TestFullByAge(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var mu sync.Mutex
	l := open(t, filepath.Join(t.TempDir(), "l.db"), func(c *sqlite.Config) {
		c.MaxAge = time.Hour
		c.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	step := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	put := func() error { return l.Publish(t.Context(), 0, []byte("x")) }
	if err := put(); err != nil {
		t.Fatal(err)
	}
	step(59 * time.Minute)
	if err := put(); err != nil {
		t.Fatal(err)
	}
	step(2 * time.Minute)
	if err := put(); !errors.Is(err, bus.ErrFull) {
		t.Errorf("with a record of 61 minutes: %v", err)
	}
	if err := release(t, l, 2); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil {
		t.Errorf("after the old record was released: %v", err)
	}
	if b, _ := l.Bounds(t.Context(), 0); now.Sub(b.Oldest) > 3*time.Minute {
		t.Errorf("oldest %v", b.Oldest)
	}
}

func TestSpaceIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "l.db")
	l := open(t, path, func(c *sqlite.Config) { c.CheckpointBytes, c.FreeBytes = 512<<10, 1<<20 })
	rec := make([]byte, 100<<10)
	for range 200 { // 20 MB, 2 MB kept at a time
		if err := l.Publish(t.Context(), 0, rec); err != nil {
			t.Fatal(err)
		}
		if b, _ := l.Bounds(t.Context(), 0); b.Bytes > 2<<20 {
			if err := release(t, l, b.Next); err != nil {
				t.Fatal(err)
			}
		}
	}
	for suffix, limit := range map[string]int64{"": 8 << 20, "-wal": 8 << 20} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > limit {
			t.Errorf("%q has %d bytes", suffix, info.Size())
		}
	}
}

func TestSpaceIsGivenBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "l.db")
	l := open(t, path, func(c *sqlite.Config) { c.FreeBytes = 1 << 20 })
	for range 200 {
		if err := l.Publish(t.Context(), 0, make([]byte, 100<<10)); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := l.Bounds(t.Context(), 0)
	if err := release(t, l, b.Next); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 3<<20 {
		t.Errorf("%d bytes are left of an empty log", info.Size())
	}
}

func TestReaderBehindTheTailReadsTheFile(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "l.db"), func(c *sqlite.Config) { c.TailBytes = 1000 })
	r, err := l.Read(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 700 {
		if err := l.Publish(t.Context(), 0, fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 100))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 700 {
		rec, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, _, _ := strings.Cut(string(rec.Payload), " "); got != fmt.Sprint(i) || rec.Offset != int64(i+1) {
			t.Fatalf("record %d: %s at %d", i, got, rec.Offset)
		}
	}
}

func TestForeignAndDamagedFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		says string
	}{
		{"text", func(t *testing.T, path string) { write(t, path, bytes.Repeat([]byte("no database "), 1000)) }, "damaged"},
		{"a damaged page", func(t *testing.T, path string) {
			l := open(t, path, nil)
			for range 50 {
				if err := l.Publish(t.Context(), 0, make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			_ = l.Close()
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 16384; i < len(b); i += 16384 { // every page but the first
				copy(b[i:], bytes.Repeat([]byte{0xee}, 200))
			}
			write(t, path, b)
		}, "damaged"},
		{"another program's database", func(t *testing.T, path string) { execute(t, path, `CREATE TABLE t (x)`) }, "holds something else"},
		{"a newer schema", func(t *testing.T, path string) {
			_ = open(t, path, nil).Close()
			execute(t, path, `PRAGMA user_version = 99`)
		}, "version 99"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "es_ingest.db")
			c.make(t, path)
			l, err := sqlite.Open(t.Context(), path, sqlite.DefaultConfig(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
			if err == nil {
				_ = l.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move") {
				t.Errorf("message: %v", err)
			}
		})
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestConfigNamesTheSetting(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*sqlite.Config){
		"max_bytes":        func(c *sqlite.Config) { c.MaxBytes = 5 },
		"max_age":          func(c *sqlite.Config) { c.MaxAge = 0 },
		"tail_bytes":       func(c *sqlite.Config) { c.TailBytes = -1 },
		"checkpoint_bytes": func(c *sqlite.Config) { c.CheckpointBytes = 1 },
		"free_bytes":       func(c *sqlite.Config) { c.FreeBytes = -1 },
	} {
		cfg := sqlite.DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{2 << 10, 100 << 10} {
		for _, follow := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dB/follow=%v", size, follow), func(b *testing.B) { benchmarkPublish(b, size, follow) })
		}
	}
}

func benchmarkPublish(b *testing.B, size int, follow bool) {
	l := open(b, filepath.Join(b.TempDir(), "l.db"), nil)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(b.Context())
	if follow {
		r, err := l.Read(ctx, 0, 1)
		if err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			for {
				if _, err := r.Next(ctx); err != nil {
					return
				}
			}
		})
	}
	rec := make([]byte, size)
	for i := range rec {
		rec[i] = byte(rand.Int())
	}
	before := cpuTime()
	for b.Loop() {
		if err := l.Publish(ctx, 0, rec); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
	b.SetBytes(int64(size))
	cancel()
	wg.Wait()
}

// TestFewBytesLeft checks that nothing is taken while the disk is nearly full, and
// that it is taken again when it is not.
func TestFewBytesLeft(t *testing.T) {
	t.Parallel()
	now, left := time.Now(), int64(1<<30)
	cfg := sqlite.DefaultConfig()
	cfg.Now = func() time.Time { return now }
	cfg.Free = func() (int64, error) { return left, nil }
	l, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "log.db"), cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, step := range []struct {
		left int64
		full bool
	}{{1 << 30, false}, {1 << 20, true}, {cfg.MinFreeBytes, false}} {
		left, now = step.left, now.Add(2*time.Second)
		err := l.Publish(t.Context(), 0, []byte("record"))
		if errors.Is(err, bus.ErrFull) != step.full || !step.full && err != nil {
			t.Errorf("with %d bytes left: %v", step.left, err)
		}
		if step.full && !strings.Contains(err.Error(), "min_free_bytes") {
			t.Errorf("the message names no setting: %v", err)
		}
	}
}
