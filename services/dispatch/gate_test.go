package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/dispatch"
	"github.com/esolutions/esmon/services/fault"
)

// TestBreaker: a receiver that fails again and again is left alone, without attempts of
// any message; then one message tries whether it works again.
func TestBreaker(t *testing.T) {
	t.Parallel()
	var works atomic.Bool
	var calls atomic.Int64
	change := func(c *dispatch.Config) {
		c.BreakerFailures, c.BreakerPause, c.MaxBackoff = 3, time.Minute, 4*time.Minute
	}
	bubble(t, change, map[string]behaviour{"b": nil, "a": func(*alert.Message) (bool, time.Duration, error) {
		calls.Add(1)
		if !works.Load() {
			return false, time.Second, errDown
		}
		return true, 0, nil
	}}, func(r *rig) {
		for range 30 {
			r.tell("a")
		}
		time.Sleep(50 * time.Second)
		// Four were on their way at first, and then no more until the pause is over.
		if n := calls.Load(); n != 4 {
			t.Errorf("it was called %d times before the breaker opened", n)
		}
		if why := r.Breakers()["a"]; !strings.Contains(why, "it is down") || len(r.Breakers()) != 1 {
			t.Errorf("left alone are %v", r.Breakers())
		}
		if n, err := testutil.GatherAndCount(r.reg, "esmon_dispatch_breaker_open"); err != nil || n != 2 {
			t.Errorf("%d receivers have a breaker, %v", n, err)
		}
		r.tell("b")
		r.is("n31", alert.Delivered, 1)
		time.Sleep(70 * time.Second) // one more, after a minute; the next after two more
		if n := calls.Load(); n != 5 {
			t.Errorf("it was called %d times after the first pause", n)
		}
		time.Sleep(55 * time.Second)
		if n := calls.Load(); n != 5 {
			t.Errorf("it was called %d times before the second pause was over", n)
		}
		works.Store(true)
		time.Sleep(10 * time.Minute)
		for i := range 30 {
			r.is(fmt.Sprintf("n%d", i+1), alert.Delivered, len(r.notification(fmt.Sprintf("n%d", i+1)).Attempts))
		}
		if len(r.Breakers()) != 0 {
			t.Errorf("left alone are %v", r.Breakers())
		}
		if n := calls.Load(); n != 35 {
			t.Errorf("it was called %d times", n)
		}
	})
}

