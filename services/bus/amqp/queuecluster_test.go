//go:build linux

package amqp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus/amqp"
	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
)

// members are the queues whose members are looked at: all that the test uses.
var members = []string{"alerts.dispatch", "alerts.dispatch.retry-1s"}

// awaitMembers waits until the queues have a leader and two followers: harm to a node
// before another one is back leaves no majority.
func awaitMembers(t *testing.T, n *amqptest.Node) {
	t.Helper()
	eventually(t, "the queues are whole", func() error {
		for _, name := range members {
			got, err := n.Eval(t.Context(), fmt.Sprintf(
				"lists:sort([proplists:get_value(<<\"Raft State\">>, M) || M <- rabbit_quorum_queue:status(<<\"/\">>, <<%q>>)]).", name))
			if err != nil || strings.Join(strings.Fields(got), "") != "[follower,follower,leader]" {
				return fmt.Errorf("queue %s has members %s, %w", name, got, err)
			}
		}
		return nil
	})
}

// TestQueueInACluster: two of three brokers go on, whichever led, and nothing is lost.
func TestQueueInACluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("three brokers take a minute")
	}
	c := amqptest.Run(t, amqptest.Options{Nodes: 3})
	q := openQueue(t, strings.Join(c.URLs(), ","), func(c *amqp.Config) { c.PublishTimeout = 5 * time.Second })
	if got := q.Warnings(); len(got) != 0 {
		t.Errorf("warnings %q", got)
	}
	g := startQueueLedger(t, q)
	for i, harm := range []func(*amqptest.Node) error{(*amqptest.Node).Kill, (*amqptest.Node).Stop, (*amqptest.Node).Kill} {
		g.more(50)
		if err := harm(c.Nodes[i]); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		g.more(50) // the majority goes on
		t.Logf("member %d: the queue goes on %s after the harm", i, time.Since(began).Round(time.Millisecond))
		if err := c.Nodes[i].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		awaitMembers(t, c.Nodes[i])
	}
	g.more(50)
	eventually(t, "the queue is ready", q.Ready)
	g.check()
}
