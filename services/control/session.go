package control

import (
	"context"
	"sync/atomic"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

// Session is one open stream of an agent. Its methods may be called from many
// goroutines.
type Session struct {
	r       *Registry
	e       *entry
	counter uint64
	end     time.Time // of the certificate the stream was opened with; zero if unknown

	changed chan struct{} // holds at most one notice
	over    chan struct{} // closed when the session has lost its right to go on
	cause   error         // why; written before over is closed
	isOver  atomic.Bool
}

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
// registry_unavailable, or what is wrong with the hello.
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
	next, err := e.admit(hello)
	if err != nil {
		r.noteCopy(ctx, e, err)
		return nil, err
	}
	// Only what is written counts: a copy that is refused in a loop keeps nobody out.
	if !e.pace.AllowN(r.now(), 1) {
		return nil, fault.New(fault.Exhausted, "connects_too_often", "agent %s opens streams more often than every %s: let it wait between attempts; if two hosts share the id, enrol one anew", e.id, connectPause)
	}
	c := e.connectRecord(hello, next, r.now())
	if err := r.connects.add(ctx, c); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "registry_unavailable", "the registry of agents cannot store the connect right now: connect again")
	}
	s := &Session{r: r, e: e, counter: next, end: certificateEnd(ctx), changed: make(chan struct{}, 1), over: make(chan struct{})}
	if err := e.open(s, c); err != nil {
		return nil, err
	}
	r.metrics.connects.Inc()
	return s, nil
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

// admit decides whether the hello may open a session, and with which counter.
func (e *entry) admit(hello *ingestv1.Hello) (uint64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.revokedLocked(); err != nil {
		return 0, err
	}
	if id := hello.GetHost().GetHostId(); id != "" && e.rec.HostID != "" && id != e.rec.HostID {
		return 0, fault.New(fault.Denied, "identity_cloned", "agent %s was enrolled on the machine with id %s, this one is %s: its identity was copied, or the machine id was changed; enrol this host anew (esmon token create, esmon-agent enroll)",
			e.id, clip(e.rec.HostID), clip(id))
	}
	got := hello.GetConnectCounter()
	next, ok := nextCounter(e.rec.Counter, e.confirmed.Load(), got)
	if !ok {
		return 0, fault.New(fault.Denied, "identity_cloned", "agent %s comes with connect counter %d, but %d was given out: its identity was copied (a cloned machine?) or its state directory was put back; enrol this host anew (esmon token create, esmon-agent enroll)",
			e.id, got, e.rec.Counter)
	}
	return next, nil
}

// noteCopy marks the identity if the refusal was because of a copy.
func (r *Registry) noteCopy(ctx context.Context, e *entry, refusal error) {
	if fault.ReasonOf(refusal) != "identity_cloned" {
		return
	}
	now := r.now()
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
func (e *entry) connectRecord(hello *ingestv1.Hello, counter uint64, now time.Time) Connect {
	e.mu.Lock()
	defer e.mu.Unlock()
	host := hello.GetHost()
	return Connect{
		ID: e.id, Counter: counter, Time: now.Truncate(time.Millisecond),
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
	a.Counter, a.Connected = c.Counter, c.Time
	a.HostName, a.HostID, a.OSDescription, a.Arch, a.Version = c.HostName, c.HostID, c.OSDescription, c.Arch, c.Version
	e.facts.Store(factsOf(a))
	if err := e.revokedLocked(); err != nil {
		return err
	}
	if e.session != nil {
		e.session.finish(fault.New(fault.Conflict, "superseded", "agent %s opened a newer stream: this one ends; if another host shows the same id, its identity was copied", e.id))
	}
	e.session = s
	return nil
}

// finish takes the session's right to go on. e.mu is held.
func (s *Session) finish(cause error) {
	if s.isOver.CompareAndSwap(false, true) {
		s.cause = cause
		close(s.over)
	}
}

// Labels returns the labels that every entity of the agent's own host gets. They
// change; Changed tells when.
func (s *Session) Labels() metric.Labels { return s.e.facts.Load().labels }

// TargetLabels returns the labels of the entities of a remote target, and false
// if that target is not assigned to the agent.
func (s *Session) TargetLabels(target string) (metric.Labels, bool) {
	ls, ok := s.e.facts.Load().targets[target]
	return ls, ok
}

// AgentID returns whose session it is.
func (s *Session) AgentID() string { return s.e.id }

// Counter returns the connect counter to send in the welcome.
func (s *Session) Counter() uint64 { return s.counter }

// Changed returns a channel that gets a notice after the operator changed tags or
// targets. Notices that were not fetched yet are one.
func (s *Session) Changed() <-chan struct{} { return s.changed }

// Superseded returns a channel that is closed when the session has lost its
// right to go on: a newer stream of the agent, a revocation, the end of its
// certificate. Cause then says why.
func (s *Session) Superseded() <-chan struct{} { return s.over }

// Cause returns why the session was superseded, as a fault; nil before.
func (s *Session) Cause() error {
	select {
	case <-s.over:
		return s.cause
	default:
		return nil
	}
}

// Acked notes that a batch of the stream was made durable at now and what the
// agent's clock showed against it. It is cheap; what it notes is stored with the
// next flush.
func (s *Session) Acked(now time.Time, skewMS int64) {
	if s.isOver.Load() {
		return
	}
	e := s.e
	raise(&e.confirmed, s.counter)
	e.lastAck.Store(now.UnixMilli())
	e.skewMS.Store(skewMS)
	if e.dirty.CompareAndSwap(false, true) {
		s.r.dirtyMu.Lock()
		s.r.dirty = append(s.r.dirty, e)
		s.r.dirtyMu.Unlock()
	}
}

func raise(v *atomic.Uint64, to uint64) {
	for old := v.Load(); old < to; old = v.Load() {
		if v.CompareAndSwap(old, to) {
			return
		}
	}
}

// Close ends the session when the stream ends. Calling it again does nothing.
func (s *Session) Close() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if s.e.session == s {
		s.e.session = nil
	}
	s.finish(fault.New(fault.Unavailable, "closed", "the session of agent %s is closed", s.e.id))
}
