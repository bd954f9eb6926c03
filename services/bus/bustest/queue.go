package bustest

import (
	"context"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

// QueueStorage is where one queue lives.
type QueueStorage struct {
	// Open opens the queue on the storage as a process of its own, and makes it the
	// first time. Several may be open at a time. The test closes it.
	Open func(t *testing.T) bus.Queue
	// Kill ends what Open returned as kill -9 of its process does, and has the hold
	// time of what it had taken pass. In no other way may the hold time run out while a
	// test runs.
	Kill func(t *testing.T, q bus.Queue)
}

// RunQueue tests an implementation of bus.Queue. create returns a new, empty storage.
func RunQueue(t *testing.T, create func(t *testing.T) *QueueStorage) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s *QueueStorage)
	}{
		{"a message is taken and done", takeAndDone},
		{"messages come in their order", queueOrder},
		{"a waiting worker wakes", waitingWorker},
		{"each message has one worker at a time", oneWorker},
		{"what was put survives the process", queueDurable},
		{"what a closed queue had comes again", closedWorker},
		{"what a killed worker had comes again", killedWorker},
		{"a retry comes again", retryComes},
		{"a retry is counted", retryCounts},
		{"a retry holds up nobody", retryWaits},
		{"the dead stay with their reasons", bury},
		{"a dead message may be put again", deadAgain},
		{"putting twice is harmless", putTwice},
		{"one answer only", oneAnswer},
		{"bodies and ids of every kind", hostileMessages},
		{"what no queue takes", refusedMessages},
		{"queue buffers are not shared", queueBuffers},
		{"contexts end calls of a queue", queueContexts},
		{"a wait that ended loses nothing", abandonedTakes},
		{"a queue that is closed", closedQueue},
		{"many producers and workers", queueLedger},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, create(t))
		})
	}
}

func openQueue(t *testing.T, s *QueueStorage) bus.Queue {
	t.Helper()
	q := s.Open(t)
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func put(t *testing.T, q bus.Queue, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := q.Put(t.Context(), bus.Message{ID: id, Body: []byte("body of " + id)}); err != nil {
			t.Fatalf("put %q: %v", id, err)
		}
	}
}

func takeAny(t *testing.T, q bus.Queue) bus.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	d, err := q.Take(ctx)
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	return d
}

// take takes the next message, which must be that one.
func take(t *testing.T, q bus.Queue, id string) bus.Delivery {
	t.Helper()
	d := takeAny(t, q)
	if got := d.Message(); got.ID != id || string(got.Body) != "body of "+id {
		t.Fatalf("took %q with body %.60q, want %q", got.ID, got.Body, id)
	}
	return d
}

func done(t *testing.T, ds ...bus.Delivery) {
	t.Helper()
	for _, d := range ds {
		if err := d.Done(t.Context()); err != nil {
			t.Fatalf("done %q: %v", d.Message().ID, err)
		}
	}
}

// drained checks that the queue holds nothing: the next that comes is one put now.
func drained(t *testing.T, q bus.Queue) {
	t.Helper()
	put(t, q, "the last")
	done(t, take(t, q, "the last"))
}

// dead waits until that many messages are dead, and returns them.
func dead(t *testing.T, q bus.Queue, n int) []bus.DeadMessage {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		got, err := q.Dead(t.Context(), n+10)
		if err != nil {
			t.Fatalf("dead: %v", err)
		}
		if len(got) == n {
			return got
		}
		if time.Now().After(end) {
			t.Fatalf("%d are dead, want %d: %v", len(got), n, got)
		}
	}
}
