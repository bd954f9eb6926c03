package lease

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ttl = 30 * time.Second

// memory is a store of one lease.
type memory struct {
	mu     sync.Mutex // guards what follows
	holder string
	end    time.Time
	takes  int
	err    error         // fails every call
	hang   bool          // calls end with their context
	slow   time.Duration // how long an answer is on its way
	after  error         // Take takes the lease and then fails
}

func (m *memory) Take(ctx context.Context, name, holder string, ttl time.Duration) (Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takes++
	if err := m.trouble(ctx); err != nil {
		return Lease{}, err
	}
	if m.holder == "" || m.holder == holder || !time.Now().Before(m.end) {
		m.holder, m.end = holder, time.Now().Add(ttl)
	}
	got := Lease{Name: name, Holder: m.holder, Left: time.Until(m.end)}
	slow := m.slow
	m.mu.Unlock()
	time.Sleep(slow)
	m.mu.Lock()
	return got, m.after
}

func (m *memory) trouble(ctx context.Context) error {
	if m.hang {
		m.mu.Unlock()
		<-ctx.Done()
		m.mu.Lock()
		return ctx.Err()
	}
	return m.err
}

func (m *memory) Release(ctx context.Context, _, holder string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.trouble(ctx); err != nil {
		return err
	}
	if m.holder == holder {
		m.holder = ""
	}
	return nil
}

func (m *memory) Leases(context.Context) ([]Lease, error) { return nil, nil }

func (m *memory) set(f func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

// state returns who has the lease and how often it was asked for.
func (m *memory) state() (holder string, takes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holder, m.takes
}

// keep runs a keeper until the returned function is called.
func keep(t *testing.T, m *memory, holder string) (k *Keeper, stop func()) {
	t.Helper()
	k = NewKeeper(m, holder, "cut", ttl, slog.New(slog.DiscardHandler), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	synctest.Wait()
	return k, stop
}

func wantHeld(t *testing.T, k *Keeper, want bool) {
	t.Helper()
	synctest.Wait()
	if k.Held() != want {
		t.Fatalf("held is %t, want %t", !want, want)
	}
}

func wantChanged(t *testing.T, k *Keeper, want bool) {
	t.Helper()
	synctest.Wait()
	select {
	case <-k.Changed():
		if !want {
			t.Fatal("told of a change that was none")
		}
	default:
		if want {
			t.Fatal("not told of the change")
		}
	}
}

func TestKeeperRenews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		k, stop := keep(t, m, "a")
		wantHeld(t, k, true)
		wantChanged(t, k, true)
		for range 1000 {
			time.Sleep(ttl / 100)
			wantHeld(t, k, true)
		}
		wantChanged(t, k, false)
		if _, takes := m.state(); takes < 25 || takes > 36 {
			t.Errorf("asked %d times within ten times the lease's length, want about 30", takes)
		}
		if k.Holder() != "a" {
			t.Errorf("holder %q", k.Holder())
		}
		stop()
		wantHeld(t, k, false)
		wantChanged(t, k, true)
		if holder, _ := m.state(); holder != "" {
			t.Error("the lease was not given up")
		}
	})
}

// failures are the ways in which a database is away.
var failures = map[string]func(*memory){
	"fails": func(m *memory) { m.err = errors.New("down") },
	"hangs": func(m *memory) { m.hang = true },
}

func TestKeeperOutage(t *testing.T) {
	t.Parallel()
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &memory{}
				k, _ := keep(t, m, "a")
				wantChanged(t, k, true)
				renewed := time.Now()
				m.set(fail)
				time.Sleep(ttl - time.Nanosecond - time.Since(renewed))
				wantHeld(t, k, true)
				if _, takes := m.state(); takes < 3 {
					t.Errorf("asked %d times until the lease ran out, want 3", takes)
				}
				wantChanged(t, k, false)
				time.Sleep(time.Nanosecond)
				wantHeld(t, k, false)
				wantChanged(t, k, true)
				time.Sleep(ttl)
				wantChanged(t, k, false)
				m.set(func(m *memory) { m.err, m.hang = nil, false })
				time.Sleep(ttl)
				wantHeld(t, k, true)
				wantChanged(t, k, true)
			})
		})
	}
}

