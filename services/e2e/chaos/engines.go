package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
)

// Broker returns the faults of a node of RabbitMQ.
func Broker() []*Fault {
	node := func(kind string, do func(ctx context.Context, r *Runner, n *amqptest.Node) (string, error)) *Fault {
		return &Fault{Part: "broker", Kind: kind, do: func(ctx context.Context, r *Runner) (string, error) {
			n := pick(r, r.P.MQ.Nodes)
			seen, err := do(ctx, r, n)
			if err != nil {
				return "", err
			}
			more, err := r.whole(ctx)
			return n.Name + ": " + seen + more, err
		}}
	}
	return []*Fault{
		node("kill", func(ctx context.Context, r *Runner, n *amqptest.Node) (string, error) {
			if err := n.Kill(); err != nil {
				return "", err
			}
			err := r.refuses(ctx, n.Address())
			r.wait(ctx, 2*time.Second, 8*time.Second)
			return "it refuses connections", errors.Join(err, n.Start(ctx))
		}),
		node("stop", func(ctx context.Context, r *Runner, n *amqptest.Node) (string, error) {
			if err := n.Pause(); err != nil {
				return "", err
			}
			err := r.silent(ctx, n.Address(), []byte("AMQP\x00\x00\x09\x01"))
			r.wait(ctx, 5*time.Second, 15*time.Second)
			// RabbitMQ sometimes leaves a node apart that was stopped for long.
			return "it takes connections and does not answer", errors.Join(err, n.Resume(), n.Restart(ctx))
		}),
		node("partition", func(ctx context.Context, r *Runner, n *amqptest.Node) (string, error) {
			other := r.P.MQ.Nodes[0]
			if other == n {
				other = r.P.MQ.Nodes[1]
			}
			if err := r.P.MQ.Partition(ctx, n, other); err != nil {
				return "", err
			}
			nodes, err := n.Eval(ctx, "nodes().")
			r.wait(ctx, 5*time.Second, 15*time.Second)
			return fmt.Sprintf("cut off from %s, it sees %s", other.Name, nodes), errors.Join(err, r.P.MQ.Heal(ctx, n, other))
		}),
		node("restart", func(ctx context.Context, r *Runner, n *amqptest.Node) (string, error) {
			if err := n.Stop(); err != nil {
				return "", err
			}
			err := r.refuses(ctx, n.Address())
			return "it refuses connections", errors.Join(err, n.Start(ctx))
		}),
		{Part: "broker", Kind: "disk full", do: func(ctx context.Context, r *Runner) (string, error) {
			full := func(yes bool) error {
				var errs []error
				for _, n := range r.P.MQ.Nodes { // it is the disk of this host
					errs = append(errs, n.SetDiskFull(ctx, yes))
				}
				return errors.Join(errs...)
			}
			if err := full(true); err != nil {
				return "", err
			}
			before := r.Fleet.Samples()
			err := within(ctx, effectTimeout, func() error { return r.stalled(ctx, &before) })
			r.wait(ctx, 0, 10*time.Second)
			return "no sample is acknowledged for 2s", errors.Join(err, full(false))
		}},
	}
}

// whole waits until the brokers are together again and confirm: with one apart, the
// next fault would leave no majority. RabbitMQ 3.10 does not always manage that by
// itself after a partition; then they are restarted, as an operator would, and what is
// returned says so.
func (r *Runner) whole(ctx context.Context) (string, error) {
	before := r.Fleet.Samples()
	err := within(ctx, time.Minute, func() error {
		if n := r.Fleet.Samples() - before; n < 10_000 {
			return fmt.Errorf("%d samples were confirmed", n)
		}
		soon, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		return r.P.MQ.AwaitWhole(soon, "/", "metrics.ingest")
	})
	if err == nil || ctx.Err() != nil {
		return "", err
	}
	for _, n := range r.P.MQ.Nodes {
		if err := n.Restart(ctx); err != nil {
			return "", err
		}
	}
	return "; the brokers did not come together by themselves and were restarted", r.P.MQ.AwaitWhole(ctx, "/", "metrics.ingest")
}

// stalled returns nil if no sample is acknowledged for a while.
func (r *Runner) stalled(ctx context.Context, before *int64) error {
	r.wait(ctx, 2*time.Second, 2*time.Second+1)
	n := r.Fleet.Samples()
	grown := n - *before
	*before = n
	if grown > 0 {
		return fmt.Errorf("%d samples were acknowledged within 2s", grown)
	}
	return nil
}

