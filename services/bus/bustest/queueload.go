package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

func hostileMessages(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	messages := []bus.Message{
		{ID: "nil", Body: nil},
		{ID: "empty", Body: []byte{}},
		{ID: "nul", Body: []byte{0}},
		{ID: "no UTF-8", Body: []byte{0xff, 0xfe, 0x00, 0x80}},
		{ID: "a megabyte", Body: bytes.Repeat([]byte{0, 1, 0xff}, 1<<20/3+1)[:1<<20]},
		{ID: "the most", Body: make([]byte, bus.MaxBody)},
		{ID: "'; DROP TABLE queue; --", Body: []byte("x")},
		{ID: "Grüße\t\n\u2028 \U0001F514 %s {0}", Body: []byte("x")},
		{ID: strings.Repeat("i", bus.MaxID), Body: []byte("x")},
	}
	for _, m := range messages {
		if err := q.Put(t.Context(), m); err != nil {
			t.Fatalf("put %.30q: %v", m.ID, err)
		}
	}
	for _, m := range messages {
		d := takeAny(t, q)
		if got := d.Message(); got.ID != m.ID || !bytes.Equal(got.Body, m.Body) {
			t.Errorf("took %q with %d bytes, want %q with %d", got.ID, len(got.Body), m.ID, len(m.Body))
		}
		retry(t, d, 0)
	}
	bodies := map[string][]byte{}
	for _, m := range messages {
		bodies[m.ID] = m.Body
	}
	for range messages {
		if err := takeAny(t, q).Bury(t.Context(), "x"); err != nil {
			t.Fatalf("bury: %v", err)
		}
	}
	for _, m := range dead(t, q, len(messages)) {
		if want, ok := bodies[m.ID]; !ok || !bytes.Equal(m.Body, want) {
			t.Errorf("dead is %q with %d bytes, want %d", m.ID, len(m.Body), len(want))
		}
		delete(bodies, m.ID)
	}
}

func refusedMessages(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	for _, c := range []struct {
		m    bus.Message
		want error
	}{
		{bus.Message{ID: "large", Body: make([]byte, bus.MaxBody+1)}, bus.ErrTooLarge},
		{bus.Message{ID: strings.Repeat("i", bus.MaxID+1)}, bus.ErrTooLarge},
		{bus.Message{ID: ""}, bus.ErrBadID},
		{bus.Message{ID: "a\x00b"}, bus.ErrBadID},
		{bus.Message{ID: "\xff"}, bus.ErrBadID},
	} {
		if err := q.Put(t.Context(), c.m); !errors.Is(err, c.want) {
			t.Errorf("put %.20q with %d bytes: %v, want %v", c.m.ID, len(c.m.Body), err, c.want)
		}
	}
	drained(t, q)
}

func queueBuffers(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	body := []byte("mine")
	if err := q.Put(t.Context(), bus.Message{ID: "a", Body: body}); err != nil {
		t.Fatal(err)
	}
	copy(body, "xxxx")
	d := takeAny(t, q)
	if got := string(d.Message().Body); got != "mine" {
		t.Errorf("the queue kept the caller's buffer: %q", got)
	}
	copy(d.Message().Body, "yyyy") // what a worker does with it is its own affair
	done(t, d)
}

func queueContexts(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	put(t, q, "a")
	d := take(t, q, "a")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Put(ended, bus.Message{ID: "late"}); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	if _, err := q.Take(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("take: %v", err)
	}
	if _, err := q.Dead(ended, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("dead: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := q.Take(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("take of an empty queue: %v", err)
	}
	done(t, d)
	drained(t, q)
}

// abandonedTakes has waits end at the very moment that messages come.
func abandonedTakes(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	const count = 40
	missing := map[string]bool{}
	for i := range count {
		missing[fmt.Sprintf("m%d", i)] = true
	}
	go func() {
		for i := range count {
			if err := q.Put(t.Context(), bus.Message{ID: fmt.Sprintf("m%d", i)}); err != nil {
				t.Errorf("put: %v", err)
			}
		}
	}()
	for end := time.Now().Add(within); len(missing) > 0; {
		if time.Now().After(end) {
			t.Fatalf("%d of %d never came", len(missing), count)
		}
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(5*time.Millisecond))
		d, err := q.Take(ctx)
		cancel()
		switch {
		case err == nil:
			delete(missing, d.Message().ID)
			done(t, d)
		case !errors.Is(err, context.DeadlineExceeded):
			t.Fatalf("take: %v", err)
		}
	}
	drained(t, q)
}

