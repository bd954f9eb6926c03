package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/fleetsim"
	"github.com/esolutions/esmon/services/metric"
)

const (
	roundHosts  = 1000
	roundSeries = 100 // of a host
	roundEvery  = 15 * time.Second
	// roundHistory fills what rates look back over, before anything is measured.
	roundHistory = 6 * time.Minute
	// roundParts is into how many parts the hosts are divided by their names: each rule
	// is about one series of the hosts of one part, so that all rules read each series
	// once.
	roundParts = 10
)

// round measures what 1,000 rules over 100,000 series cost a round, and what the same
// rules over the same data cost Prometheus at the same time: the CPU time of each process
// with the rules less that without, everything else going on.
func round(ctx context.Context, b *bench) error {
	recording, err := fleetsim.LoadRecording(fleetsim.DefaultConfig().Recording, roundSeries)
	if err != nil {
		return err
	}
	rules, firing := roundRules(recording)
	if err := b.start(ctx, routesDefault); err != nil {
		return err
	}
	defer b.alone.Close() //nolint:errcheck // it is thrown away
	other, err := startPrometheus(ctx, b.prometheus, filepath.Join(b.dir, "prometheus"))
	if err != nil {
		return err
	}
	defer other.close()
	send, stop := context.WithCancel(ctx)
	sent := make(chan error, 2)
	if err := b.feed(send, ctx, other, sent); err != nil {
		stop()
		return err
	}
	defer func() {
		stop()
		_, _ = <-sent, <-sent // they were told to stop
	}()
	fmt.Printf("  %d hosts with %d series each, a sample every %s, sent to both at once; 1,000 rules in 100 groups, each about one series of %d hosts, for 1m, %d of them firing for all\n",
		roundHosts, roundSeries, roundEvery, roundHosts/roundParts, firing)
	systems := []*system{
		{name: "esmon", pid: b.alone.PID(), api: b.alone.URL() + "/prometheus"},
		{name: "prometheus", pid: other.pid(), api: other.url()},
	}
	if err := sleep(ctx, roundHistory); err != nil {
		return err
	}
	if err := measure(ctx, systems, b.rounds, func(s *system) *[]time.Duration { return &s.without }); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "alerting", "rules", "round.yaml"), rules, 0o600); err != nil {
		return err
	}
	if err := other.load(rules); err != nil {
		return err
	}
	if err := awaitFiring(ctx, systems, firing*roundHosts/roundParts); err != nil {
		return fmt.Errorf("%w\n%s", err, b.alone.Tail(2000))
	}
	if err := measure(ctx, systems, b.rounds, func(s *system) *[]time.Duration { return &s.with }); err != nil {
		return err
	}
	if err := awaitFiring(ctx, systems, firing*roundHosts/roundParts); err != nil {
		return err
	}
	for _, s := range systems {
		s.report(systems[0])
	}
	return nil
}

// feed sends the same to both systems until send ends.
func (b *bench) feed(send, ctx context.Context, to *peer, sent chan<- error) error {
	fleet, err := b.fleet(ctx, roundHosts, func(c *fleetsim.Config) { c.Series, c.Interval = roundSeries, roundEvery })
	if err != nil {
		return err
	}
	cfg := fleetsim.DefaultConfig()
	cfg.Agents, cfg.Series, cfg.Interval, cfg.Name, cfg.Duration = roundHosts, roundSeries, roundEvery, "host", 24*time.Hour
	go func() {
		_, err := fleet.RunUntil(ctx, send)
		sent <- err
	}()
	go func() {
		_, err := fleetsim.RemoteWrite(send, cfg, to.url()+"/api/v1/write")
		sent <- err
	}()
	return nil
}

