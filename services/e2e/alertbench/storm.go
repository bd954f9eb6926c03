package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/esolutions/esmon/services/fleetsim"
)

const routesDefault = `route:
  receiver: sink
`

// storm has all hosts fail within ten seconds.
func storm(ctx context.Context, b *bench) error {
	if err := b.start(ctx, routesDefault); err != nil {
		return err
	}
	defer b.alone.Close() //nolint:errcheck // it is thrown away
	var failing atomic.Bool
	fleet, err := b.fleet(ctx, b.hosts, func(c *fleetsim.Config) {
		c.Series = 10
		c.Script = func(int, time.Time) float64 {
			if failing.Load() {
				return 1
			}
			return 0
		}
	})
	if err != nil {
		return err
	}
	making, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { _, err := fleet.RunUntil(ctx, making); done <- err }()
	time.Sleep(40 * time.Second) // all have sent
	quiet := len(b.sink.Messages())
	failing.Store(true)
	began := time.Now()
	fmt.Printf("  %d hosts, a sample every 10s, all fail within 10s; %d messages before\n", b.hosts, quiet)
	named, last := map[string]bool{}, time.Time{}
	messages := 0
	for time.Since(began) < time.Minute {
		time.Sleep(500 * time.Millisecond)
		all := b.sink.Messages()[quiet:]
		for _, m := range all[messages:] {
			for _, host := range m.Esmon.Hosts {
				if !named[host] {
					named[host], last = true, m.Received
				}
			}
		}
		messages = len(all)
	}
	fmt.Printf("  %d messages to the receiver within a minute, %d hosts named, the last after %s\n", messages, len(named), last.Sub(began).Round(time.Millisecond))
	stop()
	return <-done
}
