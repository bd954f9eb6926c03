package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/fleetsim"
)

// Each host is a group of its own: what is measured is one fault, not how those of many
// are told together.
const routesByHost = `route:
  receiver: sink
  group_by: [alertname, host_name]
limits:
  messages: 100000
`

// faults is the script of the hosts: each fails once, at a time that nobody knows.
type faults struct {
	mu     sync.Mutex
	at     []time.Time          // when the host is to fail
	failed map[string]time.Time // when the first sample that says so was read
	name   func(int) string
	silent map[int]bool // cut off for good
	late   map[int]bool // cut off for a while, again and again
	begun  time.Time
}

func (f *faults) script(agent int, at time.Time) float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at[agent].IsZero() || at.Before(f.at[agent]) {
		return 0
	}
	if host := f.name(agent); f.failed[host].IsZero() {
		f.failed[host] = at
	}
	return 1
}

// cut says who is cut off: some for good, some most of the time.
func (f *faults) cut(agent int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.silent[agent] || f.late[agent] && int(time.Since(f.begun)/time.Second)%60 < 45
}

func latency(ctx context.Context, b *bench) error {
	if err := b.start(ctx, routesByHost); err != nil {
		return err
	}
	defer b.alone.Close() //nolint:errcheck // it is thrown away
	f := &faults{at: make([]time.Time, b.agents), failed: map[string]time.Time{}, silent: map[int]bool{}, late: map[int]bool{}, begun: time.Now()}
	fleet, err := b.fleet(ctx, b.agents, func(c *fleetsim.Config) { c.Script, c.Cut = f.script, f.cut })
	if err != nil {
		return err
	}
	f.name = fleet.HostName
	making, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { _, err := fleet.RunUntil(ctx, making); done <- err }()
	time.Sleep(20 * time.Second) // all have sent
	f.plan(b.agents, b.seconds)
	fmt.Printf("  %d hosts, a sample every 10s, rule with for: 0 evaluated every 5s; 5%% of the hosts are silent, 5%% late most of the time\n", b.agents)
	time.Sleep(b.seconds + 20*time.Second)
	report(f, b)
	stop()
	f.mu.Lock()
	clear(f.silent)
	clear(f.late)
	f.mu.Unlock()
	return <-done
}

// plan chooses who is silent or late, and when the others fail.
func (f *faults) plan(agents int, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for i := range agents {
		switch i % 20 {
		case 0:
			f.silent[i] = true
		case 1:
			f.late[i] = true
		default:
			f.at[i] = now.Add(rand.N(d))
		}
	}
}

// report says how long after its sample each fault was told.
func report(f *faults, b *bench) {
	told := map[string]time.Time{}
	wrong := 0
	for _, m := range b.sink.Messages() {
		for _, a := range m.Alerts {
			if a.Labels[alert.NameLabel] != "Scripted" || a.Status != string(alert.Firing) {
				continue
			}
			host := a.Labels["host_name"]
			if _, ok := told[host]; !ok {
				told[host] = m.Received
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var took []time.Duration
	missing := 0
	for host, at := range f.failed {
		if t, ok := told[host]; ok {
			took = append(took, t.Sub(at))
		} else {
			missing++
		}
	}
	for host := range told {
		if f.failed[host].IsZero() {
			wrong++
		}
	}
	slices.Sort(took)
	fmt.Printf("  %d faults told, %d not, %d false; from the sample at the host to the receiver: median %s, p99 %s, worst %s\n",
		len(took), missing, wrong, quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1))
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Round(time.Millisecond)
}
