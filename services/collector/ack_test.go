package collector_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/esolutions/esmon/services/collector"
)

func TestNothingIsAcknowledgedBeforeTheLogConfirmed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.log.hold()
		a := r.connect("a")
		a.send(batch(1, first, frame(1, 1, 0.5)))
		settle()
		if n := len(r.log.records()); n != 1 {
			t.Fatalf("%d records were published, want 1", n)
		}
		if len(a.answers()) != 0 {
			t.Fatalf("answered before the log confirmed: %v", a.answers())
		}
		r.log.letAllGo()
		synctest.Wait()
		if got := a.acked(); !slices.Equal(got, []uint64{1}) {
			t.Errorf("acknowledged %v, want 1", got)
		}
	})
}

func TestAFailedPublishAcknowledgesNothingAndEndsTheStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.log.answers(errDisk)
		a, b := r.connect("a"), r.connect("b")
		a.send(batch(1, first, frame(1, 1, 0.5)))
		b.send(batch(1, first, frame(1, 1, 0.5)))
		a.wantEnd("ingest_log_unavailable")
		b.wantEnd("ingest_log_unavailable")
		if len(a.answers())+len(b.answers()) != 0 {
			t.Errorf("answered %v %v", a.answers(), b.answers())
		}
		if got := r.value("records_total", "failed"); got != 1 {
			t.Errorf("%v records are counted as failed, want 1", got)
		}
		if got := r.value("samples_total"); got != 0 {
			t.Errorf("%v samples are counted as durable, want none", got)
		}
	})
}

func TestALogThatNeverAnswersIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.log.hold()
		a := r.connect("a")
		start := time.Now()
		a.send(batch(1, first, frame(1, 1, 0.5)))
		a.wantEnd("ingest_log_unavailable")
		if took, limit := time.Since(start), collector.DefaultConfig().PublishTimeout; took < limit || took > limit+time.Second {
			t.Errorf("it took %s, publish_timeout is %s", took, limit)
		}
	})
}

func TestAcknowledgementsAreRanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		for _, n := range []uint64{3, 1, 2, 7, 8, 12} {
			a.send(batch(n, first, frame(1, 1, float64(n))))
		}
		settle()
		text := ""
		for _, ack := range a.answers() {
			for _, rg := range ack.GetRanges() {
				text += fmt.Sprintf("[%d %d]", rg.GetFirst(), rg.GetLast())
			}
		}
		if text != "[1 3][7 8][12 12]" || len(a.answers()) != 1 {
			t.Errorf("acknowledged %s in %d messages, want [1 3][7 8][12 12] in one", text, len(a.answers()))
		}
	})
}

// While one answer is being sent, what comes goes into the next one.
func TestAcknowledgementsAreCoalesced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connectDeaf("a")
		for n := uint64(1); n <= 50; n++ {
			a.send(batch(n, first, frame(1, 1, 1)))
			settle()
		}
		if n := len(r.log.records()); n != 50 {
			t.Fatalf("%d records, want 50", n)
		}
		if got := (<-a.pipe.out).GetAck().GetRanges(); len(got) != 1 || got[0].GetLast() != 1 {
			t.Errorf("first answer %v, want batch 1", got)
		}
		if got := (<-a.pipe.out).GetAck().GetRanges(); len(got) != 1 || got[0].GetFirst() != 2 || got[0].GetLast() != 50 {
			t.Errorf("second answer %v, want batches 2 to 50", got)
		}
	})
}

// An agent that does not read its answers is not read from either.
func TestAnswersForASlowReaderAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connectDeaf("a")
		taken := make(chan uint64, 1<<16)
		go func() {
			for n := uint64(1); a.pipe.ctx.Err() == nil; n++ {
				a.send(batch(n, frame(9, 9, 1))) // refused: an answer of its own
				taken <- n
			}
		}()
		settle()
		n := len(taken)
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(taken) != n || n < 1000 || n > 5000 {
			t.Fatalf("%d batches were taken from an agent that reads nothing, an hour later %d", n, len(taken))
		}
		refused, acked := 0, uint64(0)
		for refused < n-1 {
			ack := (<-a.pipe.out).GetAck()
			if len(ack.GetRefusals()) > 500 {
				t.Errorf("an answer with %d refusals", len(ack.GetRefusals()))
			}
			for _, rg := range ack.GetRanges() {
				acked = rg.GetLast()
			}
			if refused += len(ack.GetRefusals()); int(acked) > refused {
				t.Errorf("batch %d was acknowledged before its refusal", acked)
			}
		}
		synctest.Wait()
		if len(taken) == n {
			t.Error("nothing more was taken although the agent reads")
		}
	})
}

func TestManyStreamsShareARecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		var agents []*agent
		for i := range 20 {
			agents = append(agents, r.connect(fmt.Sprintf("agent%02d", i)))
		}
		for _, a := range agents {
			a.send(batch(1, first, frame(1, 1, 0.5)))
			a.send(batch(2, frame(1, 1, 0.6)))
		}
		settle()
		records := r.log.records()
		if len(records) != 1 {
			t.Fatalf("%d records were published, want 1", len(records))
		}
		p := records[0]
		if len(p.batches) != 40 || len(p.rows) != 40 || len(p.entities) != 20 || len(p.schemas) != 1 {
			t.Errorf("record with %d batches, %d frames, %d entities, %d schemas, want 40, 40, 20, 1", len(p.batches), len(p.rows), len(p.entities), len(p.schemas))
		}
		for _, a := range agents {
			if got := a.acked(); !slices.Equal(got, []uint64{1, 2}) {
				t.Errorf("%s: acknowledged %v, want 1 and 2", a.id, got)
			}
		}
	})
}

func TestABatchWithoutFramesIsAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		a.send(batch(1, first))
		settle()
		if got := a.acked(); !slices.Equal(got, []uint64{1}) || len(r.log.records()) != 0 {
			t.Errorf("acknowledged %v with %d records, want 1 with none", got, len(r.log.records()))
		}
	})
}
