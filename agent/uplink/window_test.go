package uplink

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/spool"
)

var epoch = time.Unix(1_700_000_000, 0)

func TestWindowPicks(t *testing.T) {
	t.Parallel()
	w := newWindow(4, 1, 10) // three live, one backlog
	pick := func(want lane, first, last uint64) {
		t.Helper()
		l, r := w.pick(epoch, 12, false)
		if l != want || r != (spool.Range{First: first, Last: last}) {
			t.Fatalf("picked lane %d, %v; want %d, %d to %d", l, r, want, first, last)
		}
	}
	pick(liveLane, 11, 12)
	w.sent(liveLane, 11, 1)
	pick(liveLane, 12, 12)
	w.sent(liveLane, 12, 1)
	pick(backlogLane, 1, 10)
	w.sent(backlogLane, 3, 1) // 1 and 2 are gone from the spool
	pick(noLane, 0, 0)
	w.postpone(3, epoch.Add(time.Second))
	pick(backlogLane, 4, 10)
	w.none(backlogLane, spool.Range{First: 4, Last: 10})
	pick(noLane, 0, 0)
	if due, ok := w.due(); !ok || !due.Equal(epoch.Add(time.Second)) {
		t.Errorf("due is %v %v", due, ok)
	}
	l, r := w.pick(epoch.Add(time.Second), 12, false)
	if l != againLane || r.First != 3 || r.Last != 3 {
		t.Fatalf("picked lane %d, %v", l, r)
	}
	w.sent(againLane, 3, 1)
	if got := w.answered(spool.Range{First: 0, Last: 1 << 63}); !slices.Equal(got, []spool.Range{{First: 3, Last: 3}, {First: 11, Last: 12}}) {
		t.Errorf("answered are %v", got)
	}
	if w.live != 0 || w.backlog != 0 || len(w.flight) != 0 {
		t.Errorf("window %+v is not empty", w)
	}
}

func TestWindowKnowsWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWindow(8, 1, 10)
	waits := func(l lane, sequence uint64, want ...uint64) {
		t.Helper()
		if got := w.waiting(l, sequence); !slices.Equal(got, want) {
			t.Errorf("when %d is sent on lane %d, %v wait; want %v", sequence, l, got, want)
		}
	}
	waits(liveLane, 11, 12, 1)
	w.sent(liveLane, 11, 1)
	waits(backlogLane, 3, 12, 4) // 1 and 2 are gone from the spool
	w.sent(backlogLane, 3, 1)
	w.sent(backlogLane, 4, 1)
	w.postpone(4, epoch)
	w.postpone(3, epoch.Add(time.Second))
	waits(liveLane, 12, 13, 5, 3)
	waits(againLane, 3, 12, 5, 4)
	waits(backlogLane, 10, 12, 3)
	w.none(backlogLane, spool.Range{First: 5, Last: 10})
	waits(liveLane, 12, 13, 3)
	w.stale(20)
	waits(backlogLane, 12, 21, 13, 3)
}

func TestWindowMovesStaleBatches(t *testing.T) {
	t.Parallel()
	w := newWindow(4, 1, 0)
	w.stale(20)
	if l, _ := w.pick(epoch, 20, false); l != backlogLane {
		t.Errorf("lane %d", l)
	}
	if l, r := w.pick(epoch, 21, false); l != liveLane || r.First != 21 {
		t.Errorf("lane %d, %v: what is new is still live", l, r)
	}
}

// Whatever happens, each number is sent, none is under way twice, and the
// windows hold.
func TestWindowSendsAll(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWindow(1+r.IntN(10), 1, 50)
		now, last := epoch, uint64(50)
		acked := map[uint64]bool{}
		for step := 0; len(acked) < 200; step++ {
			if step > 20_000 {
				t.Fatalf("seed %d: %d of 200 after 20000 steps", seed, len(acked))
			}
			now = now.Add(time.Millisecond)
			if last < 200 && r.IntN(3) == 0 {
				last++
			}
			if l, rg := w.pick(now, last, false); l != noLane && r.IntN(2) == 0 {
				if _, twice := w.flight[rg.First]; twice || acked[rg.First] {
					t.Fatalf("seed %d: %d is sent again", seed, rg.First)
				}
				w.sent(l, rg.First, 1)
			}
			if w.live > w.maxLive || w.backlog > w.maxBacklog || w.live+w.backlog != len(w.flight) {
				t.Fatalf("seed %d: window %+v", seed, w)
			}
			for s := range w.flight {
				switch r.IntN(10) {
				case 0:
					w.postpone(s, now.Add(time.Duration(r.IntN(20))*time.Millisecond))
				case 1:
					w.answered(spool.Range{First: s, Last: s})
					acked[s] = true
				}
			}
			if r.IntN(50) == 0 && w.next <= last {
				w.stale(last)
			}
		}
	}
}

