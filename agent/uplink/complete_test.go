package uplink_test

import (
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/spool"
)

// TestBatchesSayWhatIsComplete sends a backlog and new batches at the same time: what a
// batch says is complete has nothing of it behind it, and in the end all is.
func TestBatchesSayWhatIsComplete(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	begin := time.Now().Add(-time.Hour)
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * time.Second) }
	var vouched atomic.Int64
	put := func(i int) {
		defer vouched.Store(at(i + 1).UnixMilli()) // once it is in the spool
		r.writer.Put(spool.Collection{Probe: "p", Started: at(i), Readings: []probe.Reading{{
			Schema: schema, Time: at(i).UnixMilli(), Values: []float64{1, float64(i)},
		}}})
		if err := r.writer.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const backlog, live = 300, 40
	for i := range backlog {
		put(i)
	}
	r.uplink.Vouch(vouched.Load)
	r.run()
	for i := range live {
		put(backlog + i)
	}
	empty := func() bool { return r.spool.Stats().Batches == 0 }
	r.eventually("all is acknowledged", empty)
	put(backlog + live)
	r.eventually("the last one is acknowledged", empty)
	arrivals := r.server.Arrivals()
	if len(arrivals) != backlog+live+1 {
		t.Fatalf("%d batches came, want %d", len(arrivals), backlog+live+1)
	}
	left := int64(math.MaxInt64) // oldest sample of those behind
	for i := len(arrivals) - 1; i >= 0; i-- {
		a := arrivals[i]
		if a.Complete > left {
			t.Fatalf("batch %d says that all before %d is there; %d comes later", a.Sequence, a.Complete, left)
		}
		left = min(left, a.From)
	}
	if last := arrivals[len(arrivals)-1]; last.Complete != at(backlog+live).UnixMilli() && last.Complete != vouched.Load() {
		t.Errorf("the last batch says %d, want %d", last.Complete, vouched.Load())
	}
}
