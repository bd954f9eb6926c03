package collector_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/fault"
)

// Whatever was taken when the shutdown begins becomes durable and is answered.
func TestDrainFinishesWhatWasTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.MinGap, c.MaxGap, c.Publishing = time.Minute, time.Minute, 1 })
		r.log.hold()
		var agents []*agent
		for i := range 5 {
			a := r.connect(fmt.Sprintf("agent%d", i))
			a.send(batch(1, first, frame(1, 1, 1)))
			agents = append(agents, a)
		}
		time.Sleep(time.Minute + time.Second) // the first record is under way
		for _, a := range agents {
			a.send(batch(2, frame(1, 1, 2))) // in the next one
		}
		synctest.Wait()
		r.stop()
		synctest.Wait()
		for _, a := range agents {
			a.send(batch(3, frame(1, 1, 3))) // too late
			if len(a.acked()) != 0 {
				t.Errorf("%s: acknowledged %v before the log confirmed", a.id, a.acked())
			}
		}
		synctest.Wait()
		r.log.letAllGo()
		if err := <-r.done; err != nil {
			t.Error(err)
		}
		r.done <- nil
		for _, a := range agents {
			a.wantEnd("shutting_down")
			if got := a.acked(); !slices.Equal(got, []uint64{1, 2}) {
				t.Errorf("%s: acknowledged %v, want 1 and 2", a.id, got)
			}
		}
		if n := len(r.log.rows()); n != 10 {
			t.Errorf("%d frames were stored, want 10", n)
		}
		late := r.open("late")
		late.wantEnd("shutting_down")
	})
}

func TestDrainReturnsWhenAllIsDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		a.send(batch(1, first, frame(1, 1, 1)))
		synctest.Wait()
		r.c.Drain(context.Background())
		a.wantEnd("shutting_down")
		if got := a.acked(); !slices.Equal(got, []uint64{1}) {
			t.Errorf("acknowledged %v, want 1", got)
		}
		if err := <-r.done; err != nil {
			t.Error(err)
		}
		r.done <- nil
	})
}

// An agent that reads nothing holds a shutdown up for drain_timeout only.
func TestDrainDoesNotWaitForADeafAgent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connectDeaf("a")
		a.send(batch(1, first, frame(1, 1, 1)))
		settle()
		start := time.Now()
		r.stop()
		if err := <-r.done; err != nil {
			t.Error(err)
		}
		r.done <- nil
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("it took %s, drain_timeout is 5s", took)
		}
	})
}

func TestDrainIsBoundByItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.log.hold()
		a := r.connect("a")
		a.send(batch(1, first, frame(1, 1, 1)))
		settle()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		r.c.Drain(ctx)
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %s, want 1s", took)
		}
	})
}

func TestAHelloDuringTheShutdownIsTooLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.open("a")
		synctest.Wait()
		r.stop()
		a.wantEnd("shutting_down")
		if _, err := r.push(point("x", 1)); fault.ReasonOf(err) != "shutting_down" {
			t.Errorf("a push during the shutdown: %v", err)
		}
	})
}
