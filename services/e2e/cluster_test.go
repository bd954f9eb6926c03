package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/e2e/chaos"
	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/fleetsim"
)

// startPlatform starts the platform as several processes for one test.
func startPlatform(t *testing.T, o platform.Options) *platform.Platform {
	t.Helper()
	o.Bin, o.Dir = binary(t, "ESMON_BIN"), t.TempDir()
	p, err := platform.Start(t.Context(), o)
	t.Cleanup(func() {
		if t.Failed() {
			for _, x := range p.Processes() {
				if x != nil {
					t.Logf("output of %s:\n%s", x.Name, x.Tail(6000))
				}
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// load is a fleet that sends until it is told to stop.
type load struct {
	*fleetsim.Fleet
	stop context.CancelFunc
	done chan error
}

// startLoad starts a fleet of agents with 100 series each.
func startLoad(t *testing.T, p *platform.Platform, agents int, interval time.Duration) *load {
	t.Helper()
	token, err := p.Token(t.Context(), agents)
	if err != nil {
		t.Fatal(err)
	}
	cfg := fleetsim.DefaultConfig()
	cfg.Agents, cfg.Series, cfg.Interval = agents, 100, interval
	cfg.Address, cfg.Token, cfg.Duration, cfg.Drain = p.AgentsAddress(), token, 24*time.Hour, 3*time.Minute
	f, err := fleetsim.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	making, stop := context.WithCancel(t.Context())
	l := &load{Fleet: f, stop: stop, done: make(chan error, 1)}
	go func() {
		report, err := f.RunUntil(t.Context(), making)
		if err == nil && report.Refused > 0 {
			err = fmt.Errorf("%d frames were refused: %s", report.Refused, report.LastError)
		}
		l.done <- err
	}()
	t.Cleanup(stop)
	return l
}

// finish ends the load and compares the ledger with what the platform answers.
func (l *load) finish(t *testing.T, url string) fleetsim.Verification {
	t.Helper()
	l.stop()
	if err := <-l.done; err != nil {
		t.Fatal(err)
	}
	v, err := l.Verify(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestClusterLosesNothing breaks each part of a clustered platform under load: what
// was acknowledged must be there exactly once. ESMON_CHAOS_MINUTES makes it a long
// run with every fault there is, whose report goes to the file ESMON_CHAOS_REPORT.
func TestClusterLosesNothing(t *testing.T) {
	minutes := setting(t, "ESMON_CHAOS_MINUTES", 0)
	seed := uint64(setting(t, "ESMON_CHAOS_SEED", rand.IntN(1<<24)))
	t.Logf("ESMON_CHAOS_SEED=%d", seed)
	p := startPlatform(t, platform.Options{
		Brokers: 3, Standby: true, Collectors: 2, Storage: 2,
		// Cuts and moves so often that faults come amid them.
		Env: []string{"ESMON_TSDB_CUT_EVERY=5s", "ESMON_GRPC_CONNECTION_AGE=30s", "ESMON_STORAGE_UPKEEP_INTERVAL=5s"},
	})
	agents := 100 // 25,000 samples a second
	if minutes > 0 {
		agents = 240 // 60,000, so that 50,000 are left with all outages
	}
	l := startLoad(t, p, agents, 400*time.Millisecond)
	r := chaos.New(p, l.Fleet, seed, t.Logf)
	began := time.Now()
	if minutes > 0 {
		longChaos(t, r, time.Duration(minutes)*time.Minute)
	} else {
		shortChaos(t, r)
	}
	took := time.Since(began)
	v := l.finish(t, p.URL())
	rate := float64(v.Samples) / took.Seconds()
	t.Logf("%d faults in %s: %d samples acknowledged, %.0f a second, %d found, %d differences", len(r.Entries), took.Round(time.Second), v.Samples, rate, v.Found, v.Differences)
	if v.Differences > 0 || v.Found != v.Samples || v.Samples == 0 {
		t.Errorf("the ledger and the store differ: %+v", v)
	}
	if path := os.Getenv("ESMON_CHAOS_REPORT"); path != "" {
		if err := os.WriteFile(path, []byte(chaosReport(r, seed, took, v)), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// shortChaos does the faults that are most different from each other.
func shortChaos(t *testing.T, r *chaos.Runner) {
	t.Helper()
	short := []string{"collector kill", "collector partition", "storage kill", "storage stop", "broker kill", "broker disk full", "postgres failover", "postgres lagging failover"}
	var faults []*chaos.Fault
	for _, f := range chaos.All() {
		if slices.Contains(short, f.Name()) {
			faults = append(faults, f)
		}
	}
	if len(faults) != len(short) {
		t.Fatalf("%d of %d faults are known", len(faults), len(short))
	}
	for _, f := range r.Shuffled(faults, 1) {
		if err := r.Do(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
}

// longChaos does every fault again and again until the time is over, each at least
// ten times.
func longChaos(t *testing.T, r *chaos.Runner, d time.Duration) {
	t.Helper()
	const least = 10
	end := time.Now().Add(d)
	for round := 0; round < least || time.Now().Before(end); round++ {
		for _, f := range r.Shuffled(chaos.All(), 1) {
			if err := r.Do(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			r.Rest(t.Context(), 10*time.Second)
		}
	}
}

// chaosReport says what was done, for people.
func chaosReport(r *chaos.Runner, seed uint64, took time.Duration, v fleetsim.Verification) string {
	type sum struct {
		n     int
		took  time.Duration
		worst time.Duration
	}
	sums := map[string]*sum{}
	for _, e := range r.Entries {
		s := sums[e.Fault]
		if s == nil {
			s = &sum{}
			sums[e.Fault] = s
		}
		s.n++
		s.took += e.Took
		s.worst = max(s.worst, e.Took)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %s, %d samples acknowledged (%.0f a second), %d found, %d differences\n\n| fault | times | until all was ready again, mean | worst |\n|---|---|---|---|\n",
		seed, took.Round(time.Second), v.Samples, float64(v.Samples)/took.Seconds(), v.Found, v.Differences)
	for _, f := range chaos.All() {
		if s := sums[f.Name()]; s != nil {
			fmt.Fprintf(&b, "| %s | %d | %.1f s | %.1f s |\n", f.Name(), s.n, (s.took / time.Duration(s.n)).Seconds(), s.worst.Seconds())
		}
	}
	return b.String()
}
