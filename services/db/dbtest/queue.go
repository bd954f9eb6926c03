package dbtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/bus/bustest"
	"github.com/esolutions/esmon/services/db/queuetable"
)

// QueueTable is a database that has queues.
type QueueTable struct {
	// Open opens the queue of that name as a process of its own.
	Open func(t *testing.T, name string, cfg queuetable.Config) *queuetable.Queue
	// Expire has the hold time of messages pass.
	Expire func(t *testing.T, ids []string)
}

// RunQueue checks that a database has queues as bus.Queue says, and as package
// queuetable says beyond that. create returns an empty database.
func RunQueue(t *testing.T, create func(t *testing.T) *QueueTable) {
	bustest.RunQueue(t, func(t *testing.T) *bustest.QueueStorage {
		t.Helper()
		table := create(t)
		return &bustest.QueueStorage{
			Open: func(t *testing.T) bus.Queue {
				t.Helper()
				return &watchedQueue{Queue: table.open(t), held: map[string]bool{}}
			},
			Kill: func(t *testing.T, q bus.Queue) { t.Helper(); table.Expire(t, q.(*watchedQueue).kill()) },
		}
	})
	for name, run := range map[string]func(*testing.T, *QueueTable){
		"PutWhileTaken":      testQueuePutWhileTaken,
		"HeldForTooLong":     testQueueLost,
		"HoldTimePasses":     testQueueHold,
		"Recover":            testQueueRecover,
		"DeadAreBounded":     testQueueKeepDead,
		"QueuesAreApart":     testQueuesApart,
		"RetryGoesToTheEnd":  testQueueRetryOrder,
		"ReleasedAreCounted": testQueueReleased,
		"DoneByAnother":      testQueueDoneByAnother,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); run(t, create(t)) })
	}
}

func (q *QueueTable) open(t *testing.T) *queuetable.Queue {
	t.Helper()
	return q.Open(t, "alerts", queuetable.Config{Hold: time.Hour, Poll: 5 * time.Millisecond, KeepDead: 100})
}

// watchedQueue knows what is taken from a queue.
type watchedQueue struct {
	*queuetable.Queue

	mu   sync.Mutex // guards what follows
	held map[string]bool
}

func (q *watchedQueue) Take(ctx context.Context) (bus.Delivery, error) {
	d, err := q.Queue.Take(ctx)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held[d.Message().ID] = true
	return &watchedDelivery{d, q}, nil
}

func (q *watchedQueue) kill() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Collect(maps.Keys(q.held))
}

type watchedDelivery struct {
	bus.Delivery

	q *watchedQueue
}

func (d *watchedDelivery) answered(err error) error {
	if err == nil {
		d.q.mu.Lock()
		defer d.q.mu.Unlock()
		delete(d.q.held, d.Message().ID)
	}
	return err
}

func (d *watchedDelivery) Done(ctx context.Context) error { return d.answered(d.Delivery.Done(ctx)) }

func (d *watchedDelivery) Retry(ctx context.Context, after time.Duration) error {
	return d.answered(d.Delivery.Retry(ctx, after))
}

func (d *watchedDelivery) Bury(ctx context.Context, reason string) error {
	return d.answered(d.Delivery.Bury(ctx, reason))
}

func putMessage(t *testing.T, q bus.Queue, id, body string) {
	t.Helper()
	must(t, q.Put(t.Context(), bus.Message{ID: id, Body: []byte(body)}))
}

func takeMessage(t *testing.T, q bus.Queue, id, body string, tries int) bus.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d, err := q.Take(ctx)
	must(t, err)
	if m := d.Message(); m.ID != id || string(m.Body) != body || d.Tries() != tries {
		t.Fatalf("took %s with %q after %d tries, want %s with %q after %d", m.ID, m.Body, d.Tries(), id, body, tries)
	}
	return d
}

// noMessage checks that there is nothing to take.
func noMessage(t *testing.T, q bus.Queue) {
	t.Helper()
	putMessage(t, q, "a probe", "")
	must(t, takeMessage(t, q, "a probe", "", 0).Done(t.Context()))
}

func deadOf(t *testing.T, q bus.Queue, limit int) (out []string) {
	t.Helper()
	list, err := q.Dead(t.Context(), limit)
	must(t, err)
	for _, m := range list {
		out = append(out, m.ID+"="+m.Reason)
	}
	return out
}

// What is put while it is taken comes again after any answer: whoever put it may have
// done so because of something that the worker does not know of.
func testQueuePutWhileTaken(t *testing.T, table *QueueTable) {
	q, ctx := table.open(t), t.Context()
	putMessage(t, q, "a", "1")
	putMessage(t, q, "a", "ignored") // it has yet to come
	d := takeMessage(t, q, "a", "1", 0)
	putMessage(t, q, "a", "2")
	noMessage(t, q) // nobody else gets it meanwhile
	must(t, d.Done(ctx))
	d = takeMessage(t, q, "a", "2", 0)
	putMessage(t, q, "a", "3")
	must(t, d.Bury(ctx, "why"))
	same(t, "dead", len(deadOf(t, q, 10)), 1)
	d = takeMessage(t, q, "a", "3", 0)
	putMessage(t, q, "a", "4")
	must(t, d.Retry(ctx, 0))
	must(t, takeMessage(t, q, "a", "4", 1).Done(ctx))
	noMessage(t, q)
}

