package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/dispatch"
	"github.com/esolutions/esmon/services/dispatch/receiver"
)

// rig is a dispatch that runs in a bubble.
type rig struct {
	*world
	*dispatch.Dispatch
	t       *testing.T
	p       *process
	reg     *prometheus.Registry
	targets atomic.Pointer[map[string]dispatch.Target]
	stop    func() // ends Run and waits
}

// bubble runs a test with a dispatch whose receivers behave as given, each of another
// kind.
func bubble(t *testing.T, change func(*dispatch.Config), receivers map[string]behaviour, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{world: newWorld(), t: t, reg: prometheus.NewRegistry()}
		r.p = newProcess(r.world, "p", 0)
		r.receivers(receivers)
		cfg := dispatch.DefaultConfig()
		if change != nil {
			change(&cfg)
		}
		var err error
		r.Dispatch, err = dispatch.New(cfg, dispatch.Deps{
			Outbox: outbox{process: r.p}, Queue: queue{r.p}, Receivers: func() map[string]dispatch.Target { return *r.targets.Load() },
		}, slog.New(slog.DiscardHandler), r.reg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := r.Run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
		}()
		r.stop = func() { cancel(); <-ended }
		defer r.stop()
		test(r)
	})
}

func (r *rig) receivers(receivers map[string]behaviour) {
	targets := map[string]dispatch.Target{}
	for name, b := range receivers {
		targets[name] = dispatch.Target{Kind: "kind-" + name, Receiver: sender{r.p, b}}
	}
	r.targets.Store(&targets)
}

// tell commits notifications for receivers, each of an order of its own, and wakes.
func (r *rig) tell(receivers ...string) {
	for _, to := range receivers {
		id := fmt.Sprintf("n%d", r.seq+1)
		r.commit(alert.Notification{ID: id, Receiver: to, Order: id})
	}
	r.Wake()
}

// is waits, in no time, until nothing moves, and compares a state.
func (r *rig) is(id string, want alert.NotificationState, attempts int) alert.Notification {
	r.t.Helper()
	synctest.Wait()
	n := r.notification(id)
	if n.State != want || len(n.Attempts) != attempts {
		r.t.Errorf("%s is %s after %d attempts, want %s after %d: %+v", id, n.State, len(n.Attempts), want, attempts, n.Attempts)
	}
	return n
}

func fails(err error) behaviour {
	return func(*alert.Message) (bool, time.Duration, error) { return false, 0, err }
}

// series is a receiver that gives these answers, and then takes all.
func series(answers ...error) behaviour {
	var n atomic.Int64
	return func(*alert.Message) (bool, time.Duration, error) {
		if i := int(n.Add(1)); i <= len(answers) && answers[i-1] != nil {
			return false, 0, answers[i-1]
		}
		return true, 0, nil
	}
}

var errDown = &receiver.Error{Status: "503 Service Unavailable", Err: errors.New("it is down")}

func TestDelivers(t *testing.T) {
	t.Parallel()
	bubble(t, nil, map[string]behaviour{"a": nil}, func(r *rig) {
		r.tell("a")
		n := r.is("n1", alert.Delivered, 1) // with no time gone by
		if a := n.Attempts[0]; !a.Delivered || a.Time != n.Created || a.Message != "" {
			t.Errorf("attempt %+v", a)
		}
		r.commit(alert.Notification{ID: "n2", Receiver: "a", Order: "x"}) // by another process
		time.Sleep(250 * time.Millisecond)
		r.is("n2", alert.Delivered, 1)
		if r.queued() != 0 {
			t.Errorf("%d messages are left in the queue", r.queued())
		}
		if err := testutil.GatherAndCompare(r.reg, strings.NewReader(`
# HELP esmon_dispatch_delivered_total Notifications that a receiver took, by kind of receiver.
# TYPE esmon_dispatch_delivered_total counter
esmon_dispatch_delivered_total{kind="kind-a"} 2
# HELP esmon_dispatch_breaker_open 1 for each receiver that is left alone now, because it failed again and again or asked for it; 0 for the others.
# TYPE esmon_dispatch_breaker_open gauge
esmon_dispatch_breaker_open{receiver="a"} 0
`), "esmon_dispatch_delivered_total", "esmon_dispatch_breaker_open", "esmon_dispatch_given_up_total"); err != nil {
			t.Error(err)
		}
	})
}

