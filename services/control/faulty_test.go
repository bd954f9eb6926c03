package control_test

import (
	"context"
	"errors"
	"sync"

	"github.com/esolutions/esmon/services/control"
)

// faultyStore is the real store with a switch: fail, if set, is asked before each
// of the methods below, and is told how many rows the call is about.
type faultyStore struct {
	control.Store
	mu   sync.Mutex
	fail func(method string, rows int) error
	hung bool // writes of connects wait for the end of their context
}

func (s *faultyStore) hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hung = true
}

func (s *faultyStore) hangs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hung
}

func (s *faultyStore) set(fail func(method string, rows int) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func (s *faultyStore) ask(method string, rows int) error {
	s.mu.Lock()
	fail := s.fail
	s.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(method, rows)
}

func (s *faultyStore) Agent(ctx context.Context, id string) (control.Agent, error) {
	if err := s.ask("Agent", 1); err != nil {
		return control.Agent{}, err
	}
	return s.Store.Agent(ctx, id)
}

func (s *faultyStore) Enrol(ctx context.Context, a control.Agent, limit int) (control.Agent, bool, error) {
	stored, again, err := s.Store.Enrol(ctx, a, limit)
	if failed := s.ask("Enrol", 1); failed != nil { // its worst time: after the commit
		return control.Agent{}, false, failed
	}
	return stored, again, err
}

func (s *faultyStore) UpdateAgent(ctx context.Context, id string, tags map[string]string, targets []string) (control.Agent, error) {
	if err := s.ask("UpdateAgent", 1); err != nil {
		return control.Agent{}, err
	}
	a, err := s.Store.UpdateAgent(ctx, id, tags, targets)
	return a, errors.Join(err, s.ask("UpdateAgent done", 1))
}

func (s *faultyStore) SaveConnects(ctx context.Context, connects []control.Connect) ([]string, error) {
	if s.hangs() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := s.ask("SaveConnects", len(connects)); err != nil {
		return nil, err
	}
	refused, err := s.Store.SaveConnects(ctx, connects)
	if failed := s.ask("SaveConnects done", len(connects)); failed != nil {
		return nil, failed
	}
	return refused, err
}

func (s *faultyStore) SaveClosed(ctx context.Context, closed []control.Closed) error {
	if err := s.ask("SaveClosed", len(closed)); err != nil {
		return err
	}
	return s.Store.SaveClosed(ctx, closed)
}

func (s *faultyStore) AgentChanges(ctx context.Context, cursor string, limit int) (control.AgentChanges, error) {
	if err := s.ask("AgentChanges", 0); err != nil {
		return control.AgentChanges{}, err
	}
	page, err := s.Store.AgentChanges(ctx, cursor, limit)
	return page, errors.Join(err, s.ask("AgentChanges done", len(page.Agents)))
}

func (s *faultyStore) ScanAgents(ctx context.Context, after string, limit int) ([]control.Agent, error) {
	page, err := s.Store.ScanAgents(ctx, after, limit)
	return page, errors.Join(err, s.ask("ScanAgents done", len(page)))
}

func (s *faultyStore) SaveSeen(ctx context.Context, seen []control.Seen) error {
	if err := s.ask("SaveSeen", len(seen)); err != nil {
		return err
	}
	return s.Store.SaveSeen(ctx, seen)
}
