package collector_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/collector"
)

// The gap grows while waiting gathers much, and shrinks when it gathers nothing.
func TestTheGapAdaptsToTheLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		var agents []*agent
		for i := range 10 {
			agents = append(agents, r.connect(fmt.Sprintf("agent%d", i)))
		}
		n := uint64(0)
		round := func(agents ...*agent) time.Duration {
			n++
			start := time.Now()
			before := len(r.log.records())
			for _, a := range agents {
				a.send(batch(n, first, frame(1, 1, 1)))
			}
			for len(r.log.records()) == before {
				synctest.Wait()
				time.Sleep(time.Millisecond)
			}
			return time.Since(start).Round(time.Millisecond)
		}
		var gaps []time.Duration
		for range 6 {
			gaps = append(gaps, round(agents...))
		}
		for range 6 {
			gaps = append(gaps, round(agents[0]))
		}
		var ms []int64
		for _, g := range gaps {
			ms = append(ms, g.Milliseconds()/5*5)
		}
		if want := []int64{5, 10, 20, 40, 50, 50, 50, 25, 10, 5, 5, 5}; !slices.Equal(ms, want) {
			t.Errorf("gaps %v ms, want %v", ms, want)
		}
		if got := r.value("commit_gap_seconds"); got != 0.005 {
			t.Errorf("the metric shows a gap of %v s, want 0.005", got)
		}
	})
}

func TestAFullRecordIsPublishedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.MinGap, c.MaxGap, c.RecordBytes = time.Hour, time.Hour, 4<<10 })
		a := r.connect("a")
		for n := uint64(1); n <= 100; n++ {
			a.send(batch(n, first, frame(1, 1, 1), frame(1, 1, 2), frame(1, 1, 3)))
		}
		synctest.Wait()
		if n := len(r.log.records()); n < 1 {
			t.Errorf("%d records after a hundred batches, want at least one", n)
		}
		if got := a.acked(); len(got) < 50 {
			t.Errorf("%d batches acknowledged, want most", len(got))
		}
	})
}

// When the log is slow, senders wait: what is gathered and under way is bounded.
func TestASlowLogMakesSendersWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.RecordBytes, c.Publishing, c.PublishTimeout = 4<<10, 2, time.Hour })
		r.log.hold()
		a := r.connect("a")
		taken := make(chan uint64, 1<<16)
		go func() {
			for n := uint64(1); n <= 2000; n++ {
				a.send(batch(n, first, frame(1, 1, 1), frame(1, 1, 2)))
				taken <- n
			}
		}()
		settle()
		if n := len(taken); n < 10 || n > 1000 {
			t.Fatalf("%d batches were taken while nothing was confirmed", n)
		}
		if n := len(r.log.records()); n != 2 {
			t.Errorf("%d records are under way, want 2", n)
		}
		r.log.letAllGo()
		settle()
		if got := a.acked(); len(got) != 2000 {
			t.Errorf("%d batches acknowledged in the end, want 2000", len(got))
		}
	})
}

func TestAFullLogPutsBatchesOffAndPauses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.log.answers(fmt.Errorf("publish: %w", bus.ErrFull))
		a := r.connect("a")
		a.send(batch(1, first, frame(1, 1, 1)))
		settle()
		got := a.refusals()
		if len(got) != 1 || got[0].GetReason() != "log_full" || !got[0].GetRetryable() || got[0].GetSequence() != 1 || got[0].GetRetryAfterMs() < 1000 || got[0].GetMessage() == "" {
			t.Fatalf("refusals %v, want batch 1 put off", got)
		}
		if len(a.acked()) != 0 {
			t.Errorf("acknowledged %v although the log is full", a.acked())
		}
		r.log.answers(nil)
		a.send(batch(2, frame(1, 1, 2)))
		settle()
		if n := len(r.log.records()); n != 1 || r.value("log_full") != 1 {
			t.Errorf("%d records during the pause, want no further one", n)
		}
		time.Sleep(time.Second)
		a.send(batch(1, frame(1, 1, 1)))
		settle()
		if got := a.acked(); !slices.Equal(got, []uint64{2, 1}) {
			t.Errorf("acknowledged %v after the pause, want 2 and 1", got)
		}
		if got := r.value("put_off_batches_total", "log_full"); got != 1 || r.value("log_full") != 0 {
			t.Errorf("%v batches are counted as put off, want 1", got)
		}
	})
}

// Agents that come again and again while the log is full leave nothing behind.
func TestAStreamThatEndsDuringThePauseLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.FullPause = time.Hour })
		r.log.answers(bus.ErrFull)
		first1 := r.connect("a")
		first1.send(batch(1, first, frame(1, 1, 1)))
		settle()
		for range 3 {
			a := r.connect("a")
			a.send(batch(2, first, frame(1, 1, 2)))
			settle()
			a.pipe.cancel()
			<-a.end
		}
		r.log.answers(nil)
		time.Sleep(time.Hour)
		settle()
		if rows := r.log.rows(); len(rows) != 0 {
			t.Errorf("%d frames of streams that had ended were stored", len(rows))
		}
	})
}

// All of an agent's data is in one partition; a definition is known there only.
func TestPartitions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newFakeLog(t)
		log.partitions = 4
		r := newRigOn(t, log, nil)
		for i := range 40 {
			a := r.connect(fmt.Sprintf("agent%02d", i))
			for n := uint64(1); n <= 2; n++ {
				a.send(batch(n, first, frame(1, 1, 1)))
				settle()
			}
		}
		where := map[string]int{}
		used, defined := map[int]bool{}, map[int]bool{}
		for _, p := range log.records() {
			used[p.partition] = true
			for _, b := range p.batches {
				if at, ok := where[b.AgentID]; ok && at != p.partition {
					t.Errorf("%s is in partitions %d and %d", b.AgentID, at, p.partition)
				}
				where[b.AgentID] = p.partition
			}
			if len(p.schemas) > 0 {
				if defined[p.partition] {
					t.Errorf("the schema rode twice in partition %d", p.partition)
				}
				defined[p.partition] = true
			}
		}
		if len(used) != 4 || len(defined) != 4 {
			t.Errorf("partitions %v were used, the schema is in %v, want all four", used, defined)
		}
	})
}

func TestTotals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		a.send(batch(1, first, schema(2, "a", "b"), frame(1, 1, 1), frame(1, 2, 1, 2), frame(1, 3, 1), frame(2, 1, 1), frame(1, 1, 1, 2)))
		settle()
		if samples, refused := r.c.Totals(); samples != 3 || refused != 3 {
			t.Errorf("%d samples, %d frames refused, want 3 and 3", samples, refused)
		}
	})
}
