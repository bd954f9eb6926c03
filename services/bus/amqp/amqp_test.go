//go:build linux

package amqp_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
	"github.com/esolutions/esmon/services/bus/bustest"
	"github.com/esolutions/esmon/services/settings"
)

// within bounds every wait of a test.
const within = 2 * time.Minute

// shared is the broker of tests that do no harm to it.
var shared struct {
	once    sync.Once
	cluster *amqptest.Cluster
	err     error
	vhosts  atomic.Int64
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// broker returns the shared broker and an empty virtual host on it.
func broker(t testing.TB) (n *amqptest.Node, vhost, url string) {
	t.Helper()
	shared.once.Do(func() {
		shared.cluster, shared.err = amqptest.Start(context.Background(), amqptest.Options{})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	n = shared.cluster.Nodes[0]
	vhost = fmt.Sprintf("v%d", shared.vhosts.Add(1))
	url, err := n.AddVhost(t.Context(), vhost)
	if err != nil {
		t.Fatal(err)
	}
	return n, vhost, url
}

func config(url string, change func(*amqp.Config)) amqp.Config {
	cfg := amqp.DefaultConfig()
	cfg.URL, cfg.Heartbeat = settings.Secret(url), 2*time.Second
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func openLog(t testing.TB, url string, deps amqp.Deps, change func(*amqp.Config)) *amqp.Log {
	t.Helper()
	l, err := amqp.Open(t.Context(), config(url, change), deps, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestContract(t *testing.T) {
	t.Parallel()
	bustest.Run(t, func(t *testing.T) *bustest.Storage {
		_, _, url := broker(t)
		return &bustest.Storage{Open: func(t *testing.T, _ int64) bustest.Log {
			return openLog(t, url, amqp.Deps{}, nil)
		}}
	})
}

var _ bus.Log = (*amqp.Log)(nil)