// Postgres returns the faults of PostgreSQL.
func Postgres() []*Fault {
	fault := func(kind string, do func(ctx context.Context, r *Runner) (string, error)) *Fault {
		return &Fault{Part: "postgres", Kind: kind, do: do}
	}
	return []*Fault{
		fault("failover", func(ctx context.Context, r *Runner) (string, error) {
			primary, standby := r.servers()
			if err := standby.WaitCaughtUp(ctx, primary); err != nil {
				return "", err
			}
			return r.promote(ctx)
		}),
		fault("lagging failover", func(ctx context.Context, r *Runner) (string, error) {
			primary, standby := r.servers()
			if err := standby.StopReceiving(ctx); err != nil {
				return "", err
			}
			from, err := r.cuts(ctx)
			if err != nil {
				return "", err
			}
			var cut float64
			err = within(ctx, effectTimeout, func() error {
				now, err := r.cuts(ctx)
				if cut = now - from; err == nil && cut < 1 {
					err = errors.New("no cut was stored")
				}
				return err
			})
			if err != nil {
				return "", errors.Join(err, standby.StartReceiving(ctx, primary))
			}
			seen, err := r.promote(ctx)
			return fmt.Sprintf("%s; it had missed %.0f cuts", seen, cut), err
		}),
		fault("kill", func(ctx context.Context, r *Runner) (string, error) {
			primary, _ := r.servers()
			if err := primary.Kill(); err != nil {
				return "", err
			}
			err := r.refuses(ctx, primary.Address())
			r.wait(ctx, 0, 5*time.Second)
			return "it refuses connections", errors.Join(err, primary.Start(ctx))
		}),
		fault("stop", func(ctx context.Context, r *Runner) (string, error) {
			primary, _ := r.servers()
			if err := primary.Freeze(); err != nil {
				return "", err
			}
			err := r.silent(ctx, primary.Address(), []byte{0, 0, 0, 8, 4, 210, 22, 47}) // asks for TLS
			r.wait(ctx, 5*time.Second, 15*time.Second)
			return "it takes connections and does not answer", errors.Join(err, primary.Thaw())
		}),
		fault("partition", func(ctx context.Context, r *Runner) (string, error) {
			primary, _ := r.servers()
			if err := r.P.CutOff(primary.Address()); err != nil {
				return "", err
			}
			x, err := r.leader(ctx, nil)
			if err == nil {
				err = within(ctx, effectTimeout, func() error {
					if x.Ready(ctx) == nil {
						return errors.New("its readiness does not tell")
					}
					return nil
				})
			}
			r.wait(ctx, 0, 10*time.Second)
			r.P.Heal(ctx)
			return "the storage node that cuts is not ready", err
		}),
		fault("restart", func(ctx context.Context, r *Runner) (string, error) {
			primary, _ := r.servers()
			if err := primary.Stop(ctx); err != nil {
				return "", err
			}
			err := r.refuses(ctx, primary.Address())
			return "it refuses connections", errors.Join(err, primary.Start(ctx))
		}),
	}
}

func (r *Runner) servers() (primary, standby *pgtest.Server) {
	if r.primary == 0 {
		return r.P.PG.A, r.P.PG.B
	}
	return r.P.PG.B, r.P.PG.A
}

// promote kills the primary, lets the standby take its place, and makes a standby
// of the old one.
func (r *Runner) promote(ctx context.Context) (string, error) {
	primary, standby := r.servers()
	if err := primary.Kill(); err != nil {
		return "", err
	}
	r.wait(ctx, 0, 5*time.Second)
	if err := standby.Promote(ctx); err != nil {
		return "", err
	}
	r.primary = 1 - r.primary
	err := standby.Exec(ctx, "CREATE TEMPORARY TABLE promoted ()") // a standby refuses it
	return "the standby was promoted and takes writes", errors.Join(err, primary.FollowAnew(ctx, standby))
}

// cuts returns how many cuts were stored by the storage nodes that run.
func (r *Runner) cuts(ctx context.Context) (float64, error) {
	sum := 0.0
	for _, x := range r.P.Storage {
		v, err := x.Metric(ctx, "esmon_tsdb_cuts_total", "")
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// refuses waits until nobody listens at the address.
func (r *Runner) refuses(ctx context.Context, address string) error {
	return within(ctx, effectTimeout, func() error {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return nil //nolint:nilerr // that is what is waited for
		}
		return errors.Join(fmt.Errorf("%s takes connections", address), c.Close())
	})
}

// silent waits until who listens at the address does not answer to a greeting: a
// process of many threads that is told to stop goes on for a moment.
func (r *Runner) silent(ctx context.Context, address string, greeting []byte) error {
	return within(ctx, effectTimeout, func() error { return unanswered(ctx, address, greeting) })
}

// unanswered greets once.
func unanswered(ctx context.Context, address string, greeting []byte) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("it should take connections: %w", err)
	}
	defer func() { _ = c.Close() }() // it has served
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write(greeting); err != nil {
		return err
	}
	if n, err := c.Read(make([]byte, 1)); n > 0 {
		return fmt.Errorf("%s answers", address)
	} else if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
		return fmt.Errorf("%s should be silent: %w", address, err)
	}
	return nil
}
