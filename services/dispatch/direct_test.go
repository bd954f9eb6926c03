package dispatch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/esolutions/esmon/services/alert"
)

// setStuck has the queue take and hand out nothing, or all again.
func (w *world) setStuck(stuck bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = stuck
	w.changedLocked()
}

// wantBypassed checks whether the metric says that the queue is passed by.
func (r *rig) wantBypassed(want int) {
	r.t.Helper()
	const name = "esmon_dispatch_queue_bypassed"
	text := fmt.Sprintf("# HELP %[1]s Whether the queue takes no notifications and they are delivered from the outbox: 1 or 0.\n# TYPE %[1]s gauge\n%[1]s %[2]d\n", name, want)
	if err := testutil.GatherAndCompare(r.reg, strings.NewReader(text), name); err != nil {
		r.t.Error(err)
	}
}

// TestDeliversPastTheQueue delivers what the queue does not take and what it does not
// hand out, in order, and once.
func TestDeliversPastTheQueue(t *testing.T) {
	t.Parallel()
	bubble(t, nil, map[string]behaviour{"a": nil, "b": series(errDown)}, func(r *rig) {
		r.tell("a")
		r.is("n1", alert.Delivered, 1)
		r.setStuck(true)
		r.commit(alert.Notification{ID: "in", Receiver: "a", Order: "in"})
		r.handedOver("in") // and it has it
		for i := range 3 {
			r.commit(alert.Notification{ID: fmt.Sprint("row", i), Receiver: "a", Order: "row"})
		}
		r.tell("b")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		r.is("row0", alert.Waiting, 0) // it may be a moment only
		r.wantBypassed(0)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		for _, id := range []string{"in", "row0", "row1", "row2"} {
			r.is(id, alert.Delivered, 1)
		}
		r.wantBypassed(1)
		time.Sleep(10 * time.Second)
		r.is("n6", alert.Delivered, 2) // after the pause of a receiver that failed
		r.tell("a")
		time.Sleep(1500 * time.Millisecond)
		r.is("n7", alert.Delivered, 1) // nobody waits for the queue again
		r.setStuck(false)
		r.tell("a", "a")
		time.Sleep(2 * time.Second)
		r.is("n8", alert.Delivered, 1)
		r.is("n9", alert.Delivered, 1)
		r.wantBypassed(0)
		if r.queued() != 0 {
			t.Errorf("%d messages are left in the queue", r.queued())
		}
		for id, n := range r.received {
			if n != 1 {
				t.Errorf("%s came %d times", id, n)
			}
		}
		at := func(id string) int { return slices.Index(r.log, id) }
		if at("row0") > at("row1") || at("row1") > at("row2") {
			t.Errorf("they came as %s", r.log)
		}
	})
}

// TestASlowReceiverHoldsUpNobodyPastTheQueue delivers to one while another takes its time.
func TestASlowReceiverHoldsUpNobodyPastTheQueue(t *testing.T) {
	t.Parallel()
	slow := func(*alert.Message) (bool, time.Duration, error) { return true, 9 * time.Second, nil }
	bubble(t, nil, map[string]behaviour{"slow": slow, "quick": nil}, func(r *rig) {
		r.setStuck(true)
		r.tell("slow")
		time.Sleep(8 * time.Second) // it is being delivered
		r.tell("quick")
		time.Sleep(1500 * time.Millisecond)
		r.is("n1", alert.Waiting, 0)
		r.is("n2", alert.Delivered, 1)
		time.Sleep(10 * time.Second)
		r.is("n1", alert.Delivered, 1)
		if n := r.received["n1"]; n != 1 {
			t.Errorf("n1 came %d times", n)
		}
	})
}