// TestCounts: what waits and what is dead can be seen, by receiver.
func TestCounts(t *testing.T) {
	t.Parallel()
	refused := &receiver.Error{Permanent: true, Err: errors.New("no")}
	change := func(c *dispatch.Config) { c.MinBackoff, c.MaxBackoff = time.Hour, time.Hour }
	bubble(t, change, map[string]behaviour{"a": series(errDown, errDown), "b": fails(refused)}, func(r *rig) {
		r.tell("a", "a", "b")
		time.Sleep(20 * time.Second)
		if err := testutil.GatherAndCompare(r.reg, strings.NewReader(`
# HELP esmon_dispatch_dead Notifications that were given up and are kept, by receiver.
# TYPE esmon_dispatch_dead gauge
esmon_dispatch_dead{receiver="a"} 0
esmon_dispatch_dead{receiver="b"} 1
# HELP esmon_dispatch_given_up_total Notifications that were given up, by kind of receiver and reason of the last failure.
# TYPE esmon_dispatch_given_up_total counter
esmon_dispatch_given_up_total{kind="kind-b",reason="refused"} 1
# HELP esmon_dispatch_oldest_waiting_seconds Age of the oldest notification that waits, by receiver.
# TYPE esmon_dispatch_oldest_waiting_seconds gauge
esmon_dispatch_oldest_waiting_seconds{receiver="a"} 20
esmon_dispatch_oldest_waiting_seconds{receiver="b"} 0
# HELP esmon_dispatch_waiting Notifications that wait, by receiver.
# TYPE esmon_dispatch_waiting gauge
esmon_dispatch_waiting{receiver="a"} 2
esmon_dispatch_waiting{receiver="b"} 0
`), "esmon_dispatch_dead", "esmon_dispatch_given_up_total", "esmon_dispatch_oldest_waiting_seconds", "esmon_dispatch_waiting"); err != nil {
			t.Error(err)
		}
	})
}

// TestTriesAgain: later each time, and with every attempt in the log.
func TestTriesAgain(t *testing.T) {
	t.Parallel()
	bubble(t, nil, map[string]behaviour{"a": series(errDown, errors.New("with \x00 and \xff in it"), errDown)}, func(r *rig) {
		r.tell("a")
		r.is("n1", alert.Waiting, 1)
		time.Sleep(500 * time.Millisecond)
		r.is("n1", alert.Waiting, 1)
		time.Sleep(time.Minute)
		n := r.is("n1", alert.Delivered, 4)
		for i, want := range []string{"it is down", "with \uFFFD and \uFFFD in it", "it is down", ""} {
			if a := n.Attempts[i]; !strings.Contains(a.Message, want) || a.Delivered != (i == 3) {
				t.Errorf("attempt %d: %+v", i, a)
			}
		}
	})
}

func TestPermanentErrorsAreGivenUp(t *testing.T) {
	t.Parallel()
	refused := &receiver.Error{Permanent: true, Status: "404 Not Found", Err: errors.New("the workflow is gone")}
	bubble(t, nil, map[string]behaviour{"a": fails(fmt.Errorf("wrapped: %w", refused))}, func(r *rig) {
		r.tell("a", "a")
		r.is("n1", alert.Dead, 1)
		r.is("n2", alert.Dead, 1)
		ids := map[string]bool{} // they are of two orders: either may be the first
		for _, d := range r.dead {
			ids[d.ID] = strings.Contains(d.Reason, "the workflow is gone")
		}
		if len(r.dead) != 2 || !ids["n1"] || !ids["n2"] {
			t.Errorf("buried are %v", r.dead)
		}
		if len(r.Breakers()) != 0 {
			t.Errorf("it is left alone: %v", r.Breakers())
		}
	})
}

func TestUnreadableIsGivenUp(t *testing.T) {
	t.Parallel()
	bubble(t, nil, map[string]behaviour{"a": nil}, func(r *rig) {
		r.commit(alert.Notification{ID: "n1", Receiver: "a", Payload: []byte(`{"id":`)})
		r.Wake()
		r.is("n1", alert.Dead, 1)
	})
}

func TestGivenUpWhenOld(t *testing.T) {
	t.Parallel()
	change := func(c *dispatch.Config) { c.MaxAge = time.Hour }
	bubble(t, change, map[string]behaviour{"a": fails(errDown)}, func(r *rig) {
		r.tell("a")
		time.Sleep(59 * time.Minute)
		before := r.notification("n1")
		r.is("n1", alert.Waiting, len(before.Attempts))
		time.Sleep(time.Hour)
		n := r.notification("n1")
		r.is("n1", alert.Dead, len(n.Attempts))
		if a := n.Attempts[len(n.Attempts)-1]; !strings.Contains(a.Message, "given up after") || len(r.dead) != 1 {
			t.Errorf("the last attempt is %+v, buried are %v", a, r.dead)
		}
	})
}

