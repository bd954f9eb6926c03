package dbtest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/control"
)

// feed follows the changes of agents.
type feed struct {
	s      control.Store
	cursor string
}

func newFeed(t *testing.T, s control.Store) *feed {
	t.Helper()
	c, err := s.AgentChanges(t.Context(), "", 10)
	must(t, err)
	if len(c.Agents) > 0 || c.More || c.Next == "" {
		t.Fatalf("the empty cursor returned %d agents, more %v, the cursor %q", len(c.Agents), c.More, c.Next)
	}
	return &feed{s: s, cursor: c.Next}
}

// read returns the agents on all pages that there are now, by id.
func (f *feed) read(t *testing.T, limit int) map[string]control.Agent {
	t.Helper()
	all := make(map[string]control.Agent)
	for range 1000 {
		c, err := f.s.AgentChanges(t.Context(), f.cursor, limit)
		must(t, err)
		if len(c.Agents) > limit {
			t.Fatalf("%d agents on a page of %d", len(c.Agents), limit)
		}
		for _, a := range c.Agents {
			all[a.ID] = a
		}
		f.cursor = c.Next
		if !c.More {
			return all
		}
	}
	t.Fatal("the feed never comes to its end")
	return nil
}

func testFeedOfEachChange(t *testing.T, s control.Store) {
	ctx := t.Context()
	enrolled(t, s, newAgent("a1", ""), newAgent("a2", ""))
	f := newFeed(t, s)
	connect := control.Connect{ID: "a1", Counter: 1, Session: "s1", Node: "c1", Time: base}
	for _, step := range []struct {
		name   string
		id     string
		change func() error
	}{
		{"enrolment", "a3", func() error {
			a := newAgent("a3", "setup")
			_, _, err := s.Enrol(ctx, a, 10)
			return err
		}},
		{"tags", "a1", func() error { _, err := s.UpdateAgent(ctx, "a1", map[string]string{"site": "x"}, nil); return err }},
		{"targets", "a1", func() error { _, err := s.UpdateAgent(ctx, "a1", nil, []string{"t"}); return err }},
		{"certificate", "a1", func() error { return s.SetCertificateEnd(ctx, "a1", base.Add(90*24*time.Hour)) }},
		{"copy", "a1", func() error { return s.MarkCloned(ctx, "a1", base.Add(time.Hour)) }},
		{"connect", "a1", func() error { _, err := s.SaveConnects(ctx, []control.Connect{connect}); return err }},
		{"end of a session", "a1", func() error { return s.SaveClosed(ctx, []control.Closed{{ID: "a1", Session: "s1"}}) }},
		{"revocation", "a1", func() error { return s.RevokeAgent(ctx, "a1", base.Add(time.Hour)) }},
	} {
		must(t, step.change())
		got, ok := f.read(t, 10)[step.id]
		if !ok {
			t.Errorf("%s: the agent is not in the feed", step.name)
			continue
		}
		sameAgent(t, got, agent(t, s, step.id))
	}
	f.read(t, 10)
	must(t, s.SaveSeen(ctx, []control.Seen{{ID: "a2", Confirmed: 1, LastAck: base, SkewMS: 5}}))
	if _, ok := f.read(t, 10)["a2"]; ok {
		t.Error("an acknowledgement is in the feed")
	}
}

func testFeedPages(t *testing.T, s control.Store) {
	var all []control.Agent
	for i := range 10 {
		all = append(all, newAgent(fmt.Sprintf("a%02d", i), ""))
	}
	f := newFeed(t, s)
	enrolled(t, s, all...)
	if got := f.read(t, 3); len(got) != 10 {
		t.Errorf("%d agents on pages of 3, want 10", len(got))
	}
	// Changed in one transaction, and more than a page.
	var connects []control.Connect
	for _, a := range all {
		connects = append(connects, control.Connect{ID: a.ID, Counter: 1, Session: "s" + a.ID, Time: base})
	}
	saveConnects(t, s, nil, connects...)
	for id, a := range f.read(t, 3) {
		if a.Session != "s"+id {
			t.Errorf("agent %s comes with session %q", id, a.Session)
		}
	}
	first := newFeed(t, s)
	for i := range 10 { // each change moves the agents behind the cursor again
		_, err := s.UpdateAgent(t.Context(), all[i].ID, map[string]string{"n": "1"}, nil)
		must(t, err)
	}
	page, err := s.AgentChanges(t.Context(), first.cursor, 4)
	must(t, err)
	_, err = s.UpdateAgent(t.Context(), all[0].ID, map[string]string{"n": "2"}, nil)
	must(t, err)
	first.cursor = page.Next
	got := first.read(t, 4)
	if got[all[0].ID].Tags["n"] != "2" {
		t.Errorf("a change between two pages is missed: %v", got[all[0].ID].Tags)
	}
	for _, a := range page.Agents {
		got[a.ID] = a
	}
	if len(got) != 10 {
		t.Errorf("%d agents on all pages, want 10", len(got))
	}
}