func testQueueLost(t *testing.T, table *QueueTable) {
	q, other, ctx := table.open(t), table.open(t), t.Context()
	putMessage(t, q, "a", "x")
	late := takeMessage(t, q, "a", "x", 0)
	table.Expire(t, []string{"a"})
	d := takeMessage(t, other, "a", "x", 1)
	wantErr(t, late.Done(ctx), queuetable.ErrLost)
	wantErr(t, late.Retry(ctx, 0), queuetable.ErrLost)
	wantErr(t, late.Bury(ctx, "late"), queuetable.ErrLost)
	must(t, q.Close()) // releases nothing that is not its own
	noMessage(t, other)
	must(t, d.Done(ctx))
	noMessage(t, other)
	same(t, "dead", len(deadOf(t, other, 10)), 0)
}

// A worker that does not answer loses the message by the clock of the database.
func testQueueHold(t *testing.T, table *QueueTable) {
	q := table.Open(t, "alerts", queuetable.Config{Hold: 20 * time.Millisecond, Poll: time.Millisecond, KeepDead: 1})
	putMessage(t, q, "a", "x")
	for tries := range 3 {
		takeMessage(t, q, "a", "x", tries)
	}
}

func testQueueRecover(t *testing.T, table *QueueTable) {
	q := table.open(t)
	putMessage(t, q, "a", "x")
	putMessage(t, q, "b", "x")
	putMessage(t, q, "c", "x")
	takeMessage(t, q, "a", "x", 0)
	must(t, takeMessage(t, q, "b", "x", 0).Retry(t.Context(), time.Hour))
	next := table.open(t)
	must(t, next.Recover(t.Context()))
	c := takeMessage(t, next, "c", "x", 0)
	must(t, takeMessage(t, next, "a", "x", 1).Done(t.Context()))
	must(t, c.Done(t.Context()))
	noMessage(t, next)
}

func testQueueKeepDead(t *testing.T, table *QueueTable) {
	q := table.Open(t, "alerts", queuetable.Config{Hold: time.Hour, Poll: time.Millisecond, KeepDead: 3})
	for i := range 6 {
		id := fmt.Sprint(i)
		putMessage(t, q, id, "x")
		must(t, takeMessage(t, q, id, "x", 0).Bury(t.Context(), "why"))
	}
	same(t, "dead", deadOf(t, q, 10), []string{"3=why", "4=why", "5=why"})
	same(t, "dead", deadOf(t, q, 2), []string{"3=why", "4=why"})
}

func testQueuesApart(t *testing.T, table *QueueTable) {
	cfg := queuetable.Config{Hold: time.Hour, Poll: time.Millisecond, KeepDead: 1}
	q, other, ctx := table.Open(t, "q", cfg), table.Open(t, "Q", cfg), t.Context()
	putMessage(t, q, "a", "1")
	putMessage(t, other, "a", "2")
	d, e := takeMessage(t, q, "a", "1", 0), takeMessage(t, other, "a", "2", 0)
	must(t, d.Bury(ctx, "one"))
	must(t, other.Recover(ctx))
	noMessage(t, q)
	must(t, takeMessage(t, other, "a", "2", 1).Bury(ctx, "two"))
	wantErr(t, e.Retry(ctx, 0), queuetable.ErrLost)
	same(t, "dead", deadOf(t, q, 10), []string{"a=one"})
	same(t, "dead", deadOf(t, other, 10), []string{"a=two"})
}

func testQueueRetryOrder(t *testing.T, table *QueueTable) {
	q, ctx := table.open(t), t.Context()
	for _, id := range []string{"a", "b", "c"} {
		putMessage(t, q, id, "x")
	}
	must(t, takeMessage(t, q, "a", "x", 0).Retry(ctx, 0))
	must(t, takeMessage(t, q, "b", "x", 0).Done(ctx))
	must(t, takeMessage(t, q, "c", "x", 0).Done(ctx))
	must(t, takeMessage(t, q, "a", "x", 1).Done(ctx))
	noMessage(t, q)
}

func testQueueReleased(t *testing.T, table *QueueTable) {
	q, other := table.open(t), table.open(t)
	putMessage(t, q, "a", "x")
	takeMessage(t, q, "a", "x", 0)
	must(t, q.Close())
	must(t, takeMessage(t, other, "a", "x", 1).Done(t.Context()))
	noMessage(t, other)
}

// A worker that was too late finds the message deleted, and that is what it wanted.
func testQueueDoneByAnother(t *testing.T, table *QueueTable) {
	q, other, ctx := table.open(t), table.open(t), t.Context()
	putMessage(t, q, "a", "x")
	late := takeMessage(t, q, "a", "x", 0)
	table.Expire(t, []string{"a"})
	must(t, takeMessage(t, other, "a", "x", 1).Done(ctx))
	must(t, late.Done(ctx))
	putMessage(t, q, "b", "x")
	late = takeMessage(t, q, "b", "x", 0)
	table.Expire(t, []string{"b"})
	must(t, takeMessage(t, other, "b", "x", 1).Done(ctx))
	wantErr(t, late.Retry(ctx, 0), queuetable.ErrLost)
	noMessage(t, other)
}
