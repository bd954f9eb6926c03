package collector_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

func TestAStreamBeginsWithAHello(t *testing.T) {
	t.Run("none within the time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newRig(t, nil)
			a := r.open("a")
			start := time.Now()
			a.wantEnd("hello_timeout")
			if took := time.Since(start); took != 10*time.Second {
				t.Errorf("it took %s, hello_timeout is 10s", took)
			}
		})
	})
	t.Run("a batch first", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newRig(t, nil)
			a := r.open("a")
			a.send(batch(1))
			a.wantEnd("hello_missing")
		})
	})
	t.Run("nothing at all", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newRig(t, nil)
			a := r.open("a")
			a.closeSend()
			a.wantEnd("hello_missing")
		})
	})
	t.Run("a second one", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newRig(t, nil)
			a := r.connect("a")
			a.write(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: &ingestv1.Hello{}}})
			a.wantEnd("message_unexpected")
		})
	})
	t.Run("no certificate", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newRig(t, nil)
			p := newPipe(t.Context())
			if err := r.c.Stream(p); fault.ReasonOf(err) != "certificate_missing" {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("refused by the registry", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newRig(t, nil)
			r.refuse = fault.New(fault.Denied, "identity_cloned", "enrol anew")
			a := r.open("a")
			a.write(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: &ingestv1.Hello{ConnectCounter: 3}}})
			a.wantEnd("identity_cloned")
			if r.hello.GetConnectCounter() != 3 {
				t.Errorf("the registry got hello %v", r.hello)
			}
			if got := r.value("streams_ended_total", "identity_cloned"); got != 1 {
				t.Errorf("%v streams are counted as ended by that, want 1", got)
			}
		})
	})
}

func TestAnEndedStreamGivesItsSessionBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		a.send(batch(1, first, frame(1, 1, 1)))
		a.closeSend()
		a.wantEnd("")
		if got := a.acked(); !slices.Equal(got, []uint64{1}) {
			t.Errorf("acknowledged %v before the end, want 1", got)
		}
		if !r.session("a").closed || r.value("streams") != 0 || r.value("streams_ended_total", "closed") != 1 {
			t.Error("the session is still open")
		}
		b := r.connect("b")
		b.pipe.cancel()
		<-b.end
		if !r.session("b").closed || r.value("streams_ended_total", "disconnected") != 1 {
			t.Error("the session of an agent that vanished is still open")
		}
	})
}

func TestASupersededStreamTakesNothingMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		a.send(batch(1, first, frame(1, 1, 1)))
		settle()
		r.session("a").supersede(fault.New(fault.Conflict, "superseded", "a newer stream"))
		a.wantEnd("superseded")
		a.send(batch(2, frame(1, 1, 2)))
		settle()
		if n := len(r.log.rows()); n != 1 {
			t.Errorf("%d frames were stored, want 1", n)
		}
	})
}

// The stream ends also while its batches wait for the log.
func TestASupersededStreamDoesNotWaitForTheLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.log.hold()
		a := r.connect("a")
		a.send(batch(1, first, frame(1, 1, 1)))
		settle()
		a.closeSend()
		synctest.Wait()
		start := time.Now()
		r.session("a").supersede(fault.New(fault.Conflict, "superseded", "a newer stream"))
		a.wantEnd("superseded")
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %s", took)
		}
	})
}

// Batches before one that ends the stream are answered: sent again and again with
// it they would never be.
func TestWhatCameBeforeABadMessageIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		a.send(batch(1, first, frame(1, 1, 1)))
		a.send(batch(2, frame(1, 1, 2)))
		a.write(&ingestv1.StreamRequest{})
		a.wantEnd("message_unexpected")
		if got := a.acked(); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("acknowledged %v, want 1 and 2", got)
		}
	})
}

func TestClockSkewAndReceiveTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		received := time.Now().UnixMilli()
		b := batch(1, first, frame(1, 1, 1))
		b.SentAtMs = received - 90_000
		a.send(b)
		settle()
		rows := r.log.rows()
		if len(rows) != 1 || rows[0].batch.AgentID != "a" || rows[0].batch.Received != received || rows[0].batch.SkewMS != -90_000 {
			t.Errorf("stored %+v, want received at %d with a skew of -90000", rows[0].batch, received)
		}
		if ack := a.answers()[0]; ack.GetSkewMs() != -90_000 || ack.GetClockMs() != received+5 {
			t.Errorf("answer %v, want the skew and the server's clock", ack)
		}
		if got := r.session("a").skews; !slices.Equal(got, []int64{-90_000}) {
			t.Errorf("the registry was told of skews %v", got)
		}
	})
}

