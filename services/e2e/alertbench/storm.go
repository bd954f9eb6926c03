package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
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
	connecting := time.Now()
	if err := b.awaitHosts(ctx); err != nil {
		return err
	}
	fmt.Printf("  all hosts are there after %s\n", time.Since(connecting).Round(time.Second))
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

// gather is how long all hosts may take to connect: each has a handshake and a
// certificate of its own, and two cores do it for both sides.
const gather = 10 * time.Minute

// awaitHosts waits until all hosts send.
func (b *bench) awaitHosts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, gather)
	defer cancel()
	return platform.Eventually(ctx, func() error {
		time.Sleep(time.Second)
		n, err := b.hostsThatSend(ctx)
		if err == nil && n < b.hosts {
			err = fmt.Errorf("%d of %d hosts send", n, b.hosts)
		}
		return err
	})
}

func (b *bench) hostsThatSend(ctx context.Context) (int, error) {
	where := b.alone.URL() + "/prometheus/api/v1/query?query=" + url.QueryEscape("count(last_over_time(fleetsim_script[15s]))")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, http.NoBody)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("GET %s: %s: %w", where, res.Status, err)
	}
	if len(answer.Data.Result) == 0 {
		return 0, nil
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	return strconv.Atoi(text)
}
