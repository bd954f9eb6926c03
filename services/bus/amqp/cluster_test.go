//go:build linux

package amqp_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus/amqp"
	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
)

// TestCluster harms one node after the other of three while records are being
// published, and reads through all of it.
func TestCluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("three brokers take a minute")
	}
	c := amqptest.Run(t, amqptest.Options{Nodes: 3})
	urls := strings.Join(c.URLs(), ",")
	l := openLog(t, urls, amqp.Deps{}, func(c *amqp.Config) { c.PublishTimeout = 5 * time.Second })
	eventually(t, "three brokers hold the stream", func() error {
		if w := l.Warnings(); len(w) > 0 {
			return errors.New(w[0])
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*within)
	defer cancel()
	r := read(t, l, 0, 1)
	g := startLedger(t, l, 8)
	for i, fault := range []struct {
		name       string
		harm, mend func(a, b *amqptest.Node) error
	}{
		{"kill", func(a, _ *amqptest.Node) error { return a.Kill() }, func(a, _ *amqptest.Node) error { return a.Start(ctx) }},
		{"partition", func(a, b *amqptest.Node) error { return c.Partition(ctx, a, b) }, func(a, b *amqptest.Node) error { return c.Heal(ctx, a, b) }},
		{"pause", func(a, _ *amqptest.Node) error { return a.Pause() }, func(a, _ *amqptest.Node) error { return errors.Join(a.Resume(), a.Restart(ctx)) }},
		{"stop", func(a, _ *amqptest.Node) error { return a.Stop() }, func(a, _ *amqptest.Node) error { return a.Start(ctx) }},
	} {
		a, b := c.Nodes[i%3], c.Nodes[(i+1)%3]
		t.Logf("%s of node %d", fault.name, i%3+1)
		g.more(100)
		if err := fault.harm(a, b); err != nil {
			t.Fatalf("%s: %v", fault.name, err)
		}
		g.more(100) // the majority goes on
		if err := fault.mend(a, b); err != nil {
			t.Fatalf("%s: %v", fault.name, err)
		}
		if err := c.AwaitWhole(ctx, "/", "metrics.ingest"); err != nil {
			t.Fatalf("%s: %v", fault.name, err)
		}
		g.more(100)
	}
	g.end()
	eventually(t, "the log is ready", l.Ready)
	g.check(r, bounds(t, l, 0).Next)
	confirmed, failures := g.count()
	t.Logf("%d confirmed, %d failed", confirmed, failures)
}
