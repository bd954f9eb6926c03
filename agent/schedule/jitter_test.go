package schedule

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestUntilNext(t *testing.T) {
	t.Parallel()
	interval, at := 10*time.Second, 3*time.Second
	base := time.Unix(1_700_000_000, 0) // a multiple of ten seconds
	for _, c := range []struct {
		into, want time.Duration
	}{
		{0, 3 * time.Second},
		{3 * time.Second, 10 * time.Second},
		{3*time.Second + time.Millisecond, 10*time.Second - time.Millisecond},
		{3*time.Second - time.Millisecond, 10*time.Second + time.Millisecond}, // early by a hair: not twice
		{9 * time.Second, 4 * time.Second},
	} {
		if got := untilNext(base.Add(c.into), interval, at); got != c.want {
			t.Errorf("at %s: %s, want %s", c.into, got, c.want)
		}
	}
}

// Whatever the clock is set to, the next run is no further than an interval and
// a quarter away.
func TestUntilNextIsBounded(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		interval := time.Duration(1 + r.Int64N(int64(time.Hour)))
		now := time.Unix(r.Int64N(8e9)-4e9, r.Int64N(1e9))
		got := untilNext(now, interval, phase("a", "p", interval))
		if got < interval/4 || got > interval+interval/4+1 {
			t.Fatalf("interval %s at %s: %s", interval, now, got)
		}
	}
}

func TestPhaseIsStable(t *testing.T) {
	t.Parallel()
	if a, b := phase("agent", "cpu", time.Minute), phase("agent", "cpu", time.Minute); a != b || a < 0 || a >= time.Minute {
		t.Errorf("phases %s and %s", a, b)
	}
}
