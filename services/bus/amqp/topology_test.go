//go:build linux

package amqp_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
)

func TestQueueOfAnotherKindIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args amqp091.Table
		want string
	}{
		"classic queue": {amqp091.Table{}, "is no stream"},
		"other limits":  {amqp091.Table{"x-queue-type": "stream", "x-max-age": "1D"}, "other limits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, url := broker(t)
			onChannel(t, url, func(ch *amqp091.Channel) error {
				_, err := ch.QueueDeclare("metrics.ingest", true, false, false, false, c.args)
				return err
			})
			_, err := amqp.Open(t.Context(), config(url, nil), amqp.Deps{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "metrics.ingest") {
				t.Errorf("got %v", err)
			}
			onChannel(t, url, func(ch *amqp091.Channel) error {
				_, err := ch.QueueDeclarePassive("metrics.ingest", true, false, false, false, nil)
				return err
			})
		})
	}
}

// TestPartitionsMayChange: what is in older streams is read, and nothing goes
// there any more.
func TestPartitionsMayChange(t *testing.T) {
	t.Parallel()
	n, vhost, url := broker(t)
	var opened []*amqp.Log
	for _, step := range []struct {
		partitions          int
		publishTo, readable []int
	}{
		{1, []int{0}, []int{0}},
		{3, []int{1, 2, 3}, []int{0, 1, 2, 3}},
		{2, []int{1, 2}, []int{0, 1, 2, 3}},
		{1, []int{0}, []int{0, 1, 2, 3}},
	} {
		l := openLog(t, url, amqp.Deps{}, func(c *amqp.Config) { c.Partitions = step.partitions })
		opened = append(opened, l)
		if !slices.Equal(l.Partitions(), step.publishTo) || !slices.Equal(l.Readable(), step.readable) {
			t.Fatalf("%d partitions: publish to %d, read %d", step.partitions, l.Partitions(), l.Readable())
		}
		for _, p := range l.Partitions() {
			publish(t, l, p, fmt.Sprintf("%d of %d", p, step.partitions))
		}
	}
	l := opened[3]
	for p, records := range map[int][]string{0: {"0 of 1", "0 of 1"}, 1: {"1 of 3", "1 of 2"}, 3: {"3 of 3"}} {
		r := read(t, l, p, 1)
		want(t, r, records...)
		if r.LogID() != bounds(t, l, p).LogID {
			t.Errorf("partition %d: log id %s", p, r.LogID())
		}
	}
	if err := l.Publish(t.Context(), 3, []byte("x")); !errors.Is(err, bus.ErrNoPartition) {
		t.Errorf("published to an older partition: %v", err)
	}
	r := read(t, l, 3, 2)
	if err := n.DeleteQueue(t.Context(), vhost, "metrics.ingest-2"); err != nil {
		t.Fatal(err)
	}
	if _, err := next(t, r); !errors.Is(err, bus.ErrNoPartition) {
		t.Errorf("the reader of a removed older partition got %v", err)
	}
	if got := l.Readable(); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("to read are %d", got)
	}
}

// TestRacingCreators: many processes begin at the same moment and agree on the ID.
func TestRacingCreators(t *testing.T) {
	t.Parallel()
	_, _, url := broker(t)
	ids := make(chan string)
	const count = 6
	for range count {
		go func() {
			l, err := amqp.Open(t.Context(), config(url, nil), amqp.Deps{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
			if err != nil {
				ids <- err.Error()
				return
			}
			defer l.Close()
			b, err := l.Bounds(t.Context(), 0)
			if err != nil || b.First != 1 || b.Next != 1 {
				ids <- fmt.Sprintf("%+v, %v", b, err)
				return
			}
			ids <- b.LogID
		}()
	}
	first := <-ids
	for range count - 1 {
		if id := <-ids; id != first {
			t.Errorf("%q and %q", first, id)
		}
	}
	l := openLog(t, url, amqp.Deps{}, nil)
	publish(t, l, 0, "a", "b")
	want(t, read(t, l, 0, 1), "a", "b")
}
