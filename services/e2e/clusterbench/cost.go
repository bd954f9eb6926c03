package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/fleetsim"
)

// costRun is what a million samples cost each part, CPU seconds.
type costRun struct {
	rate                               float64 // samples a second
	collector, leader, follower        float64
	broker, postgres, gateway, queries float64
}

// cost saturates the platform with messages of 500 samples, whose timestamps are
// those of a fleet that began a day ago, and asks a dashboard's question every second
// beside it.
func cost(ctx context.Context, b *bench) error {
	var all []costRun
	for n := range b.runs {
		f, err := b.fleet(ctx, fmt.Sprintf("cost%d", n), 200, 500, func(c *fleetsim.Config) { c.Paced, c.Interval = false, 15*time.Second })
		if err != nil {
			return err
		}
		r, err := b.costRun(ctx, f, fmt.Sprintf("cost%d-00001", n))
		if err != nil {
			return err
		}
		all = append(all, r)
		fmt.Printf("  run %d: %.0f samples/s; CPU s per 1M: collector %.3f, storage that cuts %.3f, storage that follows %.3f, broker %.3f, PostgreSQL %.3f, gateway %.3f; %.0f queries answered\n",
			n+1, r.rate, r.collector, r.leader, r.follower, r.broker, r.postgres, r.gateway, r.queries)
	}
	for _, x := range []struct {
		name string
		of   func(costRun) float64
	}{
		{"collector + storage that cuts", func(r costRun) float64 { return r.collector + r.leader }},
		{"broker", func(r costRun) float64 { return r.broker }},
		{"PostgreSQL", func(r costRun) float64 { return r.postgres }},
		{"samples/s", func(r costRun) float64 { return -r.rate }}, // the worst is the least
	} {
		slices.SortFunc(all, func(a, b costRun) int { return cmp.Compare(x.of(a), x.of(b)) })
		fmt.Printf("  %-30s median %.3f, worst %.3f\n", x.name, abs(x.of(all[len(all)/2])), abs(x.of(all[len(all)-1])))
	}
	return nil
}

func abs(v float64) float64 { return max(v, -v) }

func (b *bench) costRun(ctx context.Context, f *fleetsim.Fleet, host string) (r costRun, err error) {
	leader, err := b.p.Leader(ctx)
	if err != nil {
		return r, err
	}
	follower := b.p.Storage[0]
	if follower == leader {
		follower = b.p.Storage[1]
	}
	asking, stop := context.WithCancel(ctx)
	answered := make(chan int)
	go func() { answered <- b.ask(asking, host) }()
	pids := func() []time.Duration {
		return []time.Duration{
			tree(b.p.Collectors[0].PID()), tree(leader.PID()), tree(follower.PID()), tree(b.p.MQ.Nodes[0].PID()), tree(b.p.Postgres.PID()), tree(b.p.Gateway.PID()),
		}
	}
	before := pids()
	report, err := f.Run(ctx)
	if err != nil {
		stop()
		<-answered
		return r, err
	}
	if err := b.stored(ctx, leader); err != nil { // what is in the log is work to be done, too
		stop()
		<-answered
		return r, err
	}
	after := pids()
	stop()
	r.queries = float64(<-answered)
	million := float64(report.Samples) / 1e6
	for i, v := range []*float64{&r.collector, &r.leader, &r.follower, &r.broker, &r.postgres, &r.gateway} {
		*v = (after[i] - before[i]).Seconds() / million
	}
	r.rate = float64(report.Samples) / report.Took.Seconds()
	return r, nil
}

// stored waits until everything in the log is read and a cut was stored after that.
func (b *bench) stored(ctx context.Context, leader *platform.Process) error {
	return platform.Eventually(ctx, func() error {
		v, err := leader.Metric(ctx, "esmon_storage_records_behind", "")
		if err == nil && v > 0 {
			err = fmt.Errorf("%.0f records are behind", v)
		}
		return err
	})
}

// ask asks the dashboard's question once a second and returns how often the answer
// held something.
func (b *bench) ask(ctx context.Context, host string) int {
	answered := 0
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return answered
		case <-tick.C:
		}
		now := time.Now()
		a, err := b.query(ctx, "/prometheus/api/v1/query_range", map[string]string{
			"query": `sum by (mode) (rate(node_cpu_seconds_total{host_name="` + host + `"}[5m]))`,
			"start": unix(now.Add(-25 * time.Hour)), "end": unix(now), "step": "300",
		})
		if err == nil && len(a.Data.Result) > 0 {
			answered++
		}
	}
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// tree returns the CPU time of a process and all below it, those that ended and were
// waited for included.
func tree(pid int) time.Duration {
	if pid == 0 {
		return 0
	}
	sum := cpuOf(pid)
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return sum
	}
	for _, file := range children {
		b, err := os.ReadFile(file) //nolint:gosec // below /proc
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(child); err == nil {
				sum += tree(n)
			}
		}
	}
	return sum
}

// cpuOf returns the CPU time of one process and of its children that ended.
func cpuOf(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var ticks int64
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime; see proc(5)
		n, _ := strconv.ParseInt(f[i], 10, 64)
		ticks += n
	}
	const userHZ = 100 // on every Linux
	return time.Duration(ticks) * time.Second / userHZ
}
