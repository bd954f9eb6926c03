package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/fleetsim"
)

// live returns a fleet that sends 50,000 samples a second, each agent a message of
// 100 once a second, for as long as the context.
func (b *bench) live(ctx context.Context, name string) (*fleetsim.Fleet, error) {
	return b.fleet(ctx, name, 500, 100, func(c *fleetsim.Config) { c.Paced, c.Interval, c.Duration = true, time.Second, 24*time.Hour })
}

// freshness measures how old a sample is when a query first returns it, at 50,000
// samples a second.
func freshness(ctx context.Context, b *bench) error {
	f, err := b.live(ctx, "fresh")
	if err != nil {
		return err
	}
	making, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { _, err := f.RunUntil(ctx, making); done <- err }()
	ages, err := b.ages(ctx, "fresh", b.seconds)
	stop()
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	printAges("live, 50,000 samples/s", ages)
	return nil
}

func printAges(what string, ages []time.Duration) {
	fmt.Printf("  %s: %d samples watched; age when first returned, the asking included: median %s, p99 %s, worst %s\n",
		what, len(ages), quantile(ages, 0.5), quantile(ages, 0.99), quantile(ages, 1))
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Round(time.Millisecond)
}

// ages asks again and again for the newest samples of twenty hosts and returns, in
// order, how old each was when an answer first held it.
func (b *bench) ages(ctx context.Context, fleet string, d time.Duration) ([]time.Duration, error) {
	expr := `max by (host_name) (timestamp({__name__="node_load1", host_name=~"` + fleet + `-000[01].*"}))`
	newest := map[string]float64{}
	var ages []time.Duration
	warmup := time.Now().Add(10 * time.Second)
	for end := warmup.Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		a, err := b.query(ctx, "/prometheus/api/v1/query", map[string]string{"query": expr})
		if err != nil {
			return nil, err
		}
		now := time.Now()
		for _, s := range a.Data.Result {
			var at float64
			text, _ := s.Value[1].(string)
			if _, err := fmt.Sscan(text, &at); err != nil {
				return nil, err
			}
			host := s.Metric["host_name"]
			if last, ok := newest[host]; ok && at > last && now.After(warmup) {
				ages = append(ages, now.Sub(time.UnixMilli(int64(at*1000))))
			}
			newest[host] = at
		}
	}
	if len(ages) == 0 {
		return nil, errors.New("no new sample was returned")
	}
	slices.Sort(ages)
	return ages, nil
}
