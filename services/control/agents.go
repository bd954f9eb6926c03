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
		res.Agents = append(res.Agents, agentMessage(s.r.viewOf(list[i]), s.r.now()))
	}
	return res, nil
}

// GetAgent returns one agent.
func (s *Agents) GetAgent(ctx context.Context, req *agentsv1.GetAgentRequest) (*agentsv1.GetAgentResponse, error) {
	v, err := s.r.look(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return &agentsv1.GetAgentResponse{Agent: agentMessage(v, s.r.now())}, nil
}

// look returns the agent as it is now: alone from memory, with others from its row,
// as only that has the acknowledgements that other collectors gave.
func (r *Registry) look(ctx context.Context, id string) (view, error) {
	if r.shared != nil {
		a, err := r.read(ctx, id)
		return r.viewOf(a), err
	}
	e, err := r.lookup(ctx, id)
	if err != nil {
		return view{}, err
	}
	return r.view(e), nil
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
	stored, err := s.r.update(ctx, e, req)
	if err != nil {
		return nil, err
	}
	s.r.log.InfoContext(ctx, "agent updated", "agent", e.id, "tags", len(req.GetTags()), "targets", len(req.GetTargets()))
	return &agentsv1.UpdateAgentResponse{Agent: agentMessage(s.r.viewOf(stored), s.r.now())}, nil
}

// update stores tags and targets and then shows them to the open session. Memory
// and database change under one lock, so that of two updates the same one wins in
// both.
func (r *Registry) update(ctx context.Context, e *entry, req *agentsv1.UpdateAgentRequest) (Agent, error) {
	e.updating.Lock()
	defer e.updating.Unlock()
	stored, err := r.store.UpdateAgent(ctx, e.id, req.GetTags(), slices.Clone(req.GetTargets()))
	if errors.Is(err, ErrNotFound) {
		return stored, forgotten(e)
	}
	if err != nil {
		return stored, fmt.Errorf("update agent %s: %w", e.id, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	// Nothing else of the row: a connect may be between its write and its session.
	e.rec.Tags, e.rec.Targets = stored.Tags, stored.Targets
	e.relabelLocked()
	return stored, nil
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

func agentMessage(v view, now time.Time) *agentsv1.Agent {
	return &agentsv1.Agent{
		Id: v.ID, HostName: v.HostName, HostId: v.HostID, OsType: v.OSType, OsDescription: v.OSDescription,
		Arch: v.Arch, AgentVersion: v.Version, Tags: v.Tags, Targets: v.Targets,
		State: stateOf(v, now), EnrolTime: timestamp(v.Enrolled), LastAckTime: timestamp(v.LastAck),
		ClockSkewMs: v.SkewMS, CertificateExpireTime: timestamp(v.CertificateEnd), Collector: v.collector,
	}
}

func stateOf(a view, now time.Time) agentsv1.AgentState {
	switch {
	case !a.Revoked.IsZero():
		return agentsv1.AgentState_AGENT_STATE_REVOKED
	case !a.Cloned.IsZero() && now.Sub(a.Cloned) < clonedShown:
		return agentsv1.AgentState_AGENT_STATE_CLONED
	case a.connected:
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
