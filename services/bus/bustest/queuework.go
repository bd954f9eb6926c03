package bustest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/esolutions/esmon/services/bus"
)

func takeAndDone(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	put(t, q, "a")
	d := take(t, q, "a")
	if d.Tries() != 0 {
		t.Errorf("tried %d times before", d.Tries())
	}
	done(t, d)
	drained(t, q)
	drained(t, openQueue(t, s))
	if got := dead(t, q, 0); len(got) > 0 {
		t.Errorf("dead are %v", got)
	}
}

func queueOrder(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	var ids []string
	for i := range 30 {
		ids = append(ids, fmt.Sprintf("m%d", 30-i)) // whose order is not that of the ids
	}
	put(t, q, ids...)
	for _, id := range ids {
		done(t, take(t, q, id))
	}
}

func waitingWorker(t *testing.T, s *QueueStorage) {
	q, other := openQueue(t, s), openQueue(t, s)
	for i, from := range []bus.Queue{q, other, q} {
		id := fmt.Sprintf("m%d", i)
		taken := make(chan bus.Delivery, 1)
		go func() {
			d, err := q.Take(t.Context())
			if err != nil {
				t.Errorf("take: %v", err)
			}
			taken <- d
		}()
		put(t, from, id)
		select {
		case d := <-taken:
			if d == nil || d.Message().ID != id {
				t.Fatalf("took %v, want %s", d, id)
			}
			done(t, d)
		case <-time.After(within):
			t.Fatal("the worker still waits")
		}
	}
}

func oneWorker(t *testing.T, s *QueueStorage) {
	q, other := openQueue(t, s), openQueue(t, s)
	put(t, q, "a")
	a := take(t, q, "a")
	put(t, q, "b")
	b := take(t, q, "b") // a came first, and is taken
	put(t, q, "c")
	c := take(t, other, "c")
	done(t, c, a, b)
	drained(t, other)
}

func queueDurable(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	put(t, q, "a", "b", "c")
	s.Kill(t, q)
	q = openQueue(t, s)
	done(t, take(t, q, "a"))
	if err := q.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	q = openQueue(t, s)
	done(t, take(t, q, "b"), take(t, q, "c"))
	drained(t, q)
}

func closedWorker(t *testing.T, s *QueueStorage) {
	q, other := openQueue(t, s), openQueue(t, s)
	put(t, q, "a")
	d := take(t, q, "a")
	if err := q.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	again := take(t, other, "a")
	for name, answer := range answers(d) {
		if err := answer(t.Context()); err == nil {
			t.Errorf("%s was answered to a queue that is closed", name)
		}
	}
	done(t, again)
	drained(t, other)
	dead(t, other, 0)
}

// answers are the ways to answer.
func answers(d bus.Delivery) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"done":  d.Done,
		"retry": func(ctx context.Context) error { return d.Retry(ctx, 0) },
		"bury":  func(ctx context.Context) error { return d.Bury(ctx, "late") },
	}
}

func killedWorker(t *testing.T, s *QueueStorage) {
	q, other := openQueue(t, s), openQueue(t, s)
	put(t, q, "a", "b")
	take(t, q, "a")
	take(t, q, "b")
	s.Kill(t, q)
	first, second := takeAny(t, other), takeAny(t, other)
	ids := []string{first.Message().ID, second.Message().ID}
	slices.Sort(ids)
	if !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("came again: %q", ids)
	}
	done(t, first, second)
	drained(t, other)
}

func retry(t *testing.T, d bus.Delivery, after time.Duration) {
	t.Helper()
	if err := d.Retry(t.Context(), after); err != nil {
		t.Fatalf("retry %q: %v", d.Message().ID, err)
	}
}

func retryComes(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	put(t, q, "a")
	retry(t, take(t, q, "a"), 0)
	retry(t, take(t, q, "a"), -time.Second)
	d := take(t, q, "a")
	const after = time.Second
	asked := time.Now()
	retry(t, d, after)
	d = take(t, q, "a")
	if waited := time.Since(asked); waited < after/2 {
		t.Errorf("it came after %v, asked for were %v", waited, after)
	}
	done(t, d)
	drained(t, q)
}