func closedQueue(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	ended := make(chan error)
	for range 3 {
		go func() {
			_, err := q.Take(t.Context())
			ended <- err
		}()
	}
	if err := q.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	for range 3 {
		if err := <-ended; !errors.Is(err, bus.ErrClosed) {
			t.Errorf("a waiting take: %v", err)
		}
	}
	if err := q.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	if err := q.Put(t.Context(), bus.Message{ID: "a"}); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("put: %v", err)
	}
	if _, err := q.Take(t.Context()); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("take: %v", err)
	}
	if _, err := q.Dead(t.Context(), 1); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("dead: %v", err)
	}
}

// queueLedger has producers and workers in several processes, of which some die, and
// counts what became of every message.
func queueLedger(t *testing.T, s *QueueStorage) {
	const producers, each, workers = 4, 25, 6
	l := &queueCount{t: t, held: map[string]bool{}, fate: map[string]string{}, want: producers * each, all: make(chan struct{})}
	queues := []bus.Queue{openQueue(t, s), openQueue(t, s)}
	victim := openQueue(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var putting, working sync.WaitGroup
	for p := range producers {
		putting.Go(func() {
			for i := range each {
				if err := queues[p%2].Put(ctx, bus.Message{ID: fmt.Sprintf("%d-%d", p, i)}); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	for range 3 { // taken and never answered
		if _, err := victim.Take(ctx); err != nil {
			t.Fatalf("take: %v", err)
		}
	}
	for w := range workers {
		working.Go(func() { l.work(ctx, queues[w%2]) })
	}
	s.Kill(t, victim)
	putting.Wait()
	select {
	case <-l.all:
	case <-ctx.Done():
	}
	cancel()
	working.Wait()
	if len(l.fate) < l.want {
		t.Fatalf("%d of %d messages came to an end", len(l.fate), l.want)
	}
	buried := 0
	for _, fate := range l.fate {
		if fate == "buried" {
			buried++
		}
	}
	dead(t, queues[0], buried)
	drained(t, queues[1])
}

// queueCount is what became of the messages.
type queueCount struct {
	t    *testing.T
	want int
	all  chan struct{} // closed when all came to an end

	mu   sync.Mutex // guards what follows
	held map[string]bool
	fate map[string]string
}

func (l *queueCount) work(ctx context.Context, q bus.Queue) {
	for {
		d, err := q.Take(ctx)
		if err != nil {
			if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				l.t.Errorf("take: %v", err)
			}
			return
		}
		l.take(d)
		switch n := rand.IntN(4); {
		case n == 0 && d.Tries() < 3:
			l.answer(d, "", func() error { return d.Retry(l.t.Context(), rand.N(20*time.Millisecond)) })
		case n == 1:
			l.answer(d, "buried", func() error { return d.Bury(l.t.Context(), "as it happens") })
		default:
			l.answer(d, "done", func() error { return d.Done(l.t.Context()) })
		}
	}
}

func (l *queueCount) take(d bus.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := d.Message().ID
	if l.held[id] {
		l.t.Errorf("%s has two workers", id)
	}
	if fate := l.fate[id]; fate != "" {
		l.t.Errorf("%s came again when it was %s", id, fate)
	}
	l.held[id] = true
}

// answer notes first: another worker may have it before the answer returns.
func (l *queueCount) answer(d bus.Delivery, fate string, answer func() error) {
	id := d.Message().ID
	l.mu.Lock()
	delete(l.held, id)
	if fate != "" {
		l.fate[id] = fate
		if len(l.fate) == l.want {
			close(l.all)
		}
	}
	l.mu.Unlock()
	if err := answer(); err != nil {
		l.t.Errorf("answer %s: %v", id, err)
	}
}