// Which batch was too large: the one sent first, or the one that is largest.
func TestWindowKnowsOrderAndSize(t *testing.T) {
	t.Parallel()
	w := newWindow(8, 1, 10)
	if _, ok := w.oldest(); ok {
		t.Error("nothing is under way and has an oldest")
	}
	w.sent(liveLane, 11, 10)
	w.sent(backlogLane, 1, 300)
	w.sent(backlogLane, 2, 300)
	w.sent(liveLane, 12, 20)
	check := func(oldest, largest uint64) {
		t.Helper()
		o, _ := w.oldest()
		l, _ := w.largest()
		if o != oldest || l != largest {
			t.Errorf("oldest is %d, want %d; largest %d, want %d", o, oldest, l, largest)
		}
	}
	check(11, 1)
	w.answered(spool.Range{First: 11, Last: 11})
	check(1, 1)
	w.answered(spool.Range{First: 1, Last: 2})
	check(12, 12)
}

func TestPutOffWaits(t *testing.T) {
	t.Parallel()
	s := session{u: &Uplink{cfg: DefaultConfig()}, backoff: newBackoff(1, 1), putOffs: map[uint64]int{}}
	var bounds []time.Duration
	s.backoff.random = func(n int64) int64 {
		bounds = append(bounds, time.Duration(n-1))
		return 7
	}
	for range 7 {
		if d := s.wait(&ingestv1.Refusal{Sequence: 1, RetryAfterMs: 1000}); d != time.Second+7 {
			t.Errorf("it waits %s, the server asked for a second", d)
		}
	}
	if want := []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, 30e9, 30e9}; !slices.Equal(bounds, want) {
		t.Errorf("bounds of what comes on top are %v, want %v", bounds, want)
	}
	if d := s.wait(&ingestv1.Refusal{Sequence: 2}); d != 100*time.Millisecond+7 {
		t.Errorf("a server that names no time is asked again after %s", d)
	}
	if d := s.wait(&ingestv1.Refusal{Sequence: 3, RetryAfterMs: 1 << 31}); d != 5*time.Minute+7 {
		t.Errorf("a server that names a month is asked again after %s", d)
	}
}

func TestRefusalsAreTold(t *testing.T) {
	t.Parallel()
	now, lines := epoch, 0
	u := New(DefaultConfig(), nil, nil, nil, func() time.Time { return now }, slog.New(slog.NewTextHandler(counter{&lines}, nil)))
	for range 120 {
		u.refused(t.Context(), &ingestv1.Refusal{Reason: "frame_width"})
		now = now.Add(time.Minute)
	}
	if lines != 2 || u.Stats().Refusals["frame_width"] != 120 {
		t.Errorf("in two hours %d lines, counted %v", lines, u.Stats().Refusals)
	}
	for i := range 1000 {
		u.refused(t.Context(), &ingestv1.Refusal{Reason: fmt.Sprint("reason", i)})
	}
	if st := u.Stats(); len(st.Refusals) != maxReasons+1 || st.Refusals["other"] != 901 {
		t.Errorf("%d reasons, %d others", len(st.Refusals), st.Refusals["other"])
	}
}

// counter counts what is written to it.
type counter struct{ n *int }

func (c counter) Write(p []byte) (int, error) {
	*c.n++
	return len(p), nil
}

func TestBackoffIsFullJitter(t *testing.T) {
	t.Parallel()
	b := newBackoff(time.Second, 10*time.Second)
	var bounds []int64
	b.random = func(n int64) int64 {
		bounds = append(bounds, n-1)
		return n - 1
	}
	for range 6 {
		b.next()
	}
	want := []int64{1e9, 2e9, 4e9, 8e9, 10e9, 10e9}
	if !slices.Equal(bounds, want) {
		t.Errorf("bounds are %v, want %v", bounds, want)
	}
	b.reset()
	if d := b.next(); d != time.Second {
		t.Errorf("after a reset %s", d)
	}
	b = newBackoff(time.Second, 10*time.Second)
	b.attempt = 1000
	var low, high int
	for range 1000 {
		switch d := b.next(); {
		case d < 3*time.Second:
			low++
		case d > 7*time.Second:
			high++
		}
	}
	if low < 200 || high < 200 {
		t.Errorf("at the cap %d waits are short and %d long of 1000: they must be spread", low, high)
	}
}
