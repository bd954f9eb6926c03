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

// brokered is two dispatchers over RabbitMQ with one outbox, and what their receivers get.
type brokered struct {
	*testing.T
	store alert.Store
	sink  *sink
}

// overBrokers starts them. A message takes its time, so that some are on their way.
func overBrokers(t *testing.T, c *amqptest.Cluster, takes time.Duration) *brokered {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	b := &brokered{T: t, store: db.Alerts(), sink: &sink{got: map[string]int{}}}
	to := senderFunc(func(m *alert.Message) error {
		time.Sleep(takes)
		b.sink.take(m.ID)
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		d := overBroker(t, db.Alerts(), strings.Join(c.URLs(), ","), to)
		wg.Go(func() { _ = d.Run(ctx) }) // it returns nil
	}
	t.Cleanup(func() { // before their queues are closed
		stop()
		wg.Wait()
	})
	return b
}

// tell commits notifications and waits until so many came in all.
func (b *brokered) tell(some []alert.Notification, await int) {
	b.Helper()
	commit(b.T, b.store, some)
	awaitSink(b.T, b.sink, await)
}

// must ends the test if a harm could not be done.
func (b *brokered) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// check waits until all are noted as delivered: nothing is lost, and nothing came twice,
// for no dispatcher died.
func (b *brokered) check(all []alert.Notification) {
	b.Helper()
	awaitSink(b.T, b.sink, len(all))
	for end := time.Now().Add(time.Minute); !delivered(b.T, b.store); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatal("not all are noted as delivered")
		}
	}
	checkSink(b.T, b.sink, all, 0)
}

// TestKilledBroker: dispatchers go on delivering over a broker that is killed again and
// again.
func TestKilledBroker(t *testing.T) {
	t.Parallel()
	c := amqptest.Run(t, amqptest.Options{})
	b, all := overBrokers(t, c, 20*time.Millisecond), some(160)
	for i := range 2 {
		b.tell(all[i*80:(i+1)*80], i*80+20)
		b.must(c.Nodes[0].Kill())
		b.must(c.Nodes[0].Start(t.Context()))
	}
	b.check(all)
}

// TestABrokerThatStaysAway: notifications are delivered while there is no broker, and
// when it is back those that it has do not come twice.
func TestABrokerThatStaysAway(t *testing.T) {
	t.Parallel()
	c := amqptest.Run(t, amqptest.Options{})
	b, all := overBrokers(t, c, 5*time.Millisecond), some(120)
	b.tell(all[:40], 10)
	b.must(c.Nodes[0].Kill())
	b.tell(all[40:80], 80)
	b.must(c.Nodes[0].Start(t.Context()))
	b.tell(all[80:], len(all))
	b.check(all)
}

// TestAClusterOfBrokers kills and stops members of a cluster of three, one after the
// other: what is committed meanwhile is delivered within seconds, whether the quorum
// queue takes it or not. It is a part of `make chaos`.
func TestAClusterOfBrokers(t *testing.T) {
	if os.Getenv("ESMON_CHAOS_BROKERS") == "" {
		t.Skip("a part of make chaos: set ESMON_CHAOS_BROKERS=1")
	}
	t.Parallel()
	c := amqptest.Run(t, amqptest.Options{Nodes: 3})
	harms := []func(*amqptest.Node) error{(*amqptest.Node).Kill, (*amqptest.Node).Stop, (*amqptest.Node).Kill}
	b, all := overBrokers(t, c, 5*time.Millisecond), some(80*len(harms))
	for i, harm := range harms {
		b.tell(all[i*80:i*80+40], i*80+10)
		b.must(harm(c.Nodes[i]))
		began := time.Now()
		b.tell(all[i*80+40:(i+1)*80], (i+1)*80)
		t.Logf("member %d: all is delivered %s after the harm", i, time.Since(began).Round(time.Millisecond))
		b.must(c.Nodes[i].Start(t.Context()))
	}
	b.check(all)
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
