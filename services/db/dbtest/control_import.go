package dbtest

import (
	"context"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/control"
)

// Importer is a registry that takes what another one held.
type Importer interface {
	control.Store
	// Import stores tokens and agents with all that is known of them. What is there
	// already stays as it is.
	Import(ctx context.Context, tokens []control.Token, agents []control.Agent) error
}

// RunImport checks that a registry takes over what another one held. open returns an
// empty store that is closed when the test ends.
func RunImport(t *testing.T, open func(t *testing.T) Importer) {
	t.Run("RoundTrip", func(t *testing.T) { t.Parallel(); testImport(t, open(t)) })
	t.Run("WhatIsThereStays", func(t *testing.T) { t.Parallel(); testImportAgain(t, open(t)) })
	t.Run("CancelledCallChangesNothing", func(t *testing.T) { t.Parallel(); testImportCancelled(t, open(t)) })
}

// usedToken and usedAgent are ones of which everything is known.
func usedToken(id string) control.Token {
	tok := newToken(id, 7)
	tok.Used, tok.Revoked = 3, base.Add(time.Minute)
	return tok
}

func usedAgent(id string) control.Agent {
	a := newAgent(id, "k")
	a.OSDescription, a.Version = "Debian «12»", "1.2.3"
	a.Tags, a.Targets = map[string]string{"site": "Köln", "a": "\"b\""}, []string{"z", "a"}
	a.Revoked, a.Cloned = base.Add(time.Second), base.Add(2*time.Second)
	a.Counter, a.Confirmed = 1<<40, 1<<39
	a.Connected, a.LastAck, a.SkewMS = base.Add(3*time.Second), base.Add(4*time.Second), -5
	a.Session, a.Node = "session of "+id, "host/1"
	return a
}

func testImport(t *testing.T, s Importer) {
	must(t, s.Import(t.Context(), nil, nil))
	cursor, err := s.AgentChanges(t.Context(), "", 10)
	must(t, err)
	tokens, agents := []control.Token{usedToken("k"), newToken("l", 1)}, []control.Agent{usedAgent("a"), newAgent("b", "none")}
	must(t, s.Import(t.Context(), tokens, nil))
	must(t, s.Import(t.Context(), nil, agents))
	for _, want := range tokens {
		got, err := s.Token(t.Context(), want.ID)
		must(t, err)
		sameToken(t, got, want)
	}
	for _, want := range agents {
		got, err := s.Agent(t.Context(), want.ID)
		must(t, err)
		sameAgent(t, got, want)
	}
	changes, err := s.AgentChanges(t.Context(), cursor.Next, 10)
	must(t, err)
	if len(changes.Agents) != len(agents) {
		t.Errorf("the feed shows %d agents, want %d", len(changes.Agents), len(agents))
	}
}

func testImportAgain(t *testing.T, s Importer) {
	must(t, s.Import(t.Context(), []control.Token{usedToken("k")}, []control.Agent{usedAgent("a")}))
	other, agent := newToken("k", 99), newAgent("a", "k")
	twin := usedAgent("twin") // of the same token and key as the first
	twin.KeyHash = usedAgent("a").KeyHash
	must(t, s.Import(t.Context(), []control.Token{other, newToken("l", 1)}, []control.Agent{agent, twin, newAgent("b", "k")}))
	tok, err := s.Token(t.Context(), "k")
	must(t, err)
	sameToken(t, tok, usedToken("k"))
	got, err := s.Agent(t.Context(), "a")
	must(t, err)
	sameAgent(t, got, usedAgent("a"))
	all, err := s.ScanAgents(t.Context(), "", 10)
	must(t, err)
	if len(all) != 2 || all[1].ID != "b" {
		t.Errorf("agents %+v, want a and b", all)
	}
	if _, err := s.Token(t.Context(), "l"); err != nil {
		t.Errorf("the new token: %v", err)
	}
}

func testImportCancelled(t *testing.T, s Importer) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Import(ctx, []control.Token{newToken("k", 1)}, []control.Agent{newAgent("a", "k")}); err == nil {
		t.Error("a cancelled import succeeds")
	}
	all, err := s.ScanAgents(t.Context(), "", 10)
	must(t, err)
	if len(all) > 0 {
		t.Errorf("it left %+v", all)
	}
}

// sameToken compares moments, not time zones.
func sameToken(t *testing.T, got, want control.Token) {
	t.Helper()
	for _, tok := range []*control.Token{&got, &want} {
		for _, m := range []*time.Time{&tok.Created, &tok.Expires, &tok.Revoked} {
			*m = m.UTC()
		}
	}
	same(t, "token", got, want)
}
