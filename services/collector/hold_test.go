package collector_test

import (
	"testing"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/collector"
)

// vouched is a batch after which the agent's data is complete up to a time.
func vouched(b *ingestv1.Batch, complete int64) *ingestv1.Batch {
	b.CompleteMs = complete
	return b
}

// at returns a frame's time, counted in seconds from now.
func at(seconds int) int64 { return time.Now().Add(time.Duration(seconds) * time.Second).UnixMilli() }

// stamped sets the time of the frames of a batch.
func stamped(b *ingestv1.Batch, ms int64) *ingestv1.Batch {
	for _, f := range b.GetFrames() {
		f.TimestampMs = ms
	}
	return b
}

// wantComplete checks what the newest record in the log says of the completeness of
// its last batch.
func (r *rig) wantComplete(want int64, when string) {
	r.Helper()
	records := r.log.records()
	batches := records[len(records)-1].batches
	if got := batches[len(batches)-1].Complete; got != want {
		r.Errorf("%s the record says completeness up to %d, want %d", when, got, want)
	}
}

// A batch that the rate quota puts off holds back those that were sent before the
// agent knew of it.
func TestABatchPutOffHoldsBackTheCompleteness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) {
			c.MaxBatchBytes, c.SamplesPerSecond, c.BurstSamples = 64<<10, 1000, 10_000
		})
		a := r.connect("a")
		t1, t2, t3 := at(-30), at(-20), at(-10)
		a.send(vouched(stamped(batch(1, wide(6000)...), t1), t1+1))
		a.send(vouched(stamped(batch(2, wide(6000)...), t2), t2+1))
		a.send(vouched(stamped(batch(3, frame(1, 1, make([]float64, 100)...)), t3), t3+1))
		settle()
		r.wantComplete(t2, "while batch 2 is put off,")
		time.Sleep(4 * time.Second)
		a.send(vouched(stamped(batch(2, wide(6000)...), t2), t2+1))
		settle()
		r.wantComplete(t2+1, "of batch 2 itself")
		a.send(vouched(stamped(batch(4, frame(1, 1, make([]float64, 100)...)), t3+1), t3+2))
		settle()
		r.wantComplete(t3+2, "after batch 2 was taken,")
	})
}

// So does one that the log did not take, also where the later batch was gathered
// already.
func TestAFullLogHoldsBackTheCompleteness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.Publishing = 1 })
		a := r.connect("a")
		t1, t2 := at(-30), at(-20)
		answered := 0
		r.log.answer = func() error {
			if answered++; answered == 1 {
				return bus.ErrFull
			}
			return nil
		}
		r.log.hold()
		a.send(vouched(stamped(batch(1, first, frame(1, 1, 1)), t1), t1+1))
		settle()
		a.send(vouched(stamped(batch(2, frame(1, 1, 2)), t2), t2+1)) // gathered behind it
		settle()
		r.log.letAllGo()
		settle()
		r.wantComplete(t1, "while batch 1 is put off,")
		time.Sleep(time.Second)
		a.send(vouched(stamped(batch(1, frame(1, 1, 1)), t1), t2+1))
		settle()
		r.wantComplete(t2+1, "with batch 1")
	})
}

// An agent that dropped what was put off goes on being complete.
func TestABatchThatNeverComesAgainHoldsNothingBackForLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(c *collector.Config) { c.Window = 3 })
		a := r.connect("a")
		t1 := at(-30)
		r.log.answers(bus.ErrFull)
		a.send(vouched(stamped(batch(1, first, frame(1, 1, 1)), t1), t1+1))
		settle()
		r.log.answers(nil)
		time.Sleep(time.Second)
		for n := uint64(2); n <= 5; n++ {
			at := t1 + int64(n)
			a.send(vouched(stamped(batch(n, frame(1, 1, 1)), at), at+1))
			settle()
			if n <= 4 {
				r.wantComplete(t1, "within the window")
			} else {
				r.wantComplete(at+1, "beyond the window")
			}
		}
	})
}
