// Command clusterbench measures the platform as several processes over a throwaway
// RabbitMQ and PostgreSQL, with the shipped defaults: what a sample costs each part,
// how soon it can be asked for, how fast a backlog is worked off, and what the loss
// of the storage node that cuts costs those who ask. It prints the configuration and
// every run. See docs/benchmarks.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/fleetsim"
)

type bench struct {
	p       *platform.Platform
	seconds time.Duration
	backlog time.Duration
	runs    int
}

// parts are what can be measured, in the order in which they are.
var parts = []struct {
	name string
	run  func(context.Context, *bench) error
}{{"cost", cost}, {"freshness", freshness}, {"takeover", takeover}, {"backlog", backlog}}

func main() {
	var b bench
	bin := flag.String("bin", "bin/esmon", "the built esmon")
	only := flag.String("only", "", "one of cost, freshness, takeover, backlog; empty for all")
	flag.DurationVar(&b.seconds, "for", 40*time.Second, "how long each run takes")
	flag.DurationVar(&b.backlog, "backlog", 10*time.Minute, "how much of 50,000 samples a second waits in the log")
	flag.IntVar(&b.runs, "runs", 3, "how often the cost is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.main(ctx, *bin, *only); err != nil {
		fmt.Fprintln(os.Stderr, "clusterbench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

func (b *bench) main(ctx context.Context, bin, only string) error {
	fmt.Printf("%d cores shared by all parts and the load; defaults of everything; one RabbitMQ node, one PostgreSQL with fsync, mutual TLS\n", runtime.NumCPU())
	for _, part := range parts {
		if only != "" && only != part.name {
			continue
		}
		fmt.Printf("\n%s\n", part.name)
		if err := b.with(ctx, bin, part.run); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// with runs f on a platform of its own: two storage nodes, so that one can be lost.
func (b *bench) with(ctx context.Context, bin string, f func(context.Context, *bench) error) (err error) {
	dir, err := os.MkdirTemp("", "clusterbench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b.p, err = platform.Start(ctx, platform.Options{Bin: bin, Dir: dir, Storage: 2})
	defer func() { err = errors.Join(err, b.p.Close()) }()
	if err != nil {
		return err
	}
	return f(ctx, b)
}

// fleet enrols a fleet.
func (b *bench) fleet(ctx context.Context, name string, agents, series int, change func(*fleetsim.Config)) (*fleetsim.Fleet, error) {
	token, err := b.p.Token(ctx, agents)
	if err != nil {
		return nil, err
	}
	cfg := fleetsim.DefaultConfig()
	cfg.Name, cfg.Agents, cfg.Series, cfg.Address, cfg.Token = name, agents, series, b.p.AgentsAddress(), token
	cfg.Duration = b.seconds
	change(&cfg)
	return fleetsim.New(ctx, cfg)
}
