//go:build linux

package amqp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/amqp"
	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
)

func putOne(t testing.TB, q *amqp.Queue, id string) {
	t.Helper()
	eventually(t, "put", func() error { return q.Put(t.Context(), bus.Message{ID: id}) })
}

func takeDelivery(t testing.TB, q *amqp.Queue) bus.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	d, err := q.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// takeOne takes that message; others that come again are done on the way.
func takeOne(t testing.TB, q *amqp.Queue, id string) {
	t.Helper()
	for {
		d := takeDelivery(t, q)
		if err := d.Done(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d.Message().ID == id {
			return
		}
	}
}

// queueLedger puts and works without end, and knows what was put for sure and what
// came.
type queueLedger struct {
	t    testing.TB
	q    *amqp.Queue
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu        sync.Mutex // guards what follows
	put, came map[string]bool
	failures  int
	last      error // of the failures
}

func startQueueLedger(t testing.TB, q *amqp.Queue) *queueLedger {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	g := &queueLedger{t: t, q: q, stop: stop, put: map[string]bool{}, came: map[string]bool{}}
	for p := range 4 {
		g.wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				time.Sleep(5 * time.Millisecond) // the machine has other things to do, too
				id := fmt.Sprintf("%d-%d", p, i)
				for ctx.Err() == nil {
					err := q.Put(ctx, bus.Message{ID: id})
					if err == nil {
						g.note(func() { g.put[id] = true })
						break
					}
					g.note(func() { g.failures++; g.last = err })
				}
			}
		})
		g.wg.Go(func() { g.work(ctx, p) })
	}
	t.Cleanup(func() { stop(); g.wg.Wait() })
	return g
}

// work answers in every way; a message counts as having come when it was done. The end of
// the ledger ends no answer: whether the message comes again then would not be known.
func (g *queueLedger) work(ctx context.Context, worker int) {
	for i := worker; ; i++ {
		d, err := g.q.Take(ctx)
		if err != nil {
			return
		}
		if i%5 == 0 && d.Tries() == 0 {
			_ = d.Retry(g.t.Context(), time.Millisecond) // if it fails the message comes again
			continue
		}
		if d.Done(g.t.Context()) == nil {
			g.note(func() { g.came[d.Message().ID] = true })
		}
	}
}

func (g *queueLedger) note(what func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	what()
}

// more waits until n more messages were put and came.
func (g *queueLedger) more(n int) {
	g.t.Helper()
	g.moreWithin(within, n)
}

func (g *queueLedger) moreWithin(limit time.Duration, n int) {
	g.t.Helper()
	var want int
	g.note(func() { want = max(len(g.put), len(g.came)) + n })
	eventuallyWithin(g.t, limit, "messages come", func() error {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.put) < want || len(g.came) < want {
			return fmt.Errorf("put %d, came %d, want %d, %d failures, the last: %w; ready: %w", len(g.put), len(g.came), want, g.failures, g.last, g.q.Ready())
		}
		return nil
	})
}

// check ends the putting and waits for everything that was put.
func (g *queueLedger) check() {
	g.t.Helper()
	g.stop()
	g.wg.Wait()
	missing := map[string]bool{}
	for id := range g.put {
		if !g.came[id] {
			missing[id] = true
		}
	}
	for len(missing) > 0 {
		d := takeDelivery(g.t, g.q)
		delete(missing, d.Message().ID)
		if err := d.Done(g.t.Context()); err != nil {
			g.t.Error(err)
		}
	}
	if g.failures == 0 {
		g.t.Error("no fault took effect")
	}
	g.t.Logf("%d put, %d failures", len(g.put), g.failures)
}

// TestNoMessageIsLost harms a broker in every way while messages are put and worked at.
func TestNoMessageIsLost(t *testing.T) {
	t.Parallel()
	n := amqptest.Run(t, amqptest.Options{}).Nodes[0]
	q := openQueue(t, n.URL(), func(c *amqp.Config) { c.PublishTimeout = 3 * time.Second })
	g := startQueueLedger(t, q)
	for _, fault := range []struct {
		name string
		harm func() error
	}{{"kill", n.Kill}, {"pause", n.Pause}, {"stop", n.Stop}} {
		g.more(50)
		if err := fault.harm(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "readiness tells of "+fault.name, func() error {
			if q.Ready() == nil {
				return errors.New("it is ready")
			}
			return nil
		})
		if fault.name == "pause" {
			if err := n.Resume(); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.more(50)
		eventually(t, "it is ready again after "+fault.name, q.Ready)
	}
	g.check()
}

// TestQueueOnAFullDisk: nothing is put, which is said, and what is there is worked at.
func TestQueueOnAFullDisk(t *testing.T) {
	t.Parallel()
	n := amqptest.Run(t, amqptest.Options{}).Nodes[0]
	q := openQueue(t, n.URL(), func(c *amqp.Config) { c.PublishTimeout = 3 * time.Second })
	putOne(t, q, "before")
	if err := n.SetDiskFull(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the queue says that the broker takes nothing", func() error {
		err := q.Put(t.Context(), bus.Message{ID: "x"})
		if err == nil || !strings.Contains(err.Error(), "takes nothing") || errors.Is(err, bus.ErrFull) {
			return fmt.Errorf("another error: %w", err)
		}
		return nil
	})
	if err := q.Ready(); err == nil || !strings.Contains(err.Error(), "disk") {
		t.Errorf("readiness says %v", err)
	}
	takeOne(t, q, "before")
	if err := n.SetDiskFull(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	putOne(t, q, "after")
	takeOne(t, q, "after")
	eventually(t, "it is ready", q.Ready)
}

// TestPausedBrokerHoldsNoWorkerUp: calls end with their context.
func TestPausedBrokerHoldsNoWorkerUp(t *testing.T) {
	t.Parallel()
	// Heartbeats so seldom that they end nothing here.
	n := amqptest.Run(t, amqptest.Options{Config: []string{"heartbeat = 3600"}}).Nodes[0]
	q := openQueue(t, n.URL(), func(c *amqp.Config) {
		c.PublishTimeout, c.Heartbeat, c.WriteTimeout = time.Second, time.Hour, time.Second
	})
	putOne(t, q, "a")
	d := takeDelivery(t, q)
	if err := n.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := q.Put(ctx, bus.Message{ID: "b"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put: %v", err)
	}
	if err := d.Retry(t.Context(), time.Second); err == nil {
		t.Error("a paused broker took a message back")
	}
	if _, err := q.Take(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("take: %v", err)
	}
	if _, err := q.Dead(ctx, 1); err == nil {
		t.Error("a paused broker showed its dead")
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}
