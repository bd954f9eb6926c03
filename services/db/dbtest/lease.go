package dbtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/esolutions/esmon/services/lease"
)

// long is a lease that does not run out within a test.
const long = time.Hour

// RunLeases checks that a database keeps leases as lease.Store says. open returns
// an empty store.
func RunLeases(t *testing.T, open func(t *testing.T) lease.Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, lease.Store)
	}{
		{"TakeAndRenew", testLeaseTakeAndRenew},
		{"RunsOut", testLeaseRunsOut},
		{"Release", testLeaseRelease},
		{"List", testLeaseList},
		{"Race", testLeaseRace},
		{"RaceForOneThatRanOut", testLeaseRaceForOld},
		{"Cancelled", testLeaseCancelled},
		{"NeedsTime", testLeaseNeedsTime},
	} {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); c.run(t, open(t)) })
	}
}

func take(t *testing.T, s lease.Store, name, holder string, ttl time.Duration) lease.Lease {
	t.Helper()
	got, err := s.Take(t.Context(), name, holder, ttl)
	must(t, err)
	if got.Name != name || (got.Left < 0 || got.Holder == holder && got.Left > ttl) {
		t.Fatalf("took %s for %s: got %+v", name, ttl, got)
	}
	return got
}

func holds(t *testing.T, s lease.Store, name, holder string) {
	t.Helper()
	if got := take(t, s, name, "someone who only looks", long); got.Holder != holder {
		t.Errorf("%s is held by %q, want %q", name, got.Holder, holder)
	}
}

func testLeaseTakeAndRenew(t *testing.T, s lease.Store) {
	const odd = `o'"dd \ ünï %_ name`
	if got := take(t, s, odd, "a", long); got.Holder != "a" || got.Left < long/2 {
		t.Errorf("got %+v", got)
	}
	if got := take(t, s, odd, "b", 2*long); got.Holder != "a" || got.Left > long {
		t.Errorf("b got %+v, want what a has", got)
	}
	if got := take(t, s, odd, "a", 2*long); got.Holder != "a" || got.Left <= long {
		t.Errorf("renewed: %+v", got)
	}
	if got := take(t, s, odd, "a", long); got.Left > long {
		t.Errorf("renewed for a shorter time: %+v", got)
	}
	if got := take(t, s, "another", "b", long); got.Holder != "b" {
		t.Errorf("one lease keeps another: %+v", got)
	}
	holds(t, s, odd, "a")
}

func testLeaseRunsOut(t *testing.T, s lease.Store) {
	take(t, s, "x", "a", 20*time.Millisecond)
	for deadline := time.Now().Add(time.Minute); take(t, s, "x", "b", long).Holder != "b"; {
		if time.Now().After(deadline) {
			t.Fatal("the lease does not run out")
		}
	}
	if got := take(t, s, "x", "a", long); got.Holder != "b" {
		t.Errorf("a has it back: %+v", got)
	}
}

func testLeaseRelease(t *testing.T, s lease.Store) {
	take(t, s, "x", "a", long)
	must(t, s.Release(t.Context(), "x", "b"))
	must(t, s.Release(t.Context(), "y", "a"))
	holds(t, s, "x", "a")
	must(t, s.Release(t.Context(), "x", "a"))
	if got := take(t, s, "x", "b", long); got.Holder != "b" {
		t.Errorf("got %+v after the release", got)
	}
}

func testLeaseList(t *testing.T, s lease.Store) {
	if list, err := s.Leases(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v in an empty store", list, err)
	}
	names := []string{"ä", "a", "Z", "b 2", "b"}
	for i, name := range names {
		take(t, s, name, fmt.Sprint("holder ", i), long)
	}
	take(t, s, "short", "a", time.Millisecond)
	want := []string{"Z=holder 2", "a=holder 1", "b=holder 4", "b 2=holder 3", "ä=holder 0"}
	for deadline := time.Now().Add(time.Minute); ; {
		list, err := s.Leases(t.Context())
		must(t, err)
		var got []string
		for _, l := range list {
			got = append(got, l.Name+"="+l.Holder)
			if l.Left <= 0 || l.Left > long {
				t.Errorf("%+v is listed", l)
			}
		}
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// race has many holders take one lease at once: one gets it, and all are told so.
func race(t *testing.T, s lease.Store, name string) {
	t.Helper()
	const holders = 16
	got := make([]lease.Lease, holders)
	var g errgroup.Group
	for i := range holders {
		g.Go(func() (err error) {
			got[i], err = s.Take(t.Context(), name, fmt.Sprint("h", i), long)
			return err
		})
	}
	must(t, g.Wait())
	winner := got[0].Holder
	for i, l := range got {
		if l.Holder != winner || l.Left <= 0 {
			t.Errorf("h%d got %+v, another %+v", i, l, got[0])
		}
	}
	holds(t, s, name, winner)
}

func testLeaseRace(t *testing.T, s lease.Store) {
	for i := range 5 {
		race(t, s, fmt.Sprint("lease ", i))
	}
}

func testLeaseRaceForOld(t *testing.T, s lease.Store) {
	for i := range 5 {
		name := fmt.Sprint("lease ", i)
		take(t, s, name, "gone", time.Millisecond)
		for listed := true; listed; {
			list, err := s.Leases(t.Context())
			must(t, err)
			listed = slices.ContainsFunc(list, func(l lease.Lease) bool { return l.Name == name })
		}
		race(t, s, name)
	}
}

func testLeaseCancelled(t *testing.T, s lease.Store) {
	take(t, s, "x", "a", long)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Take(ctx, "y", "a", long); err == nil {
		t.Error("a cancelled call took a lease")
	}
	if err := s.Release(ctx, "x", "a"); err == nil {
		t.Error("a cancelled call released a lease")
	}
	holds(t, s, "x", "a")
}

func testLeaseNeedsTime(t *testing.T, s lease.Store) {
	for _, ttl := range []time.Duration{0, -time.Hour, time.Microsecond} {
		if got, err := s.Take(t.Context(), "x", "a", ttl); err == nil {
			t.Errorf("took it for %s: %+v", ttl, got)
		}
	}
	if list, err := s.Leases(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}
