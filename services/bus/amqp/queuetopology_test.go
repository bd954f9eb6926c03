//go:build linux

package amqp_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus/amqp"
)

// tryQueue opens the queue and closes it again.
func tryQueue(t *testing.T, url string, change func(*amqp.Config)) error {
	t.Helper()
	q, err := amqp.OpenQueue(t.Context(), config(url, change), 1, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	return q.Close()
}

func TestUnfitQueueIsRefused(t *testing.T) {
	t.Parallel()
	quorum := amqp091.Table{"x-queue-type": "quorum"}
	for name, c := range map[string]struct {
		queue string
		args  amqp091.Table
		want  string
	}{
		"classic queue":        {"alerts.dispatch", amqp091.Table{}, "is no quorum queue"},
		"stream":               {"alerts.dispatch.dead", amqp091.Table{"x-queue-type": "stream"}, "is no quorum queue"},
		"other arguments":      {"alerts.dispatch", quorum, "declared otherwise"},
		"delay without an end": {"alerts.dispatch.retry-15s", quorum, "declared otherwise"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, url := broker(t)
			onChannel(t, url, func(ch *amqp091.Channel) error {
				if _, err := ch.QueueDeclare(c.queue, true, false, false, false, c.args); err != nil {
					return err
				}
				return ch.PublishWithContext(t.Context(), "", c.queue, true, false, amqp091.Publishing{Body: []byte("kept")})
			})
			err := tryQueue(t, url, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.queue) {
				t.Errorf("got %v", err)
			}
			onChannel(t, url, func(ch *amqp091.Channel) error { // nothing was deleted
				_, err := ch.QueueDeclarePassive(c.queue, true, false, false, false, nil)
				return err
			})
		})
	}
}

// TestReplicasOfTheQueue: the number of its members is what bus.replicas says, and
// another number is an error that names the setting.
func TestReplicasOfTheQueue(t *testing.T) {
	t.Parallel()
	n, vhost, url := broker(t)
	if err := tryQueue(t, url, func(c *amqp.Config) { c.Replicas = 5 }); err != nil {
		t.Fatal(err)
	}
	got, err := n.Eval(t.Context(), fmt.Sprintf(
		"{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<%q>>, queue, <<\"alerts.dispatch\">>)), {_, _, S} = lists:keyfind(<<\"x-quorum-initial-group-size\">>, 1, amqqueue:get_arguments(Q)), {amqqueue:get_type(Q), S}.", vhost))
	if err != nil || got != "{rabbit_quorum_queue, 5}" {
		t.Errorf("the broker has %s, %v", got, err)
	}
	err = tryQueue(t, url, func(c *amqp.Config) { c.Replicas = 3 })
	if err == nil || !strings.Contains(err.Error(), "bus.replicas") {
		t.Errorf("with another number: %v", err)
	}
}

// TestQueuesAreMadeByMany: many processes begin at the same moment.
func TestQueuesAreMadeByMany(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if err := tryQueue(t, url, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestDeletedQueueIsMadeAgain: an operator deletes it while everything runs.
func TestDeletedQueueIsMadeAgain(t *testing.T) {
	t.Parallel()
	n, vhost, url := broker(t)
	q := openQueue(t, url, nil)
	putOne(t, q, "before")
	takeOne(t, q, "before")
	for _, name := range []string{"alerts.dispatch", "alerts.dispatch.dead", "alerts.dispatch.retry-1s"} {
		if err := n.DeleteQueue(t.Context(), vhost, name); err != nil {
			t.Fatal(err)
		}
	}
	putOne(t, q, "after")
	takeOne(t, q, "after")
	putOne(t, q, "later")
	d := takeDelivery(t, q)
	if err := d.Retry(t.Context(), 1); err != nil {
		t.Errorf("retry: %v", err)
	}
	takeOne(t, q, "later")
	eventually(t, "it is ready", q.Ready)
	if got := q.Warnings(); len(got) != 1 {
		t.Errorf("warnings %q", got)
	}
}

// TestForeignMessagesAreBuried: those of strangers, and what the broker itself buries,
// can be seen among the dead.
func TestForeignMessagesAreBuried(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	q := openQueue(t, url, nil)
	onChannel(t, url, func(ch *amqp091.Channel) error {
		return ch.PublishWithContext(t.Context(), "", "alerts.dispatch", true, false, amqp091.Publishing{MessageId: "stranger", Body: []byte("hello")})
	})
	putOne(t, q, "ours")
	takeOne(t, q, "ours")
	eventually(t, "it is among the dead", func() error {
		dead, err := q.Dead(t.Context(), 10)
		if err != nil {
			return err
		}
		if len(dead) != 1 || dead[0].ID != "stranger" || string(dead[0].Body) != "hello" || !strings.Contains(dead[0].Reason, "no message") {
			return fmt.Errorf("dead are %v", dead)
		}
		return nil
	})
}

// TestLongWaitsGoRound: what waits for longer than a delay queue keeps it comes back
// without having been tried.
func TestLongWaitsGoRound(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	q := openQueue(t, url, nil)
	began := time.Now()
	onChannel(t, url, func(ch *amqp091.Channel) error {
		return ch.PublishWithContext(t.Context(), "", "alerts.dispatch.retry-1s", true, false, amqp091.Publishing{
			AppId: "esmon", Type: "message", Headers: amqp091.Table{"x-esmon-id": "patient", "x-esmon-tries": int64(3), "x-esmon-rest-ms": int64(700)},
		})
	})
	d := takeDelivery(t, q)
	if waited := time.Since(began); waited < 1500*time.Millisecond {
		t.Errorf("it came after %v, two rounds of a second were to be waited", waited)
	}
	if d.Message().ID != "patient" || d.Tries() != 3 {
		t.Errorf("took %q after %d tries", d.Message().ID, d.Tries())
	}
	if err := d.Done(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOftenRedelivered: a broker's own limit of 20 must not bury a notification.
func TestOftenRedelivered(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	q := openQueue(t, url, nil)
	putOne(t, q, "a")
	onChannel(t, url, func(ch *amqp091.Channel) error {
		for range 50 {
			d, ok, err := ch.Get("alerts.dispatch", false)
			if err != nil {
				return err
			}
			if !ok {
				return errors.New("it is gone")
			}
			if err := d.Nack(false, true); err != nil {
				return err
			}
		}
		return nil
	})
	d := takeDelivery(t, q)
	if d.Tries() < 1 {
		t.Errorf("tried %d times before", d.Tries())
	}
	if err := d.Done(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestIdleProcessHoldsNothing: one that stopped taking leaves messages to others, and
// what it works at stays its own.
func TestIdleProcessHoldsNothing(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	idle, busy := openQueue(t, url, nil), openQueue(t, url, nil)
	for round := range 3 {
		putOne(t, idle, "held")
		held := takeDelivery(t, idle)
		for i := range 10 {
			id := fmt.Sprintf("%d-%d", round, i)
			putOne(t, busy, id)
			takeOne(t, busy, id)
		}
		if err := held.Done(t.Context()); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
	}
}
