package control

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
)

// Each connect is a durable write; an agent in a tight loop must not take the
// database from the others.
const (
	connectBurst = 60
	connectPause = 500 * time.Millisecond
)

// clonedEvery bounds how often the mark of a copied identity is written.
const clonedEvery = time.Minute

// Connect opens the session of a stream whose certificate names the agent. An
// older session of the agent is superseded: the newest stream wins. The counter
// is durable when Connect returns. Refusals are faults: identity_revoked,
// identity_cloned, agent_unknown, connects_too_often, stream_over,
// connect_overtaken, registry_unavailable, or what is wrong with the hello.
func (r *Registry) Connect(ctx context.Context, agentID string, hello *ingestv1.Hello) (*Session, error) {
	s, err := r.connect(ctx, agentID, hello)
	if err != nil {
		r.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	}
	return s, err
}

func (r *Registry) connect(ctx context.Context, agentID string, hello *ingestv1.Hello) (*Session, error) {
	if err := checkHello(hello); err != nil {
		return nil, err
	}
	e, err := r.lookup(ctx, agentID)
	if err != nil {
		return nil, err
	}
	e.connecting.Lock()
	defer e.connecting.Unlock()
	// One that was given up while it waited must neither displace the stream that
	// replaced it nor pass for a copy.
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "stream_over", "the stream ended before its session was opened: connect again")
	}
	if r.shared != nil || e.unsure {
		if err := r.rereadForConnect(ctx, e); err != nil {
			return nil, err
		}
	}
	next, after, err := e.admit(hello)
	if err != nil {
		r.noteCopy(ctx, e, err)
		return nil, err
	}
	// Only what is written counts: a copy that is refused in a loop keeps nobody out.
	if !e.pace.AllowN(r.now(), 1) {
		return nil, fault.New(fault.Exhausted, "connects_too_often", "agent %s opens streams more often than every %s: let it wait between attempts; if two hosts share the id, enrol one anew", e.id, connectPause)
	}
	s := &Session{
		r: r, e: e, id: rand.Text(), counter: next, end: certificateEnd(ctx),
		changed: make(chan struct{}, 1), over: make(chan struct{}),
	}
	c := e.connectRecord(hello, s, after, r.now())
	if r.shared != nil {
		c.Node = r.shared.instance
	}
	if err := r.saveConnect(ctx, e, c); err != nil {
		return nil, err
	}
	if err := e.open(s, c); err != nil {
		r.noteClosed(c.ID, c.Session)
		return nil, err
	}
	r.metrics.connects.Inc()
	return s, nil
}

// rereadForConnect reads the agent's row before a connect. e.connecting is held.
func (r *Registry) rereadForConnect(ctx context.Context, e *entry) error {
	err := r.reread(ctx, e)
	if errors.Is(err, ErrNotFound) {
		return forgotten(e)
	}
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "registry_unavailable", "the registry of agents cannot be read right now: connect again")
	}
	return nil
}

// saveConnect makes the connect durable. It fails if the row is another one than
// the connect was worked out from. e.connecting is held.
func (r *Registry) saveConnect(ctx context.Context, e *entry, c Connect) error {
	stored, err := r.connects.add(ctx, c)
	e.unsure = err != nil || !stored
	switch {
	case err != nil:
		r.noteClosed(c.ID, c.Session) // it may be stored all the same
		return fault.Wrap(err, fault.Unavailable, "registry_unavailable", "the registry of agents cannot store the connect right now: connect again")
	case stored:
		return nil
	}
	if err := r.rereadForConnect(ctx, e); err != nil {
		return err
	}
	if err := e.revoked(); err != nil {
		return err
	}
	return fault.New(fault.Unavailable, "connect_overtaken", "another stream of agent %s was opened at the same moment, at another collector: connect again; if that goes on, two hosts share the id, so enrol one anew", e.id)
}