func TestChangedLabelsEndTheOldSeries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		at := time.Now()
		a.send(batch(1, schema(1, "a", "b"), schema(2, "c"), entity(1, ""), frameAt(at, 1, 1, 1, 2), frameAt(at.Add(-time.Second), 1, 1, 3, 4)))
		settle()
		old := r.session("a").Labels()
		changed := old.With(metric.Label{Name: "team", Value: "billing"})
		r.session("a").change(changed, nil)
		settle()
		rows := r.log.rows()
		if len(rows) != 3 {
			t.Fatalf("%d frames, want two and a stale marker", len(rows))
		}
		m := rows[2]
		if !slices.Equal(m.entity, old) || m.time != at.UnixMilli()+1 || len(m.values) != 2 || !metric.IsStale(m.values[0]) || !metric.IsStale(m.values[1]) {
			t.Errorf("marker %+v, want stale values of the old series right behind their last ones", m)
		}
		a.send(batch(2, frame(1, 1, 5, 6), frame(1, 2, 7)))
		settle()
		rows = r.log.rows()
		if len(rows) != 5 || !slices.Equal(rows[3].entity, changed) || !slices.Equal(rows[4].entity, changed) {
			t.Errorf("frames %d, want two more with the new labels", len(rows))
		}
		if got := a.acked(); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("acknowledged %v, want 1 and 2 and nothing for the markers", got)
		}
		if got := r.value("stale_markers_total"); got != 1 {
			t.Errorf("%v markers are counted, want 1", got)
		}
	})
}

func TestATargetIsAcceptedWhileItIsAssigned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a := r.connect("a")
		db7 := metric.NewLabels(metric.Label{Name: "target", Value: "db7"})
		s := r.session("a")
		send := func(n uint64) []*ingestv1.Refusal {
			a.forget()
			a.send(batch(n, schema(1, "a"), entityOf(1, "db7", "database=prod"), entity(2, ""), frame(1, 1, 1), frame(2, 1, 1)))
			settle()
			return a.refusals()
		}
		wantRefusal(t, send(1), 1, 0, "target_not_assigned", "db7")
		s.change(s.Labels(), map[string]metric.Labels{"db7": db7})
		settle()
		if got := send(2); len(got) != 0 {
			t.Errorf("refused although assigned: %v", got)
		}
		rows := r.log.rows()
		if want := db7.With(metric.Label{Name: "database", Value: "prod"}); len(rows) != 3 || !slices.Equal(rows[1].entity, want) {
			t.Errorf("labels %v, want those of the target and none of the host", rows[1].entity)
		}
		s.change(s.Labels(), nil)
		settle()
		if rows := r.log.rows(); len(rows) != 4 || !metric.IsStale(rows[3].values[0]) {
			t.Errorf("%d frames, want a stale marker of the target's series", len(rows))
		}
		wantRefusal(t, send(3), 3, 0, "target_not_assigned", "db7")
	})
}

// Changed labels while nothing can be stored do not keep the stream from ending.
func TestChangedLabelsDuringThePause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		a, b := r.connect("a"), r.connect("b")
		a.send(batch(1, first, frame(1, 1, 1)))
		settle()
		r.log.hold()
		b.send(batch(1, first, manyEntities(10, 9000, 1))) // fills the record behind the one under way
		settle()
		b.send(batch(2, manyEntities(10, 9000, 1)))
		settle()
		b.send(batch(3, manyEntities(10, 9000, 1)))
		settle()
		s := r.session("a")
		s.change(s.Labels().With(metric.Label{Name: "team", Value: "billing"}), nil)
		settle()
		s.supersede(fault.New(fault.Conflict, "superseded", "a newer stream"))
		synctest.Wait()
		select {
		case <-a.end:
			a.wantEnd("superseded")
		default:
			t.Error("the stream waits for the log although it was superseded")
		}
	})
}

// Nobody sends stale markers again: the stream ends, so that the next one begins
// with the new labels.
func TestStaleMarkersThatAreNotStoredEndTheStream(t *testing.T) {
	for reason, err := range map[string]error{"log_full": bus.ErrFull, "ingest_log_unavailable": errDisk} {
		t.Run(reason, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, nil)
				a := r.connect("a")
				a.send(batch(1, first, frame(1, 1, 1)))
				settle()
				r.log.answers(err)
				r.session("a").change(hostLabels, nil)
				a.wantEnd(reason)
			})
		})
	}
}
