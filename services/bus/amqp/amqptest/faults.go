//go:build linux

package amqptest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// Partition cuts the network between two nodes, both ways, and leaves everything
// else. It holds until Heal: each takes the other for a stranger, as one with
// another cookie is.
func (c *Cluster) Partition(ctx context.Context, a, b *Node) error {
	return errors.Join(a.cut(ctx, b), b.cut(ctx, a))
}

// Heal lets two nodes speak to each other again. One that had paused itself
// because it was alone comes back on its own.
func (c *Cluster) Heal(ctx context.Context, a, b *Node) error {
	if err := errors.Join(a.know(ctx, b), b.know(ctx, a)); err != nil {
		return err
	}
	for {
		met, err := a.Eval(ctx, fmt.Sprintf("net_kernel:connect_node('%s').", b.Name))
		if err == nil && met == "true" {
			return nil
		}
		if err := pause(ctx, poll); err != nil {
			return fmt.Errorf("let broker %s meet %s again: %w", a.Name, b.Name, err)
		}
	}
}

func (n *Node) cut(ctx context.Context, other *Node) error {
	return n.expect(ctx, "true", fmt.Sprintf("erlang:set_cookie('%s', 'cut'), erlang:disconnect_node('%s'), not lists:member('%s', nodes()).", other.Name, other.Name, other.Name))
}

func (n *Node) know(ctx context.Context, other *Node) error {
	return n.expect(ctx, "true", fmt.Sprintf("erlang:set_cookie('%s', '%s').", other.Name, n.c.cookie))
}

// SetDiskFull makes the node believe that its disk is full, or not any more. A
// full disk of one node blocks publishing in the whole cluster.
func (n *Node) SetDiskFull(ctx context.Context, full bool) error {
	limit := int64(1 << 20)
	if full {
		limit = 1 << 60
	}
	if err := n.expect(ctx, "ok", "rabbit_disk_monitor:set_disk_free_limit("+strconv.FormatInt(limit, 10)+")."); err != nil {
		return err
	}
	// The monitor looks again only after a while that it chooses itself.
	if _, err := n.Eval(ctx, "rabbit_disk_monitor ! update."); err != nil {
		return err
	}
	for {
		got, err := n.Eval(ctx, "lists:keymember({resource_limit, disk, node()}, 1, rabbit_alarm:get_alarms()).")
		if err != nil {
			return err
		}
		if got == strconv.FormatBool(full) {
			return nil
		}
		if err := pause(ctx, poll); err != nil {
			return fmt.Errorf("wait for the disk alarm of broker %s to be %t: %w", n.Name, full, err)
		}
	}
}

// DeleteQueue deletes a queue or stream with everything in it, as an operator
// does by mistake.
func (n *Node) DeleteQueue(ctx context.Context, vhost, name string) error {
	return n.expect(ctx, "ok", fmt.Sprintf(
		"{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<%q>>, queue, <<%q>>)), {ok, _} = rabbit_amqqueue:delete(Q, false, false, <<\"amqptest\">>), ok.", vhost, name))
}

// AddVhost makes a virtual host, whose queues are apart from all others, and
// returns the node's address for it.
func (n *Node) AddVhost(ctx context.Context, name string) (string, error) {
	err := n.expect(ctx, "ok", fmt.Sprintf(
		"rabbit_vhost:add(<<%q>>, <<\"amqptest\">>), rabbit_auth_backend_internal:set_permissions(<<\"guest\">>, <<%q>>, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"amqptest\">>), ok.", name, name))
	if err != nil {
		return "", err
	}
	return n.url(name), nil
}

// AddUser makes a user with all rights in a virtual host and returns the node's
// address for them.
func (n *Node) AddUser(ctx context.Context, vhost, name, password string) error {
	return n.expect(ctx, "ok", fmt.Sprintf(
		"rabbit_auth_backend_internal:add_user(<<%q>>, <<%q>>, <<\"amqptest\">>), rabbit_auth_backend_internal:set_permissions(<<%q>>, <<%q>>, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"amqptest\">>), ok.", name, password, name, vhost))
}
