package control_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
)

// A fleet that comes back shares transactions: while one is written, the others
// gather for the next. No transaction is larger than the bound.
func TestConnectsAreBatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testConnectsAreBatched)
}

func testConnectsAreBatched(t *testing.T) {
	const agents = control.SaveMost + 40
	r := newRigAt(t, time.Now, nil)
	ids := r.enrolMany(agents + 1)
	busy, release := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var sizes []int
	r.store.set(func(method string, rows int) error {
		if method != "SaveConnects" {
			return nil
		}
		mu.Lock()
		sizes = append(sizes, rows)
		first := len(sizes) == 1
		mu.Unlock()
		if first {
			close(busy)
			<-release
		}
		return nil
	})
	var group sync.WaitGroup
	connect := func(id string) {
		s, err := r.Connect(t.Context(), id, hello(0))
		if err != nil || s.Counter() != 1 {
			t.Errorf("agent %s: %v", id, err)
		}
	}
	group.Go(func() { connect(ids[0]) })
	<-busy
	for _, id := range ids[1:] {
		group.Go(func() { connect(id) })
	}
	synctest.Wait() // until all of them wait
	close(release)
	group.Wait()
	if got, want := fmt.Sprint(sizes), fmt.Sprint([]int{1, control.SaveMost, agents - control.SaveMost}); got != want {
		t.Errorf("transactions of %s connects, want %s", got, want)
	}
	for _, id := range ids {
		if a := r.stored(id); a.Counter != 1 {
			t.Fatalf("agent %s: counter %d is stored", id, a.Counter)
		}
	}
}

// All who waited for a write that failed hear of it, and the next write succeeds.
func TestBatchThatFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	ids := r.enrolMany(20)
	r.restart()
	r.store.set(func(string, int) error { return errors.New("disk full") })
	var group sync.WaitGroup
	for _, id := range ids {
		group.Go(func() {
			_, err := r.Connect(t.Context(), id, hello(0))
			if fault.ReasonOf(err) != "registry_unavailable" {
				t.Errorf("agent %s: %v", id, err)
			}
		})
	}
	group.Wait()
	r.store.set(nil)
	for _, id := range ids {
		r.connect(id, 0, 1)
	}
}

// A write that hangs is given up: nobody waits for ever.
func TestWriteOfConnectsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRigAt(t, time.Now, nil)
		id := r.enrol("web-1")
		r.store.hang()
		start := time.Now()
		_, err := r.Connect(t.Context(), id, hello(0))
		wantFault(t, err, fault.Unavailable, "registry_unavailable")
		if waited := time.Since(start); waited > 20*time.Second {
			t.Errorf("it waited %v", waited)
		}
	})
}
