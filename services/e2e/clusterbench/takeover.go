package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
)

// takeover kills the storage node that cuts, under load and queries, and tells how
// many of those failed and when the next cut was stored.
func takeover(ctx context.Context, b *bench) error {
	f, err := b.live(ctx, "takeover")
	if err != nil {
		return err
	}
	making, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { _, err := f.RunUntil(ctx, making); done <- err }()
	err = b.takeover(ctx)
	stop()
	return errors.Join(err, <-done)
}

func (b *bench) takeover(ctx context.Context) error {
	time.Sleep(10 * time.Second) // until the fleet sends
	leader, err := b.p.Leader(ctx)
	if err != nil {
		return err
	}
	other := b.p.Storage[0]
	if other == leader {
		other = b.p.Storage[1]
	}
	type count struct{ asked, failed int }
	asking, enough := context.WithCancel(ctx)
	defer enough()
	counts := make(chan count)
	for range 4 {
		go func() {
			var c count
			for ; asking.Err() == nil; time.Sleep(20 * time.Millisecond) {
				c.asked++
				if _, ok, err := b.number(ctx, `count(node_load1)`); err != nil || !ok {
					c.failed++
				}
			}
			counts <- c
		}()
	}
	time.Sleep(5 * time.Second)
	killed := time.Now()
	if err := leader.Kill(); err != nil {
		return err
	}
	var leads, cut time.Duration
	within, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	err = platform.Eventually(within, func() error {
		if v, err := other.Metric(ctx, "esmon_storage_leads", `partition="0"`); err != nil || v != 1 {
			return errors.Join(errors.New("the other does not cut"), err)
		}
		if leads == 0 {
			leads = time.Since(killed)
		}
		if v, err := other.Metric(ctx, "esmon_tsdb_cuts_total", ""); err != nil || v == 0 {
			return errors.Join(errors.New("no cut was stored"), err)
		}
		cut = time.Since(killed)
		return nil
	})
	enough()
	var sum count
	for range 4 {
		c := <-counts
		sum.asked, sum.failed = sum.asked+c.asked, sum.failed+c.failed
	}
	fmt.Printf("  kill -9 of the node that cuts: %d of %d queries failed; another leads after %.1fs, its first cut is stored after %.1fs (tsdb.cut_every is 2m)\n",
		sum.failed, sum.asked, leads.Seconds(), cut.Seconds())
	return err
}
