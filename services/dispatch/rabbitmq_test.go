//go:build linux

package dispatch_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/bus/amqp"
	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
	"github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/dispatch"
	"github.com/esolutions/esmon/services/settings"
)

// TestKilledBroker: two dispatchers go on delivering over RabbitMQ, which is killed
// again and again; nothing is lost, and nothing comes twice, for no dispatcher died.
func TestKilledBroker(t *testing.T) {
	t.Parallel()
	n := amqptest.Run(t, amqptest.Options{}).Nodes[0]
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &sink{got: map[string]int{}}
	takes := senderFunc(func(m *alert.Message) error {
		time.Sleep(20 * time.Millisecond) // so that some are on their way at any time
		s.take(m.ID)
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for range 2 {
		d := overBroker(t, db.Alerts(), n.URL(), takes)
		wg.Go(func() { _ = d.Run(ctx) }) // it returns nil
	}
	all := some(160)
	store := db.Alerts()
	for i := range 2 {
		commit(t, store, all[i*80:(i+1)*80])
		awaitSink(t, s, i*80+20)
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	awaitSink(t, s, len(all))
	for end := time.Now().Add(time.Minute); !delivered(t, store); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not all are noted as delivered")
		}
	}
	checkSink(t, s, all, 0)
}

// TestABrokerThatStaysAway: notifications are delivered while there is no broker, and
// when it is back those that it has do not come twice.
func TestABrokerThatStaysAway(t *testing.T) {
	t.Parallel()
	n := amqptest.Run(t, amqptest.Options{}).Nodes[0]
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &sink{got: map[string]int{}}
	takes := senderFunc(func(m *alert.Message) error {
		time.Sleep(5 * time.Millisecond)
		s.take(m.ID)
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for range 2 {
		d := overBroker(t, db.Alerts(), n.URL(), takes)
		wg.Go(func() { _ = d.Run(ctx) }) // it returns nil
	}
	all := some(120)
	store := db.Alerts()
	commit(t, store, all[:40])
	awaitSink(t, s, 10)
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	commit(t, store, all[40:80])
	awaitSink(t, s, 80)
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	commit(t, store, all[80:])
	awaitSink(t, s, len(all))
	for end := time.Now().Add(time.Minute); !delivered(t, store); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not all are noted as delivered")
		}
	}
	checkSink(t, s, all, 0)
}

// TestAClusterOfBrokers kills and stops members of a cluster of three, one after the
// other: what is committed meanwhile is delivered within seconds, whether the quorum
// queue takes it or, as RabbitMQ 3.10 does, refuses it for minutes. It is a part of
// `make chaos`.
func TestAClusterOfBrokers(t *testing.T) {
	if os.Getenv("ESMON_CHAOS_BROKERS") == "" {
		t.Skip("a part of make chaos: set ESMON_CHAOS_BROKERS=1")
	}
	t.Parallel()
	c := amqptest.Run(t, amqptest.Options{Nodes: 3})
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &sink{got: map[string]int{}}
	takes := senderFunc(func(m *alert.Message) error {
		time.Sleep(5 * time.Millisecond)
		s.take(m.ID)
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for range 2 {
		d := overBroker(t, db.Alerts(), strings.Join(c.URLs(), ","), takes)
		wg.Go(func() { _ = d.Run(ctx) }) // it returns nil
	}
	harms := []func(*amqptest.Node) error{(*amqptest.Node).Kill, (*amqptest.Node).Stop, (*amqptest.Node).Kill}
	all := some(80 * len(harms))
	store := db.Alerts()
	for i, harm := range harms {
		commit(t, store, all[i*80:i*80+40])
		awaitSink(t, s, i*80+10)
		if err := harm(c.Nodes[i]); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		commit(t, store, all[i*80+40:(i+1)*80])
		awaitSink(t, s, (i+1)*80)
		t.Logf("member %d: all is delivered %s after the harm", i, time.Since(began).Round(time.Millisecond))
		if err := c.Nodes[i].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(time.Minute); !delivered(t, store); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not all are noted as delivered")
		}
	}
	checkSink(t, s, all, 0)
}

// overBroker returns a dispatch with a queue of its own on the broker.
func overBroker(t *testing.T, outbox alert.OutboxStore, url string, to dispatch.Sender) *dispatch.Dispatch {
	t.Helper()
	cfg := amqp.DefaultConfig()
	cfg.URL, cfg.Heartbeat, cfg.PublishTimeout = settings.Secret(url), 2*time.Second, 3*time.Second
	settings := quick()
	q, err := amqp.OpenQueue(t.Context(), cfg, settings.Workers, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	targets := map[string]dispatch.Target{"a": {Kind: "sink", Receiver: to}, "b": {Kind: "sink", Receiver: to}}
	d, err := dispatch.New(settings, dispatch.Deps{
		Outbox: outbox, Queue: q, Receivers: func() map[string]dispatch.Target { return targets },
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// awaitSink waits until so many came.
func awaitSink(t *testing.T, s *sink, count int) {
	t.Helper()
	for end := time.Now().Add(4 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		got, _ := s.count()
		if got >= count {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d came, want %d", got, count)
		}
	}
}
