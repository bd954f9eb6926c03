package dispatch

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/esolutions/esmon/services/alert"
)

func TestLines(t *testing.T) {
	t.Parallel()
	l := lines{all: map[order][]waiter{}, bury: map[string]string{}}
	o := order{"r", "o"}
	seqs := rand.Perm(50)
	for _, seq := range append(seqs, seqs...) { // twice is once
		l.add(waiter{fmt.Sprint(seq), ticket{"r", "o", int64(seq)}})
	}
	l.add(waiter{"other", ticket{"r", "another", 0}})
	l.leave(o, "7")
	l.leave(o, "7")
	l.leave(o, "not there")
	for want := range 50 {
		if want == 7 {
			continue
		}
		if w, ok := l.next(o); !ok || w.id != fmt.Sprint(want) {
			t.Fatalf("got %q, %t, want %d", w.id, ok, want)
		}
	}
	if _, ok := l.next(o); ok || l.count != 1 || len(l.all) != 1 {
		t.Errorf("%d are left in %d lines", l.count, len(l.all))
	}
	for i := range 2 * maxWaiters {
		l.add(waiter{fmt.Sprint(i), ticket{"r", fmt.Sprint(i), 1}})
		l.givenUp(fmt.Sprint(i), "why")
	}
	if l.count != maxWaiters || len(l.bury) != maxWaiters {
		t.Errorf("%d wait and %d are to be buried", l.count, len(l.bury))
	}
	if why, ok := l.reason("5"); !ok || why != "why" || len(l.bury) != maxWaiters-1 {
		t.Errorf("the reason is %q, %t", why, ok)
	}
}

func FuzzTicket(f *testing.F) {
	f.Add([]byte(`{"receiver":"a","order":"b","seq":3}`), "a", "b", int64(3))
	f.Add([]byte(`{"seq":1e99}`), "\x00", "\xff", int64(-1))
	f.Add([]byte{}, "", "", int64(0))
	f.Fuzz(func(t *testing.T, body []byte, receiver, o string, seq int64) {
		readTicket(body) // of strangers: it only must not fail
		n := alert.Notification{ID: "x", Receiver: receiver, Order: o, Seq: seq}
		m := message(&n)
		again := readTicket(m.Body)
		if m.ID != "x" || again.Seq != seq {
			t.Errorf("%+v became %+v", n, again)
		}
	})
}
