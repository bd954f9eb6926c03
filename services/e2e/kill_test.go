package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/fleetsim"
)

// TestKillLosesNothing kills the server at random moments under load: what was
// acknowledged must be there exactly once, by count and by value. The default is
// what fits a test run; ESMON_CHAOS_KILLS makes it longer.
func TestKillLosesNothing(t *testing.T) {
	kills := setting(t, "ESMON_CHAOS_KILLS", 20)
	seed := uint64(setting(t, "ESMON_CHAOS_SEED", int(time.Now().UnixNano()&0xffffff)))
	t.Logf("%d kills, ESMON_CHAOS_SEED=%d", kills, seed)
	random := rand.New(rand.NewPCG(seed, 0))

	s := startServer(t)
	cfg := fleetsim.DefaultConfig()
	cfg.Agents, cfg.Series, cfg.Interval = 200, 100, time.Second // 20,000 samples/s
	cfg.Address, cfg.Token = s.grpc, s.token(cfg.Agents)
	cfg.Duration = time.Hour // ended by the last kill
	fleet, err := fleetsim.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	making, enough := context.WithCancel(t.Context())
	defer enough()
	type result struct {
		report fleetsim.Report
		err    error
	}
	done := make(chan result, 1)
	go func() {
		report, err := fleet.RunUntil(t.Context(), making)
		done <- result{report, err}
	}()

	for kill := range kills {
		before := fleet.Samples()
		eventually(t, 60*time.Second, fmt.Sprintf("samples are acknowledged before kill %d", kill+1), func() error {
			if n := fleet.Samples() - before; n < 10_000 {
				return fmt.Errorf("%d samples so far", n)
			}
			return nil
		})
		time.Sleep(time.Duration(random.Int64N(int64(2 * time.Second))))
		broken := fleet.Reconnects()
		s.kill()
		eventually(t, 30*time.Second, "the fleet notices the kill", func() error {
			if n := fleet.Reconnects() - broken; n < int64(cfg.Agents)/2 {
				return fmt.Errorf("%d streams broke", n)
			}
			return nil
		})
		s.start()
	}
	enough()
	got := <-done
	if got.err != nil || got.report.Refused > 0 {
		t.Fatalf("after %d kills: %v; %+v", kills, got.err, got.report)
	}
	v, err := fleet.Verify(t.Context(), s.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills: %d samples acknowledged at %.0f samples/s, %d found, %d differences, %d streams broke",
		kills, v.Samples, float64(v.Samples)/got.report.Took.Seconds(), v.Found, v.Differences, got.report.Reconnects)
	if v.Differences > 0 || v.Found != v.Samples || v.Samples == 0 {
		t.Errorf("the ledger and the store differ: %+v", v)
	}
}

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