func retryCounts(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	put(t, q, "a")
	for want := range 4 {
		d := take(t, q, "a")
		if d.Tries() != want {
			t.Errorf("tried %d times before, want %d", d.Tries(), want)
		}
		if want < 3 {
			retry(t, d, time.Millisecond)
		} else {
			done(t, d)
		}
	}
}

// retryWaits: those behind come, also in another process, and a long wait ends
// neither with the queue nor with a restart.
func retryWaits(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	put(t, q, "hour", "month", "b", "c")
	retry(t, take(t, q, "hour"), time.Hour)
	retry(t, take(t, q, "month"), 30*24*time.Hour)
	done(t, take(t, q, "b"), take(t, q, "c"))
	drained(t, q)
	if err := q.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	drained(t, openQueue(t, s))
}

func bury(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	reasons := map[string]string{
		"a": "the receiver said 404",
		"b": "",
		"c": strings.Repeat("long ", bus.MaxReason),
		"d": "nul \x00 and \xff\xfe no UTF-8, 'quotes' \"too\"\nand lines",
	}
	put(t, q, "a", "b", "c", "d")
	for _, id := range []string{"a", "b", "c", "d"} {
		if err := take(t, q, id).Bury(t.Context(), reasons[id]); err != nil {
			t.Fatalf("bury %s: %v", id, err)
		}
	}
	drained(t, q)
	for range 2 { // they stay
		for i, m := range dead(t, q, 4) {
			if want := string(rune('a' + i)); m.ID != want || string(m.Body) != "body of "+want {
				t.Errorf("place %d: %q with %q", i, m.ID, m.Body)
			}
		}
	}
	some, err := q.Dead(t.Context(), 2)
	if err != nil || len(some) != 2 || some[0].ID != "a" || some[1].ID != "b" {
		t.Errorf("the oldest two are %v, %v", some, err)
	}
	if none, err := q.Dead(t.Context(), 0); err != nil || len(none) != 0 {
		t.Errorf("none are %v, %v", none, err)
	}
	s.Kill(t, q)
	got := dead(t, openQueue(t, s), 4)
	if got[0].Reason != reasons["a"] || got[1].Reason != "" || !strings.HasPrefix(got[2].Reason, reasons["c"][:bus.MaxReason]) {
		t.Errorf("reasons %q, %q, %q", got[0].Reason, got[1].Reason, got[2].Reason)
	}
	if r := got[3].Reason; !utf8.ValidString(r) || strings.ContainsRune(r, 0) || !strings.HasPrefix(r, "nul ") {
		t.Errorf("reason %q", r)
	}
}

func deadAgain(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	put(t, q, "a")
	for _, reason := range []string{"first", "second"} {
		if err := take(t, q, "a").Bury(t.Context(), reason); err != nil {
			t.Fatalf("bury: %v", err)
		}
		put(t, q, "a")
	}
	done(t, take(t, q, "a"))
	drained(t, q)
}

// putTwice: it may come as often as it was put, and is gone when that is done.
func putTwice(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	put(t, q, "a", "a", "a", "end")
	for came := 0; ; came++ {
		d := takeAny(t, q)
		id := d.Message().ID
		done(t, d)
		if id == "end" {
			if came < 1 || came > 3 {
				t.Errorf("it came %d times", came)
			}
			break
		}
	}
	put(t, q, "a") // what is done may come again
	done(t, take(t, q, "a"))
	drained(t, q)
}

func oneAnswer(t *testing.T, s *QueueStorage) {
	q := openQueue(t, s)
	put(t, q, "a")
	d := take(t, q, "a")
	done(t, d)
	for name, answer := range answers(d) {
		if err := answer(t.Context()); err == nil {
			t.Errorf("%s after done is no error", name)
		}
	}
	drained(t, q)
	dead(t, q, 0)
}
