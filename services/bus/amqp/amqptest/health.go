//go:build linux

package amqptest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// AwaitWhole waits until all nodes run, know each other, and serve readers of the
// streams. Harm to a node before another one is back leaves no majority.
func (c *Cluster) AwaitWhole(ctx context.Context, vhost string, streams ...string) error {
	for {
		err := c.whole(ctx, vhost, streams)
		if err == nil {
			return nil
		}
		if pause(ctx, poll) != nil {
			return fmt.Errorf("wait for the cluster to be whole: %w", err)
		}
	}
}

func (c *Cluster) whole(ctx context.Context, vhost string, streams []string) error {
	for _, n := range c.Nodes {
		if err := n.expect(ctx, strconv.Itoa(len(c.Nodes)), runningMembers); err != nil {
			return err
		}
		for _, s := range streams {
			if err := n.serves(vhost, s); err != nil {
				return fmt.Errorf("broker %s does not serve stream %s: %w", n.Name, s, err)
			}
		}
	}
	return nil
}

// runningMembers counts the nodes of the cluster that run, as one sees it.
const runningMembers = "length(rabbit_mnesia:cluster_nodes(running))."

// serves reads the last chunk of the stream.
func (n *Node) serves(vhost, stream string) error {
	conn, err := amqp.DialConfig(n.url(vhost), amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return err //nolint:wrapcheck // the caller says what was attempted
	}
	defer conn.Close() //nolint:errcheck // it only looked
	ch, err := conn.Channel()
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	if err := ch.Qos(1, 0, false); err != nil {
		return err //nolint:wrapcheck // likewise
	}
	deliveries, err := ch.Consume(stream, "", false, false, false, false, amqp.Table{"x-stream-offset": "last"})
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	select {
	case _, ok := <-deliveries:
		if !ok {
			return errors.New("it ended the subscription")
		}
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("nothing came")
	}
}
