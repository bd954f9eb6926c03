//go:build linux

package amqp_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
)

// TestNothingConfirmedIsLost harms a broker in every way while records are being
// published, and reads through all of it with one reader.
func TestNothingConfirmedIsLost(t *testing.T) {
	t.Parallel()
	n := amqptest.Run(t, amqptest.Options{}).Nodes[0]
	l := openLog(t, n.URL(), amqp.Deps{}, func(c *amqp.Config) { c.PublishTimeout = 3 * time.Second })
	r := read(t, l, 0, 1)
	want := bounds(t, l, 0).LogID
	g := startLedger(t, l, 8)
	for name, harm := range map[string]func() error{"stop": n.Stop, "kill": n.Kill, "pause": n.Pause} {
		g.more(200)
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "readiness tells of "+name, func() error {
			if l.Ready() == nil {
				return errors.New("it is ready")
			}
			return nil
		})
		if name == "pause" {
			if err := n.Resume(); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		// On a busy machine RabbitMQ 3.10 sometimes gives up starting a stream's
		// replica, and tries again only when it is restarted.
		for range 3 {
			if readyWithin(l, 20*time.Second) {
				break
			}
			if err := n.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		g.more(200)
		eventually(t, "it is ready again after "+name, l.Ready)
	}
	g.end()
	if _, failures := g.count(); failures == 0 {
		t.Error("no fault took effect")
	}
	b := bounds(t, l, 0)
	if b.LogID != want || r.LogID() != want {
		t.Errorf("log id %s, of the reader %s, was %s", b.LogID, r.LogID(), want)
	}
	g.check(r, b.Next)
}

func readyWithin(l *amqp.Log, d time.Duration) bool {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if l.Ready() == nil {
			return true
		}
	}
	return false
}

// TestPausedBrokerHoldsNobodyUp: calls end with their context or their timeout.
func TestPausedBrokerHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	// Heartbeats so seldom that they end nothing here.
	n := amqptest.Run(t, amqptest.Options{Config: []string{"heartbeat = 3600"}}).Nodes[0]
	l := openLog(t, n.URL(), amqp.Deps{}, func(c *amqp.Config) {
		c.PublishTimeout, c.Heartbeat, c.WriteTimeout, c.WindowBytes = time.Second, time.Hour, time.Second, 256<<20
	})
	publish(t, l, 0, "before")
	r := read(t, l, 0, 1)
	want(t, r, "before")
	if err := n.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := l.Publish(ctx, 0, []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("publish: %v", err)
	}
	// More than the network takes before somebody reads it: the write itself hangs.
	big := make([]byte, 32<<20)
	for range 3 {
		if err := l.Publish(t.Context(), 0, big); err == nil {
			t.Error("a paused broker confirmed a record")
		}
	}
	if _, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("next: %v", err)
	}
	if _, err := l.Bounds(ctx, 0); err == nil {
		t.Error("a paused broker told its bounds")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestFullDiskOfTheBroker: it takes nothing, which is said at once, and goes on
// when there is room.
func TestFullDiskOfTheBroker(t *testing.T) {
	t.Parallel()
	n := amqptest.Run(t, amqptest.Options{}).Nodes[0]
	l := openLog(t, n.URL(), amqp.Deps{}, func(c *amqp.Config) { c.PublishTimeout = 3 * time.Second })
	publish(t, l, 0, "before")
	if err := n.SetDiskFull(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	// The broker tells a connection only when it publishes.
	eventually(t, "the log says that it takes nothing", func() error {
		if err := l.Publish(t.Context(), 0, []byte("x")); !errors.Is(err, bus.ErrFull) {
			return errors.Join(errors.New("another error than full"), err)
		}
		return nil
	})
	if err := l.Ready(); err == nil || !strings.Contains(err.Error(), "disk") {
		t.Errorf("readiness says %v", err)
	}
	want(t, read(t, l, 0, 1), "before") // reading goes on
	if err := n.SetDiskFull(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	publish(t, l, 0, "after")
	eventually(t, "it is ready", l.Ready)
}