// roundRules returns a rule file that both read, and how many of its rules fire for all
// their hosts: one of a hundred. The others have thresholds that nothing reaches.
func roundRules(r *fleetsim.Recording) (text []byte, firing int) {
	var out strings.Builder
	out.WriteString("groups:\n")
	n := 0
	for _, f := range r.Frames {
		for i := range f.Schema.Columns {
			fmt.Fprintf(&out, "  - name: series-%d\n    interval: %s\n    rules:\n", n/roundParts, roundEvery)
			for part := range roundParts {
				selector := selectorOf(metric.SeriesLabels(&metric.Entity{Labels: f.Entity}, &f.Schema.Columns[i]), part)
				above := "1e15"
				if n%100 == 0 {
					above, firing = "-1", firing+1
				}
				if f.Schema.Columns[i].Type == metric.Counter {
					selector = "rate(" + selector + "[5m])"
				}
				fmt.Fprintf(&out, "      - alert: Bench%d\n        expr: %q\n        for: 1m\n        labels: {severity: warning}\n        annotations: {summary: %q}\n",
					n, selector+" > "+above, "{{ $labels.host_name }} is at {{ $value }}")
				n++
			}
		}
	}
	return []byte(out.String()), firing
}

// selectorOf selects the series on the hosts of one part.
func selectorOf(labels metric.Labels, part int) string {
	var ms []string
	for _, l := range labels {
		if l.Name != metric.NameLabel {
			ms = append(ms, fmt.Sprintf("%s=%q", l.Name, l.Value))
		}
	}
	ms = append(ms, fmt.Sprintf(`host_name=~"host-00%d.*"`, part))
	return labels.Get(metric.NameLabel) + "{" + strings.Join(ms, ",") + "}"
}

// system is one of those that are measured beside each other.
type system struct {
	name, api     string
	pid           int
	without, with []time.Duration // CPU time of each round
}

// measure takes the CPU time of so many rounds of all systems.
func measure(ctx context.Context, systems []*system, rounds int, into func(*system) *[]time.Duration) error {
	last := make([]time.Duration, len(systems))
	for n := range rounds + 1 {
		for i, s := range systems {
			used := cpuOf(s.pid)
			if n > 0 {
				list := into(s)
				*list = append(*list, used-last[i])
			}
			last[i] = used
		}
		if n < rounds {
			if err := sleep(ctx, roundEvery); err != nil {
				return err
			}
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitFiring waits until so many alerts of the rules fire on every system: then all is
// evaluated, over the data that is there.
func awaitFiring(ctx context.Context, systems []*system, want int) error {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Minute)
	defer cancel()
	// Nothing fires before, and a Prometheus that is asked while it reads rules may not
	// answer for minutes.
	if err := sleep(ctx, time.Minute); err != nil {
		return err
	}
	var last error // before the time was up
	err := platform.Eventually(ctx, func() (err error) {
		time.Sleep(time.Second)
		for _, s := range systems {
			n, asked := s.firing(ctx)
			if asked == nil && n != want {
				asked = fmt.Errorf("%d alerts fire; want %d", n, want)
			}
			if asked != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", s.name, asked))
			}
		}
		if ctx.Err() == nil {
			last = err
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("not all alerts fire on both: %w", errors.Join(last, ctx.Err()))
	}
	return nil
}

func (s *system) firing(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // one that was asked while it reads rules may never answer
	defer cancel()
	text, err := call(ctx, http.MethodGet, s.api+"/api/v1/alerts", nil)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, fmt.Errorf("read the alerts: %w", err)
	}
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" && strings.HasPrefix(a.Labels["alertname"], "Bench") {
			n++
		}
	}
	return n, nil
}

// report prints what a round costs, and how many times as much as the first system's.
func (s *system) report(first *system) {
	now, most := memoryOf(s.pid)
	worst := slices.Max(s.with) - median(s.without)
	fmt.Printf("  %-10s  CPU a round: median %.2f s, worst %.2f s (with the rules %.2f s, without %.2f s, %d rounds each); %.1f times esmon's; memory %d MB, at most %d MB\n",
		s.name, s.cost().Seconds(), worst.Seconds(), median(s.with).Seconds(), median(s.without).Seconds(), len(s.with),
		ratio(s.cost(), first.cost()), now, most)
}

func (s *system) cost() time.Duration { return median(s.with) - median(s.without) }

func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return math.NaN()
	}
	return float64(a) / float64(b)
}