func checkHello(h *ingestv1.Hello) error {
	host := h.GetHost()
	return checkText(
		field{"host_name", host.GetHostName(), maxHostName},
		field{"host_id", host.GetHostId(), maxHostID},
		field{"os_type", host.GetOsType(), maxWord},
		field{"os_description", host.GetOsDescription(), maxText},
		field{"arch", host.GetArch(), maxWord},
		field{"agent_version", h.GetAgentVersion(), maxWord},
	)
}

// admit decides whether the hello may open a session, with which counter, and after
// which session.
func (e *entry) admit(hello *ingestv1.Hello) (next uint64, after string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.revokedLocked(); err != nil {
		return 0, "", err
	}
	if id := hello.GetHost().GetHostId(); id != "" && e.rec.HostID != "" && id != e.rec.HostID {
		return 0, "", fault.New(fault.Denied, "identity_cloned", "agent %s was enrolled on the machine with id %s, this one is %s: its identity was copied, or the machine id was changed; enrol this host anew (esmon token create, esmon-agent enroll)",
			e.id, clip(e.rec.HostID), clip(id))
	}
	got := hello.GetConnectCounter()
	next, ok := nextCounter(e.rec.Counter, e.confirmed.Load(), got)
	if !ok {
		return 0, "", fault.New(fault.Denied, "identity_cloned", "agent %s comes with connect counter %d, but %d was given out: its identity was copied (a cloned machine?) or its state directory was put back; enrol this host anew (esmon token create, esmon-agent enroll)",
			e.id, got, e.rec.Counter)
	}
	return next, e.rec.Session, nil
}

// noteCopy marks the identity if the refusal was because of a copy.
func (r *Registry) noteCopy(ctx context.Context, e *entry, refusal error) {
	if fault.ReasonOf(refusal) != "identity_cloned" {
		return
	}
	now := r.now().Truncate(time.Millisecond)
	e.mu.Lock()
	known := now.Sub(e.rec.Cloned) < clonedEvery
	if !known {
		e.rec.Cloned = now
	}
	host := e.rec.HostName
	e.mu.Unlock()
	if known {
		return
	}
	r.log.WarnContext(ctx, "copied identity refused", "agent", e.id, "host_name", host, "error", refusal)
	if err := r.store.MarkCloned(ctx, e.id, now); err != nil {
		r.log.ErrorContext(ctx, "marking a copied identity failed", "agent", e.id, "error", err)
	}
}

// connectRecord returns what is stored of a connect. The machine id stays that of
// enrolment: it is a label of the agent's data, and a stolen certificate must not
// write another host's series.
func (e *entry) connectRecord(hello *ingestv1.Hello, s *Session, after string, now time.Time) Connect {
	e.mu.Lock()
	defer e.mu.Unlock()
	host := hello.GetHost()
	return Connect{
		ID: e.id, Counter: s.counter, Time: now.Truncate(time.Millisecond), Session: s.id, After: after,
		HostName:      or(host.GetHostName(), e.rec.HostName),
		HostID:        or(e.rec.HostID, host.GetHostId()),
		OSDescription: or(host.GetOsDescription(), e.rec.OSDescription),
		Arch:          or(host.GetArch(), e.rec.Arch),
		Version:       or(hello.GetAgentVersion(), e.rec.Version),
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// open makes s the agent's session, unless the agent was revoked meanwhile.
func (e *entry) open(s *Session, c Connect) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := &e.rec
	a.Counter, a.Connected, a.Session, a.Node = c.Counter, c.Time, c.Session, c.Node
	a.HostName, a.HostID, a.OSDescription, a.Arch, a.Version = c.HostName, c.HostID, c.OSDescription, c.Arch, c.Version
	e.facts.Store(factsOf(a))
	if err := e.revokedLocked(); err != nil {
		return err
	}
	if e.session != nil {
		e.session.finish(e.superseded())
	}
	e.session = s
	return nil
}