// TestRetryAfter: a receiver that asks for time gets it, also from other messages.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]*receiver.Error{
		"asked":     {RetryAfter: 10 * time.Minute, Status: "429 Too Many Requests", Err: errors.New("slow down")},
		"with 503":  {RetryAfter: 10 * time.Minute, Status: "503 Service Unavailable", Err: errors.New("slow down")},
		"for years": {RetryAfter: 87600 * time.Hour, Status: "429 Too Many Requests", Err: errors.New("slow down")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, nil, map[string]behaviour{"a": series(status), "b": nil}, func(r *rig) {
				r.tell("a")
				r.is("n1", alert.Waiting, 1)
				r.tell("a", "b")
				r.is("n3", alert.Delivered, 1)
				time.Sleep(9*time.Minute + 50*time.Second)
				r.is("n1", alert.Waiting, 1)
				r.is("n2", alert.Waiting, 0)
				if name == "for years" {
					time.Sleep(50 * time.Minute)
				}
				time.Sleep(20 * time.Minute)
				r.is("n1", alert.Delivered, 2)
				r.is("n2", alert.Delivered, 1)
			})
		})
	}
}

// TestOrder: one that fails holds up those of its receiver and order, and nobody else.
func TestOrder(t *testing.T) {
	t.Parallel()
	first := func(m *alert.Message) (bool, time.Duration, error) {
		if m.ID == "x1" && time.Now().Before(time.UnixMilli(m.Time)) {
			return false, 0, errDown
		}
		return true, 0, nil
	}
	bubble(t, nil, map[string]behaviour{"a": first, "b": nil}, func(r *rig) {
		until := fmt.Sprintf(`{"time":%d}`, time.Now().Add(30*time.Second).UnixMilli())
		for _, n := range []alert.Notification{
			{ID: "x1", Receiver: "a", Order: "x", Payload: []byte(until)},
			{ID: "x2", Receiver: "a", Order: "x"}, {ID: "x3", Receiver: "a", Order: "x"},
			{ID: "y1", Receiver: "a", Order: "y"}, {ID: "bx", Receiver: "b", Order: "x"},
		} {
			r.commit(n)
		}
		r.Wake()
		time.Sleep(20 * time.Second)
		r.is("x2", alert.Waiting, 0)
		r.is("y1", alert.Delivered, 1)
		r.is("bx", alert.Delivered, 1)
		time.Sleep(5 * time.Minute)
		r.is("x3", alert.Delivered, 1)
		n := r.notification("x1")
		if a, b := n.Attempts[len(n.Attempts)-1].Time, r.notification("x3").Attempts[0].Time; a != b {
			t.Errorf("x1 was delivered at %d, x3 not before %d", a, b)
		}
		if got := slices.DeleteFunc(r.log, func(id string) bool { return id[0] != 'x' }); !slices.Equal(got, []string{"x1", "x2", "x3"}) {
			t.Errorf("they came in the order %q", got)
		}
	})
}

// TestBuriedInALine: one that is given up right after the one before it is among the
// dead, too, when the queue hands it out.
func TestBuriedInALine(t *testing.T) {
	t.Parallel()
	refuses := func(m *alert.Message) (bool, time.Duration, error) {
		return false, 5 * time.Second, &receiver.Error{Permanent: true, Err: errors.New("no " + m.ID)}
	}
	bubble(t, nil, map[string]behaviour{"a": refuses}, func(r *rig) {
		for _, id := range []string{"x1", "x2", "x3"} {
			r.commit(alert.Notification{ID: id, Receiver: "a", Order: "x"})
		}
		r.Wake()
		time.Sleep(time.Minute)
		synctest.Wait()
		var got []string
		for _, m := range r.dead {
			got = append(got, m.ID+": "+m.Reason)
		}
		slices.Sort(got)
		if !slices.Equal(got, []string{"x1: no x1", "x2: no x2", "x3: no x3"}) || r.queued() != 0 {
			t.Errorf("buried are %q, %d messages are left", got, r.queued())
		}
	})
}

// TestUnknownReceiver: it may be configured later.
func TestUnknownReceiver(t *testing.T) {
	t.Parallel()
	bubble(t, nil, nil, func(r *rig) {
		r.tell("a")
		n := r.is("n1", alert.Waiting, 1)
		if !strings.Contains(n.Attempts[0].Message, `no receiver "a"`) {
			t.Errorf("attempt %+v", n.Attempts[0])
		}
		r.receivers(map[string]behaviour{"a": nil})
		time.Sleep(time.Minute)
		r.is("n1", alert.Delivered, len(r.notification("n1").Attempts))
	})
}