// What counts is when the lease was asked for, not when the answer came.
func TestKeeperCountsFromTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{slow: ttl / 6}
		asked := time.Now()
		k, _ := keep(t, m, "a")
		wantHeld(t, k, false)
		time.Sleep(ttl / 6)
		wantHeld(t, k, true)
		m.set(failures["fails"])
		time.Sleep(time.Until(asked.Add(ttl)))
		wantHeld(t, k, false)
	})
}

// An answer that comes after the lease ran out brings none.
func TestKeeperLateAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{slow: 2 * ttl}
		k, _ := keep(t, m, "a")
		time.Sleep(2*ttl + time.Second)
		wantHeld(t, k, false)
	})
}

func TestKeepersTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		a, stopA := keep(t, m, "a")
		b, stopB := keep(t, m, "b")
		wantHeld(t, a, true)
		wantHeld(t, b, false)
		if b.Holder() != "a" {
			t.Errorf("b sees %q as the holder", b.Holder())
		}
		for range 200 {
			time.Sleep(ttl / 20)
			wantHeld(t, b, false)
		}
		stopA()
		time.Sleep(ttl/3 + ttl/30)
		wantHeld(t, b, true)
		c, _ := keep(t, m, "c")
		m.set(failures["fails"]) // b ends without giving it up, as when it is killed
		stopB()
		m.set(func(m *memory) { m.err = nil })
		time.Sleep(ttl + ttl/10)
		wantHeld(t, c, true)
	})
}

// A database that forgot the lease gave it to another.
func TestKeeperLosesToAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		k, _ := keep(t, m, "a")
		wantChanged(t, k, true)
		m.set(func(m *memory) { m.holder, m.end = "b", time.Now().Add(time.Hour) })
		time.Sleep(ttl/3 + ttl/30)
		wantHeld(t, k, false)
		wantChanged(t, k, true)
		if k.Holder() != "b" {
			t.Errorf("holder %q", k.Holder())
		}
	})
}

// A lease whose taking failed may be taken: it is given up all the same.
func TestKeeperGivesUpWhatItMayHave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{after: errors.New("connection broken")}
		k, stop := keep(t, m, "a")
		wantHeld(t, k, false)
		if holder, _ := m.state(); holder != "a" {
			t.Fatal("the store does not do what the test needs")
		}
		stop()
		if holder, _ := m.state(); holder != "" {
			t.Error("the lease was not given up")
		}
	})
}

func TestKeeperStopsWhileTheDatabaseHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		k, stop := keep(t, m, "a")
		m.set(failures["hangs"])
		time.Sleep(ttl/3 + ttl/30)
		begun := time.Now()
		stop()
		if took := time.Since(begun); took > releaseTimeout {
			t.Errorf("stopping took %s", took)
		}
		wantHeld(t, k, false)
	})
}

func TestKeeperMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		metrics, err := NewMetrics(reg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewMetrics(reg); err == nil {
			t.Error("registered twice")
		}
		m := &memory{err: errors.New("down")}
		k := NewKeeper(m, "a", "cut", ttl, slog.New(slog.DiscardHandler), metrics)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		want := func(held, failures string) {
			t.Helper()
			synctest.Wait()
			if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP esmon_lease_failures_total Attempts to take or renew the lease that the database did not answer.
# TYPE esmon_lease_failures_total counter
esmon_lease_failures_total{lease="cut"} `+failures+`
# HELP esmon_lease_held 1 while this process holds the lease, else 0.
# TYPE esmon_lease_held gauge
esmon_lease_held{lease="cut"} `+held+`
`)); err != nil {
				t.Error(err)
			}
		}
		want("0", "1")
		m.set(func(m *memory) { m.err = nil })
		time.Sleep(ttl / 2)
		want("1", "1")
		cancel()
		<-done
		want("0", "1")
	})
}
