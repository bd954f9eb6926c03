package e2e

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/fleetsim"
)

// hurried makes a server cut and merge every second, so that kills come in the
// midst of both.
var hurried = []string{"ESMON_TSDB_CUT_EVERY=1s", "ESMON_STORAGE_UPKEEP_INTERVAL=1s", "ESMON_STORAGE_LATE_CUTS=2", "ESMON_TSDB_RECENT_FOR=2s"}

// TestKillLosesNothing kills the server at random moments under load: what was
// acknowledged must be there exactly once, by count and by value. Every other life
// has the default settings, the ones between are hurried; the samples are those of
// yesterday, whose blocks are merged. The default is what fits a test run;
// ESMON_CHAOS_KILLS makes it longer.
func TestKillLosesNothing(t *testing.T) {
	kills := setting(t, "ESMON_CHAOS_KILLS", 20)
	seed := uint64(setting(t, "ESMON_CHAOS_SEED", int(time.Now().UnixNano()&0xffffff)))
	t.Logf("%d kills, ESMON_CHAOS_SEED=%d", kills, seed)
	random := rand.New(rand.NewPCG(seed, 0))

	s := startServer(t)
	cfg := fleetsim.DefaultConfig()
	cfg.Agents, cfg.Series, cfg.Interval = 200, 100, 400*time.Millisecond // 50,000 samples/s while the server is up
	cfg.Backdate = 24 * time.Hour
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

	cuts, merges := 0.0, 0.0
	for kill := range kills {
		before := fleet.Samples()
		eventually(t, 60*time.Second, fmt.Sprintf("samples are acknowledged before kill %d", kill+1), func() error {
			if n := fleet.Samples() - before; n < 10_000 {
				return fmt.Errorf("%d samples so far", n)
			}
			return nil
		})
		time.Sleep(time.Duration(random.Int64N(int64(2 * time.Second))))
		cuts, merges = cuts+s.counter("esmon_tsdb_cuts_total"), merges+s.counter("esmon_tsdb_blocks_merged_total")
		broken := fleet.Reconnects()
		s.kill()
		eventually(t, 30*time.Second, "the fleet notices the kill", func() error {
			if n := fleet.Reconnects() - broken; n < int64(cfg.Agents)/2 {
				return fmt.Errorf("%d streams broke", n)
			}
			return nil
		})
		s.env = nil
		if kill%2 == 0 {
			s.env = hurried
		}
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
	t.Logf("%.0f cuts and %.0f merges were stored before kills", cuts, merges)
	if cuts == 0 || merges == 0 {
		t.Error("no cut or no merge was under way: the kills did not test what they are for")
	}
	if v.Differences > 0 || v.Found != v.Samples || v.Samples == 0 {
		t.Errorf("the ledger and the store differ: %+v", v)
	}
}

// counter returns a counter of the server's own.
func (s *server) counter(name string) float64 {
	s.t.Helper()
	res, err := http.Get(s.url() + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return n
		}
	}
	s.t.Fatalf("no metric %s: %v", name, lines.Err())
	return 0
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