// TestStrangeMessages: what is not in the outbox goes, and the outbox decides who the
// receiver is.
func TestStrangeMessages(t *testing.T) {
	t.Parallel()
	bubble(t, nil, map[string]behaviour{"a": nil, "b": fails(errDown)}, func(r *rig) {
		r.commit(alert.Notification{ID: "n1", Receiver: "a"})
		r.handedOver("n1")
		q := queue{r.p}
		for _, m := range []bus.Message{{ID: "stranger", Body: []byte{0, 0xff}}, {ID: "n0", Body: []byte(`{"receiver":"a"}`)}, {ID: "n1", Body: []byte(`{"receiver":"b"}`)}} {
			if err := q.Put(r.t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		r.is("n1", alert.Delivered, 1)
		if r.queued() != 0 {
			t.Errorf("%d messages are left in the queue", r.queued())
		}
	})
}

// TestPanics: one message must not end the process.
func TestPanics(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	panics := func(*alert.Message) (bool, time.Duration, error) {
		if n.Add(1) == 1 {
			panic("out of range")
		}
		return true, 0, nil
	}
	bubble(t, nil, map[string]behaviour{"a": panics}, func(r *rig) {
		r.tell("a")
		time.Sleep(10 * time.Second)
		n := r.is("n1", alert.Delivered, 2)
		if !strings.Contains(n.Attempts[0].Message, "out of range") {
			t.Errorf("attempt %+v", n.Attempts[0])
		}
	})
}

// TestOutboxAway: what a receiver took while the database was away is not sent again.
func TestOutboxAway(t *testing.T) {
	t.Parallel()
	bubble(t, nil, map[string]behaviour{"a": func(*alert.Message) (bool, time.Duration, error) { return true, time.Second, nil }}, func(r *rig) {
		r.tell("a")
		synctest.Wait() // it is on its way
		r.mu.Lock()
		r.outages = 20
		r.mu.Unlock()
		time.Sleep(5 * time.Second)
		if r.Ready() == nil {
			t.Error("it says that it is ready")
		}
		r.cut(r.p) // and the queue hands it out again meanwhile
		time.Sleep(time.Minute)
		r.is("n1", alert.Delivered, 1)
		if r.received["n1"] != 1 {
			t.Errorf("it was received %d times", r.received["n1"])
		}
		if err := r.Ready(); err != nil {
			t.Errorf("it is not ready: %v", err)
		}
	})
}

// TestLostByTheQueue: what an operator purged is handed to the queue again, once.
func TestLostByTheQueue(t *testing.T) {
	t.Parallel()
	bubble(t, nil, map[string]behaviour{"a": nil}, func(r *rig) {
		for _, n := range some(4) {
			n.Receiver = "a"
			r.commit(n)
			r.handedOver(n.ID)
		}
		time.Sleep(40 * time.Minute)
		r.is("n00", alert.Waiting, 0)
		time.Sleep(2 * time.Hour)
		for _, n := range some(4) {
			r.is(n.ID, alert.Delivered, 1)
		}
	})
}

// TestDuplicatesInTheQueue are harmless, also while one is being worked at.
func TestDuplicatesInTheQueue(t *testing.T) {
	t.Parallel()
	bubble(t, nil, map[string]behaviour{"a": func(*alert.Message) (bool, time.Duration, error) { return true, 5 * time.Second, nil }}, func(r *rig) {
		r.tell("a")
		for range 5 {
			if err := (queue{r.p}).Put(r.t.Context(), bus.Message{ID: "n1", Body: []byte("a")}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		r.is("n1", alert.Delivered, 1)
		if r.received["n1"] != 1 || r.queued() != 0 {
			t.Errorf("received %d times, %d messages are left", r.received["n1"], r.queued())
		}
	})
}

// TestDrain: at a stop, what is on its way is finished, and the rest stays.
func TestDrain(t *testing.T) {
	t.Parallel()
	slow := func(*alert.Message) (bool, time.Duration, error) { return true, 5 * time.Second, nil }
	never := func(*alert.Message) (bool, time.Duration, error) { return true, time.Hour, nil }
	change := func(c *dispatch.Config) { c.PerReceiver, c.SendTimeout = 1, 50*time.Second }
	bubble(t, change, map[string]behaviour{"slow": slow, "never": never}, func(r *rig) {
		r.tell("slow")
		synctest.Wait()
		r.tell("slow", "never")
		synctest.Wait()
		began := time.Now()
		r.stop()
		if took := time.Since(began); took != 15*time.Second {
			t.Errorf("the stop took %v", took)
		}
		r.is("n1", alert.Delivered, 1)
		r.is("n2", alert.Waiting, 0)
		if n := r.is("n3", alert.Waiting, 1); n.Next > time.Now().UnixMilli() {
			t.Error("a stop counts as a failure")
		}
		if r.queued() != 2 {
			t.Errorf("%d messages are in the queue", r.queued())
		}
	})
}

func TestClosedQueueEndsTheWorkers(t *testing.T) {
	t.Parallel()
	bubble(t, nil, map[string]behaviour{"a": nil}, func(r *rig) {
		if err := (queue{r.p}).Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := r.Ready(); !errors.Is(err, bus.ErrClosed) {
			t.Errorf("ready says %v", err)
		}
	})
}
