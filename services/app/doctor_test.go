package app

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/doctor"
	"github.com/esolutions/esmon/services/fault"
)

// TestTroubleWatch checks that troubles are told with the time of their beginning,
// and that a check that hangs is one and holds up no other.
func TestTroubleWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		hang := make(chan struct{})
		w := newTroubleWatch(func() []readiness {
			return []readiness{
				{name: doctor.PartStorage, check: func() error {
					if broken.Load() {
						return errors.New("the disk is full")
					}
					return nil
				}},
				{name: doctor.PartLog, check: func() error { <-hang; return nil }},
			}
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.run(ctx) }()
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		want := func(when string, texts ...string) []*statusv1.Trouble {
			t.Helper()
			list := w.list()
			if len(list) != len(texts) {
				t.Fatalf("%s: %v, want %q", when, list, texts)
			}
			for i, text := range texts {
				if !strings.Contains(list[i].GetPart()+": "+list[i].GetMessage(), text) {
					t.Errorf("%s: %v, want %q", when, list[i], text)
				}
			}
			return list
		}
		began := time.Now()
		pass(3 * time.Second)
		want("all well")
		pass(3 * time.Second)
		hung := want("one check hangs", "ingest log: it has not said how it is for 6s")
		if !hung[0].GetSince().AsTime().Equal(began) {
			t.Errorf("it hangs since %v, want %v", hung[0].GetSince().AsTime(), began)
		}
		broken.Store(true)
		pass(time.Second)
		first := want("another fails", "storage: the disk is full", "ingest log")[0].GetSince().AsTime()
		pass(time.Minute)
		if again := want("it goes on", "storage: the disk is full", "ingest log")[0].GetSince().AsTime(); !again.Equal(first) || !first.Equal(began.Add(7*time.Second)) {
			t.Errorf("it is so since %v, later since %v, want %v", first, again, began.Add(7*time.Second))
		}
		broken.Store(false)
		close(hang)
		pass(2 * time.Second)
		want("all well again")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestStatusTellsTroubles checks that the status of a process has what the doctors
// of others need.
func TestStatusTellsTroubles(t *testing.T) {
	t.Parallel()
	s := testStatus(t)
	s.self = &statusv1.Node{Name: "storage-1"}
	s.leads = func(int) bool { return true }
	s.logPartitions = func() []int { return []int{1, 2} }
	s.troubles = newTroubleWatch(nil)
	s.troubles.seen = []*watched{{readiness: readiness{name: "storage"}, err: errors.New("full"), since: time.Unix(1000, 0)}}
	res, err := s.GetStatus(t.Context(), &statusv1.GetStatusRequest{Local: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]*statusv1.Trouble{res.GetTroubles(), res.GetNodes()[0].GetTroubles()} {
		if len(list) != 1 || list[0].GetPart() != "storage" || list[0].GetMessage() != "full" || list[0].GetSince().GetSeconds() != 1000 {
			t.Errorf("got %v", list)
		}
	}
	m := merger{out: &statusv1.GetStatusResponse{}, working: map[string]bool{}}
	m.add(place{"gateway", "10.0.0.1:9"}, answerOf{res: &statusv1.GetStatusResponse{Nodes: []*statusv1.Node{{Name: "gateway"}}}})
	m.add(place{"storage", "10.0.0.2:9"}, answerOf{res: res})
	out := m.finish()
	if len(out.GetLogPartitions()) != 2 || len(out.GetNodes()[1].GetTroubles()) != 1 {
		t.Errorf("of all processes, got %v", out)
	}
}

// TestNoDoctor checks what a process says that may not ask the others.
func TestNoDoctor(t *testing.T) {
	t.Parallel()
	s := testStatus(t)
	_, agent := s.DiagnoseAgent(t.Context(), &statusv1.DiagnoseAgentRequest{Agent: "web-1"})
	_, all := s.DiagnosePlatform(t.Context(), &statusv1.DiagnosePlatformRequest{})
	for _, err := range []error{agent, all} {
		if fault.ReasonOf(err) != "diagnosis_elsewhere" || !strings.Contains(err.Error(), "--data-dir") {
			t.Errorf("got %v", err)
		}
	}
}

// TestPartsThatAreWatched checks that a server watches the parts that the doctor
// asks about, by the names that it asks for.
func TestPartsThatAreWatched(t *testing.T) {
	t.Parallel()
	a := build(t, testConfig(t))
	var found bool
	for _, r := range a.ready {
		found = found || r.name == doctor.PartStorage
	}
	if !found {
		t.Errorf("%q is not watched", doctor.PartStorage)
	}
	_, stop := start(t, a)
	if err := stop(); err != nil {
		t.Error(err)
	}
}