// TestDeadReceiversHoldUpNobody: with more of them than there are workers.
func TestDeadReceiversHoldUpNobody(t *testing.T) {
	t.Parallel()
	receivers := map[string]behaviour{"good": nil}
	change := func(c *dispatch.Config) { c.Workers, c.PerReceiver, c.BreakerFailures = 8, 2, 1000 }
	for i := range 12 {
		receivers[fmt.Sprintf("dead%d", i)] = func(*alert.Message) (bool, time.Duration, error) { return true, time.Hour, nil }
	}
	bubble(t, change, receivers, func(r *rig) {
		for range 20 {
			for i := range 12 {
				r.tell(fmt.Sprintf("dead%d", i))
			}
		}
		time.Sleep(2 * time.Minute) // it is found out who is dead
		for range 20 {
			began := time.Now()
			id := fmt.Sprintf("n%d", r.seq+1)
			r.tell("good")
			for r.notification(id).State != alert.Delivered {
				time.Sleep(100 * time.Millisecond)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
			time.Sleep(3 * time.Second)
		}
	})
}

// TestPerReceiver: no more than so many are on their way at the same time.
func TestPerReceiver(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	var mu sync.Mutex
	slow := senderFunc(func(*alert.Message) error {
		mu.Lock()
		most.Store(max(most.Load(), now.Add(1)))
		mu.Unlock()
		time.Sleep(time.Second)
		now.Add(-1)
		return nil
	})
	change := func(c *dispatch.Config) { c.PerReceiver = 3 }
	bubble(t, change, nil, func(r *rig) {
		r.targets.Store(&map[string]dispatch.Target{"a": {Kind: "slow", Receiver: slow}})
		for range 20 {
			r.tell("a")
		}
		time.Sleep(5 * time.Minute)
		if !r.all(alert.Delivered) || most.Load() != 3 {
			t.Errorf("at most %d at the same time, all delivered: %t", most.Load(), r.all(alert.Delivered))
		}
	})
}

// TestDoubtfulReceiver: one that failed last gets one message at a time, until it takes
// one.
func TestDoubtfulReceiver(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now, calls := 0, 0
	var most [30]int
	doubtful := senderFunc(func(*alert.Message) error {
		mu.Lock()
		i := calls
		calls++
		now++
		most[i] = now
		mu.Unlock()
		time.Sleep(10 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		now--
		if i < 8 {
			return errDown
		}
		return nil
	})
	change := func(c *dispatch.Config) { c.BreakerFailures, c.SendTimeout = 1000, time.Minute }
	bubble(t, change, nil, func(r *rig) {
		r.targets.Store(&map[string]dispatch.Target{"a": {Kind: "doubtful", Receiver: doubtful}})
		for range 20 {
			r.tell("a")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if !r.all(alert.Delivered) || calls != 28 {
			t.Fatalf("it was called %d times, all delivered: %t", calls, r.all(alert.Delivered))
		}
		if most[3] != 4 || slices.Max(most[4:9]) != 1 || slices.Max(most[9:]) < 2 {
			t.Errorf("at the same time were on their way %v", most)
		}
	})
}

// TestRate: so many in a time and no more, in any such time.
func TestRate(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var times []time.Time
	takes := senderFunc(func(*alert.Message) error {
		mu.Lock()
		defer mu.Unlock()
		times = append(times, time.Now())
		return nil
	})
	bubble(t, nil, nil, func(r *rig) {
		r.targets.Store(&map[string]dispatch.Target{"a": {Kind: "limited", Receiver: takes, Messages: 10, Per: time.Minute}})
		for range 60 {
			r.tell("a")
		}
		synctest.Wait()
		mu.Lock()
		if len(times) != 5 {
			t.Errorf("%d were sent at once", len(times))
		}
		mu.Unlock()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if !r.all(alert.Delivered) {
			t.Fatal("not all are delivered")
		}
		for i := 10; i < len(times); i++ {
			if d := times[i].Sub(times[i-10]); d < time.Minute-time.Second {
				t.Errorf("eleven in %v", d)
			}
		}
	})
}

func TestTestSend(t *testing.T) {
	t.Parallel()
	var got alert.Message
	takes := senderFunc(func(m *alert.Message) error { got = *m; return nil })
	bubble(t, nil, nil, func(r *rig) {
		r.targets.Store(&map[string]dispatch.Target{
			"a":    {Kind: "k", Receiver: takes},
			"down": {Kind: "k", Receiver: senderFunc(func(*alert.Message) error { return errDown })},
		})
		a, err := r.Test(r.t.Context(), "a", &alert.Message{Title: "a test"})
		if err != nil || !a.Delivered || a.Message != "" {
			t.Errorf("attempt %+v, %v", a, err)
		}
		if got.Receiver != "a" || got.ID == "" || got.Kind != alert.MessageTest || got.Time == 0 || got.Title != "a test" {
			t.Errorf("it got %+v", got)
		}
		a, err = r.Test(r.t.Context(), "down", &alert.Message{ID: "mine"})
		if err != nil || a.Delivered || !strings.Contains(a.Message, "it is down") {
			t.Errorf("attempt %+v, %v", a, err)
		}
		_, err = r.Test(r.t.Context(), "nobody", &alert.Message{})
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("of a receiver that is not there: %v", err)
		}
		if len(r.Breakers()) != 0 {
			t.Error("tests opened a breaker")
		}
	})
}

// senderFunc is a receiver that does not belong to the world.
type senderFunc func(*alert.Message) error

func (f senderFunc) Send(_ context.Context, m *alert.Message) error { return f(m) }

func TestValidate(t *testing.T) {
	t.Parallel()
	ok := dispatch.DefaultConfig()
	if err := ok.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for field, change := range map[string]func(*dispatch.Config){
		"workers":          func(c *dispatch.Config) { c.Workers = 0 },
		"per_receiver":     func(c *dispatch.Config) { c.PerReceiver = -1 },
		"send_timeout":     func(c *dispatch.Config) { c.SendTimeout = time.Hour },
		"min_backoff":      func(c *dispatch.Config) { c.MinBackoff = 0 },
		"max_backoff":      func(c *dispatch.Config) { c.MaxBackoff = c.MinBackoff - 1 },
		"max_age":          func(c *dispatch.Config) { c.MaxAge = time.Second },
		"breaker_failures": func(c *dispatch.Config) { c.BreakerFailures = 0 },
		"breaker_pause":    func(c *dispatch.Config) { c.BreakerPause = 0 },
		"poll_interval":    func(c *dispatch.Config) { c.PollInterval = 0 },
		"drain_timeout":    func(c *dispatch.Config) { c.DrainTimeout = -1 },
	} {
		cfg := dispatch.DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), field+": ") {
			t.Errorf("%s: %v", field, errors.Unwrap(err))
		}
	}
}
