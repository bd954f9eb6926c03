package dbtest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/control"
)

// saveConnects stores connects of which those of the sessions, in their order, must
// be refused.
func saveConnects(t *testing.T, s control.Store, refused []string, connects ...control.Connect) {
	t.Helper()
	got, err := s.SaveConnects(t.Context(), connects)
	must(t, err)
	slices.Sort(got)
	if !slices.Equal(got, refused) {
		t.Errorf("refused sessions %q, want %q", got, refused)
	}
}

func testSaveConnects(t *testing.T, s control.Store) {
	want := newAgent("a1", "setup")
	enrolled(t, s, want, newAgent("a2", "setup"), newAgent("revoked", "setup"))
	must(t, s.RevokeAgent(t.Context(), "revoked", base))
	first := control.Connect{
		ID: "a1", Counter: 1 << 62, Time: base.Add(time.Hour), Session: "s1", Node: "c1/x",
		HostName: "renamed", HostID: "m2", OSDescription: "Debian 13", Arch: "arm64", Version: "1.1",
	}
	stale := first
	stale.Session, stale.HostName = "s2", "of one that read the row before"
	saveConnects(t, s, []string{"s0", "s4"}, control.Connect{ID: "nobody", Counter: 3, Session: "s0"}, first,
		control.Connect{ID: "revoked", Counter: 1, Session: "s4"})
	saveConnects(t, s, []string{"s2"}, stale)
	saveConnects(t, s, nil)
	want.Counter, want.Connected, want.HostName, want.HostID = first.Counter, first.Time, first.HostName, first.HostID
	want.OSDescription, want.Arch, want.Version = first.OSDescription, first.Arch, first.Version
	want.Session, want.Node = "s1", "c1/x"
	saveConnects(t, s, nil, first) // a write that is tried again
	sameAgent(t, agent(t, s, "a1"), want)
	sameAgent(t, agent(t, s, "a2"), newAgent("a2", "setup"))

	// The same counter again, because a welcome was lost, and a lower one, as the
	// database was restored: who read the row as it is decides.
	for i, counter := range []uint64{first.Counter, 7} {
		next := first
		next.Counter, next.Session, next.After, next.Node = counter, fmt.Sprintf("next %d", i), want.Session, "c2/y"
		saveConnects(t, s, nil, next)
		want.Counter, want.Session, want.Node = counter, next.Session, next.Node
		sameAgent(t, agent(t, s, "a1"), want)
	}
	saveConnects(t, s, []string{"s1"}, first) // too late: others came after
	sameAgent(t, agent(t, s, "a1"), want)
}

// Of connects at the same time that were worked out from the same row, one is
// stored, round after round, and nobody is told otherwise.
func testConnectsThatRace(t *testing.T, s control.Store) {
	const racers, rounds = 4, 10
	ids := []string{"a1", "a2", "a3"}
	enrolled(t, s, newAgent("a1", ""), newAgent("a2", ""), newAgent("a3", ""))
	after := make(map[string]string)
	for round := range rounds {
		var mu sync.Mutex
		won := make(map[string][]string)
		var group sync.WaitGroup
		for racer := range racers {
			group.Go(func() {
				var all []control.Connect
				for i := range ids { // each in an order of its own: no deadlock
					id := ids[(i+racer)%len(ids)]
					all = append(all, control.Connect{ID: id, Counter: uint64(round + 1), Session: fmt.Sprintf("%s %d %d", id, round, racer), After: after[id], Time: base})
				}
				refused, err := s.SaveConnects(t.Context(), all)
				if err != nil {
					t.Errorf("racer %d: %v", racer, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for _, c := range all {
					if !slices.Contains(refused, c.Session) {
						won[c.ID] = append(won[c.ID], c.Session)
					}
				}
			})
		}
		group.Wait()
		for _, id := range ids {
			if len(won[id]) != 1 || agent(t, s, id).Session != won[id][0] {
				t.Fatalf("round %d: stored %q, said to be stored: %q", round, agent(t, s, id).Session, won[id])
			}
			after[id] = won[id][0]
		}
	}
}

func testSaveClosed(t *testing.T, s control.Store) {
	enrolled(t, s, newAgent("a1", ""), newAgent("a2", ""))
	saveConnects(t, s, nil, control.Connect{ID: "a1", Counter: 1, Session: "s1", Node: "c1"}, control.Connect{ID: "a2", Counter: 1, Session: "s2", Node: "c1"})
	must(t, s.SaveClosed(t.Context(), []control.Closed{{ID: "a1", Session: "s1"}, {ID: "a2", Session: "an older one"}}))
	must(t, s.SaveClosed(t.Context(), nil))
	if a := agent(t, s, "a1"); a.Node != "" || a.Session != "s1" || a.Counter != 1 {
		t.Errorf("closed: node %q, session %q, counter %d; want none, s1 and 1", a.Node, a.Session, a.Counter)
	}
	if a := agent(t, s, "a2"); a.Node != "c1" {
		t.Errorf("an older session's end closed the newer one: node %q", a.Node)
	}
}
