package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	"github.com/esolutions/esmon/services/fault"
)

// clonedShown is how long after a copy was last refused an agent is shown as
// cloned. A copy tries again all the time; when it enrolled anew the mark goes.
const clonedShown = time.Hour

// Agents shows and changes the registry.
type Agents struct {
	agentsv1.UnimplementedAgentsServiceServer
	r *Registry
}

// AgentsService returns the gRPC service of agents, for operators.
func (r *Registry) AgentsService() *Agents { return &Agents{r: r} }

// ListAgents lists the agents by host name.
func (s *Agents) ListAgents(ctx context.Context, req *agentsv1.ListAgentsRequest) (*agentsv1.ListAgentsResponse, error) {
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	if err := checkText(field{"host_name_contains", req.GetHostNameContains(), maxHostName}); err != nil {
		return nil, err
	}
	page := AgentPage{Contains: req.GetHostNameContains(), Limit: size + 1}
	if token := req.GetPageToken(); token != "" {
		if page.AfterHost, page.AfterID, err = parseAgentCursor(token); err != nil {
			return nil, err
		}
	}
	list, total, err := s.r.store.ListAgents(ctx, page)
	if err != nil {
		return nil, fmt.Errorf("list agents: %w", err)
	}
	res := &agentsv1.ListAgentsResponse{TotalSize: total}
	if len(list) > size {
		list = list[:size]
		res.NextPageToken = agentCursor(&list[size-1])
	}
	for i := range list {
		res.Agents = append(res.Agents, s.r.message(list[i]))
	}
	return res, nil
}

// GetAgent returns one agent.
func (s *Agents) GetAgent(ctx context.Context, req *agentsv1.GetAgentRequest) (*agentsv1.GetAgentResponse, error) {
	e, err := s.r.lookup(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return &agentsv1.GetAgentResponse{Agent: s.r.entryMessage(e)}, nil
}

// UpdateAgent replaces the operator's tags and targets. An open stream goes on
// with the new ones.
func (s *Agents) UpdateAgent(ctx context.Context, req *agentsv1.UpdateAgentRequest) (*agentsv1.UpdateAgentResponse, error) {
	if err := errors.Join(checkTags(req.GetTags()), checkTargets(req.GetTargets())); err != nil {
		return nil, err
	}
	e, err := s.r.lookup(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	if err := s.r.update(ctx, e, req); err != nil {
		return nil, err
	}
	s.r.log.InfoContext(ctx, "agent updated", "agent", e.id, "tags", len(req.GetTags()), "targets", len(req.GetTargets()))
	return &agentsv1.UpdateAgentResponse{Agent: s.r.entryMessage(e)}, nil
}

// update stores tags and targets and then shows them to the open session. Memory
// and database change under one lock, so that of two updates the same one wins in
// both.
func (r *Registry) update(ctx context.Context, e *entry, req *agentsv1.UpdateAgentRequest) error {
	e.updating.Lock()
	defer e.updating.Unlock()
	stored, err := r.store.UpdateAgent(ctx, e.id, req.GetTags(), slices.Clone(req.GetTargets()))
	if errors.Is(err, ErrNotFound) {
		return forgotten(e)
	}
	if err != nil {
		return fmt.Errorf("update agent %s: %w", e.id, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rec.Tags, e.rec.Targets = stored.Tags, stored.Targets
	e.facts.Store(factsOf(&e.rec))
	if e.session != nil {
		select {
		case e.session.changed <- struct{}{}:
		default: // a notice waits already
		}
	}
	return nil
}

// forgotten returns the fault of an agent that is still in memory, but was
// removed from the store.
func forgotten(e *entry) error {
	return fault.New(fault.NotFound, "agent_unknown", "agent %s is no longer in the registry, its certificate ended long ago: `esmon agents` lists those that are", e.id)
}

// RevokeAgent ends an agent's identity: its stream at once, and every later
// handshake and call.
func (s *Agents) RevokeAgent(ctx context.Context, req *agentsv1.RevokeAgentRequest) (*agentsv1.RevokeAgentResponse, error) {
	e, err := s.r.lookup(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	now := s.r.now().Truncate(time.Millisecond)
	err = s.r.store.RevokeAgent(ctx, e.id, now)
	if errors.Is(err, ErrNotFound) {
		return nil, forgotten(e)
	}
	if err != nil {
		return nil, fmt.Errorf("revoke agent %s: %w", e.id, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rec.Revoked.IsZero() {
		e.rec.Revoked = now
	}
	if e.session != nil {
		e.session.finish(e.revokedLocked())
	}
	s.r.log.InfoContext(ctx, "agent revoked", "agent", e.id, "host_name", e.rec.HostName)
	return &agentsv1.RevokeAgentResponse{}, nil
}

// message returns a stored agent as the API shows it, with what memory knows
// better.
func (r *Registry) message(a Agent) *agentsv1.Agent {
	r.mu.RLock()
	e, ok := r.agents[a.ID]
	r.mu.RUnlock()
	if !ok {
		return agentMessage(&a, false, r.now())
	}
	return r.entryMessage(e)
}

func (r *Registry) entryMessage(e *entry) *agentsv1.Agent {
	a, connected := e.snapshot()
	return agentMessage(&a, connected, r.now())
}

func agentMessage(a *Agent, connected bool, now time.Time) *agentsv1.Agent {
	return &agentsv1.Agent{
		Id: a.ID, HostName: a.HostName, HostId: a.HostID, OsType: a.OSType, OsDescription: a.OSDescription,
		Arch: a.Arch, AgentVersion: a.Version, Tags: a.Tags, Targets: a.Targets,
		State: stateOf(a, connected, now), EnrolTime: timestamp(a.Enrolled), LastAckTime: timestamp(a.LastAck),
		ClockSkewMs: a.SkewMS, CertificateExpireTime: timestamp(a.CertificateEnd),
	}
}

func stateOf(a *Agent, connected bool, now time.Time) agentsv1.AgentState {
	switch {
	case !a.Revoked.IsZero():
		return agentsv1.AgentState_AGENT_STATE_REVOKED
	case !a.Cloned.IsZero() && now.Sub(a.Cloned) < clonedShown:
		return agentsv1.AgentState_AGENT_STATE_CLONED
	case connected:
		return agentsv1.AgentState_AGENT_STATE_CONNECTED
	case a.Connected.IsZero():
		return agentsv1.AgentState_AGENT_STATE_ENROLLED
	}
	return agentsv1.AgentState_AGENT_STATE_DISCONNECTED
}

// stateName returns the state as metrics label it.
func stateName(s agentsv1.AgentState) string {
	switch s {
	case agentsv1.AgentState_AGENT_STATE_REVOKED:
		return "revoked"
	case agentsv1.AgentState_AGENT_STATE_CLONED:
		return "cloned"
	case agentsv1.AgentState_AGENT_STATE_CONNECTED:
		return "connected"
	case agentsv1.AgentState_AGENT_STATE_ENROLLED:
		return "enrolled"
	}
	return "disconnected"
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
