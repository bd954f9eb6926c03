package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/fleetsim"
)

// backlog fills the log while no storage node runs, then starts both, while a live
// fleet sends on, and measures how fast what waits is worked off. After that it lets
// a second fleet send old samples as fast as it can, as spools do that drain, and
// measures how fresh the live ones are.
func backlog(ctx context.Context, b *bench) error {
	samples := int64(b.backlog.Seconds() * 50_000)
	f, err := b.fleet(ctx, "backlog", 500, 100, func(c *fleetsim.Config) {
		c.Paced, c.Interval, c.Duration, c.Moments = false, time.Second, 24*time.Hour, uint64(samples/500/100)
	})
	if err != nil {
		return err
	}
	for _, x := range b.p.Storage {
		if err := x.Stop(); err != nil {
			return err
		}
	}
	report, err := f.Run(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("  %d samples wait in the log, %.0f s of 50,000 samples/s\n", report.Samples, float64(report.Samples)/50_000)
	if err := b.drain(ctx, report.Samples); err != nil {
		return err
	}
	return b.beside(ctx)
}

// drain starts storage and waits until nothing waits any more.
func (b *bench) drain(ctx context.Context, samples int64) error {
	began := time.Now()
	for _, x := range b.p.Storage {
		if err := x.Start(ctx); err != nil {
			return err
		}
	}
	shown := 0.0
	err := platform.Eventually(ctx, func() error {
		var errs []error
		for _, x := range b.p.Storage {
			behind, err := x.Metric(ctx, "esmon_storage_records_behind", "")
			lag, lagErr := x.Metric(ctx, "esmon_storage_lag_seconds", "")
			shown = max(shown, lag)
			errs = append(errs, err, lagErr)
			if behind > 0 {
				errs = append(errs, fmt.Errorf("%s: %.0f records behind", x.Name, behind))
			}
			if read, err := x.Metric(ctx, "esmon_storage_records_total", ""); err != nil || read == 0 {
				errs = append(errs, fmt.Errorf("%s has read nothing", x.Name), err)
			}
		}
		return errors.Join(errs...)
	})
	took := time.Since(began)
	fmt.Printf("  both storage nodes have read it after %.1fs, their start included: %.1f times real time; the most lag shown was %.0fs\n",
		took.Seconds(), float64(samples)/50_000/took.Seconds(), shown)
	return err
}

// beside measures live samples while spools drain.
func (b *bench) beside(ctx context.Context) error {
	live, err := b.live(ctx, "live")
	if err != nil {
		return err
	}
	old, err := b.fleet(ctx, "old", 200, 100, func(c *fleetsim.Config) { c.Paced, c.Interval, c.Duration = false, 10*time.Second, 24*time.Hour })
	if err != nil {
		return err
	}
	making, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 2)
	reports := make([]fleetsim.Report, 2)
	for i, f := range []*fleetsim.Fleet{live, old} {
		go func() {
			var err error
			reports[i], err = f.RunUntil(ctx, making)
			done <- err
		}()
	}
	ages, err := b.ages(ctx, "live", b.seconds)
	stop()
	if err := errors.Join(err, <-done, <-done); err != nil {
		return err
	}
	printAges(fmt.Sprintf("live, 50,000 samples/s, while spools drain at %.0f samples/s", float64(reports[1].Samples)/reports[1].Took.Seconds()), ages)
	fmt.Printf("  acknowledged after: live median %s, p99 %s; from spools median %s, p99 %s\n", ms(reports[0].P50), ms(reports[0].P99), ms(reports[1].P50), ms(reports[1].P99))
	return nil
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
