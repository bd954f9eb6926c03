//go:build unix

package backtest_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/backtest"
	"github.com/esolutions/esmon/services/rule/eval/evaltest"
)

// benchDays is how many days the benchmark runs over; 7 is what counts, and takes a
// while to make.
const benchDays = 1

// BenchmarkRun runs one rule over 1,000 hosts, at 15 s steps.
func BenchmarkRun(b *testing.B) {
	start := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	const steps = benchDays * 24 * 60 * 4
	fleet := evaltest.Fleet{Hosts: 1000, Metrics: 2, Step: 15 * time.Second, Start: start, Value: func(h, m, i int) float64 {
		v := float64((h*31+i)%(97-8*m)) / 2
		if (i/40+h)%500 == 0 {
			v += 60
		}
		return v
	}}
	db := fleet.Open(b, steps)
	e := evaluator(b, query.TSDB(db))
	for name, one := range map[string]*rule.Rule{
		"threshold": {Alert: "A", Expr: evaltest.Name(0) + " > 90", For: time.Minute},
		"average":   {Alert: "A", Expr: "avg_over_time(" + evaltest.Name(0) + "[5m]) > 75", For: time.Minute},
		"rate":      {Alert: "A", Expr: "rate(" + evaltest.Name(0) + "[5m]) > 0.05", For: time.Minute},
		"ratio":     {Alert: "A", Expr: "rate(" + evaltest.Name(0) + "[5m]) / rate(" + evaltest.Name(1) + "[5m]) > 1.3", For: time.Minute},
		"no data":   {Alert: "A", Expr: evaltest.Name(0) + " > 90", For: time.Minute, NoData: rule.NoDataAlert},
	} {
		b.Run(name, func(b *testing.B) {
			g := groupOf([]*rule.Rule{one})
			g.Interval = 15 * time.Second
			began := cpuTime()
			for b.Loop() {
				report, err := backtest.Run(b.Context(), e, g, start, start.Add(steps*15*time.Second), backtest.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if report.Total == 0 {
					b.Fatal("no episodes")
				}
			}
			b.ReportMetric((cpuTime()-began).Seconds()/float64(b.N), "cpu-s/run")
		})
	}
}

// cpuTime returns how much processor time the process took so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