// Deleting the agent that changed last hides no later change.
func testFeedAfterDeletion(t *testing.T, s control.Store) {
	old, kept := newAgent("old", ""), newAgent("kept", "")
	old.CertificateEnd = base
	enrolled(t, s, kept, old)
	f := newFeed(t, s)
	ids, err := s.PurgeAgents(t.Context(), base.Add(time.Hour), 10)
	must(t, err)
	if !slices.Equal(ids, []string{"old"}) {
		t.Fatalf("deleted %q", ids)
	}
	last := newAgent("last", "setup")
	last.CertificateEnd = base
	_, _, err = s.Enrol(t.Context(), last, 10)
	must(t, err)
	if _, ok := f.read(t, 10)["last"]; !ok {
		t.Error("an enrolment after a deletion is missed")
	}
	_, err = s.PurgeAgents(t.Context(), base.Add(time.Hour), 10)
	must(t, err)
	must(t, s.RevokeAgent(t.Context(), "kept", base))
	if got := f.read(t, 10); got["kept"].Revoked.IsZero() {
		t.Errorf("the change after a deletion is missed: %v", got)
	}
}

func testFeedCursors(t *testing.T, s control.Store) {
	enrolled(t, s, newAgent("a1", ""))
	for _, cursor := range []string{"nonsense", "-", "\x00", "99999999999999999999999999"} {
		_, err := s.AgentChanges(t.Context(), cursor, 10)
		wantErr(t, err, control.ErrCursorLost)
	}
	f := newFeed(t, s)
	again := *f
	must(t, s.RevokeAgent(t.Context(), "a1", base))
	for _, reader := range []*feed{f, &again} { // a page read again, because its answer was lost
		if got := reader.read(t, 10); got["a1"].Revoked.IsZero() {
			t.Errorf("the feed from an older cursor: %v", got)
		}
	}
}

// While many write, in transactions of different length, a reader that polls all
// the time has seen the last change of every agent when it has read to the end,
// and so has one that started with a scan in between.
func testFeedBesideWriters(t *testing.T, s control.Store) {
	const agents, writers, rounds = 12, 6, 15
	var all []control.Agent
	for i := range agents {
		all = append(all, newAgent(fmt.Sprintf("a%02d", i), ""))
	}
	enrolled(t, s, all...)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for round := range rounds {
				if err := changeAgents(t, s, all, w, round); err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { group.Wait(); close(over) }()
	known := []map[string]control.Agent{{}, {}}
	feeds := []*feed{newFeed(t, s), nil}
	for last, step := false, 0; !last; step++ {
		select {
		case <-over:
			last = true
		default:
		}
		if feeds[1] == nil && (last || step == 2) {
			feeds[1] = newFeed(t, s)
			scanned, err := s.ScanAgents(t.Context(), "", 100)
			must(t, err)
			for _, a := range scanned {
				known[1][a.ID] = a
			}
		}
		for i, f := range feeds {
			if f != nil {
				for id, a := range f.read(t, 5) {
					known[i][id] = a
				}
			}
		}
	}
	for i := range feeds {
		for _, a := range all {
			sameAgent(t, known[i][a.ID], agent(t, s, a.ID))
		}
	}
}

// changeAgents makes one change of several agents: by a connect of half of them in
// one transaction, or by tags of one.
func changeAgents(t *testing.T, s control.Store, all []control.Agent, w, round int) error {
	if round%2 == 0 {
		_, err := s.UpdateAgent(t.Context(), all[(w+round)%len(all)].ID, map[string]string{"by": fmt.Sprint(w, round)}, nil)
		return err
	}
	var connects []control.Connect
	for i := w % 2; i < len(all); i += 2 {
		a, err := s.Agent(t.Context(), all[i].ID)
		if err != nil {
			return err
		}
		connects = append(connects, control.Connect{ID: a.ID, Counter: a.Counter + 1, Session: fmt.Sprint(w, round, i), After: a.Session, Time: base})
	}
	_, err := s.SaveConnects(t.Context(), connects)
	return err
}
