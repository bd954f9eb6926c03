// Command alertbench measures alerting with the shipped defaults: how soon a person
// hears of a fault, what a storm of faults brings, what many rules cost, beside
// Prometheus, and how long a rule takes over a week of history. It prints the configuration and every run. See docs/benchmarks.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/esolutions/esmon/services/e2e/platform"
	"github.com/esolutions/esmon/services/e2e/sink"
	"github.com/esolutions/esmon/services/fleetsim"
)

type bench struct {
	bin     string
	agents  int
	seconds time.Duration
	hosts   int

	runs         int
	days         int
	historyHosts int

	rounds     int
	prometheus string

	alone *platform.Alone
	sink  *sink.Webhook
	dir   string
}

// parts are what can be measured, in the order in which they are.
var parts = []struct {
	name string
	run  func(context.Context, *bench) error
}{{"latency", latency}, {"storm", storm}, {"rules", round}, {"backtest", backtest}}

func main() {
	var b bench
	flag.StringVar(&b.bin, "bin", "bin/esmon", "the built esmon")
	only := flag.String("only", "", "one of latency, storm, rules, backtest; empty for all")
	flag.IntVar(&b.agents, "agents", 500, "hosts whose faults are timed")
	flag.DurationVar(&b.seconds, "for", 2*time.Minute, "how long faults are timed")
	flag.IntVar(&b.hosts, "hosts", 10_000, "hosts that fail in the storm")
	flag.IntVar(&b.rounds, "rounds", 20, "rounds of the rules that are measured, with them and without")
	flag.StringVar(&b.prometheus, "prometheus", ".cache/peers/prometheus", "the built Prometheus that is measured beside")
	flag.IntVar(&b.runs, "runs", 3, "runs of each backtest, cold and warm")
	flag.IntVar(&b.days, "days", 7, "days of history that backtests run over")
	flag.IntVar(&b.historyHosts, "history-hosts", 1000, "hosts in the history")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.main(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "alertbench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

func (b *bench) main(ctx context.Context, only string) error {
	fmt.Printf("%d cores shared by the platform and the load; one process, SQLite with fsync, mutual TLS, shipped defaults\n", runtime.NumCPU())
	for _, part := range parts {
		if only != "" && only != part.name {
			continue
		}
		fmt.Printf("\n%s\n", part.name)
		if err := b.with(ctx, part.run); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// rules is what is evaluated beside the catalogue.
const rules = `groups:
  - name: bench
    interval: 5s
    rules:
      - alert: Scripted
        expr: fleetsim_script > 0
        severity: critical
        annotations: {summary: "{{ $labels.host_name }} has failed"}
`

// with runs f on a platform of its own with a receiver of its own.
func (b *bench) with(ctx context.Context, f func(context.Context, *bench) error) (err error) {
	if b.dir, err = os.MkdirTemp("", "alertbench"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.sink, err = sink.NewWebhook(); err != nil {
		return err
	}
	defer b.sink.Close()
	return f(ctx, b)
}

// start writes the configuration and starts the platform.
func (b *bench) start(ctx context.Context, routes string) (err error) {
	files := filepath.Join(b.dir, "alerting")
	for name, text := range map[string]string{
		"rules/bench.yaml": rules, "routes.yaml": routes,
		"receivers.yaml": fmt.Sprintf("receivers:\n  - name: sink\n    webhook: {url: %q}\n", b.sink.URL()),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(files, name)), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(files, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	b.alone, err = platform.StartAlone(ctx, b.bin, b.dir, "ESMON_ALERTING_FILES_DIR="+files)
	return err
}

// fleet enrols simulated hosts.
func (b *bench) fleet(ctx context.Context, agents int, change func(*fleetsim.Config)) (*fleetsim.Fleet, error) {
	token, err := b.alone.Token(ctx, agents)
	if err != nil {
		return nil, err
	}
	cfg := fleetsim.DefaultConfig()
	cfg.Agents, cfg.Series, cfg.Token, cfg.Address, cfg.Duration, cfg.Name = agents, 100, token, b.alone.GRPC, 0, "host"
	cfg.Duration = 24 * time.Hour
	change(&cfg)
	return fleetsim.New(ctx, cfg)
}
