package control

import (
	"sync/atomic"
	"time"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

// Session is one open stream of an agent. Its methods may be called from many
// goroutines.
type Session struct {
	r       *Registry
	e       *entry
	id      string // a random one; the agent's row names the one that may go on
	counter uint64
	end     time.Time // of the certificate the stream was opened with; zero if unknown

	changed chan struct{} // holds at most one notice
	over    chan struct{} // closed when the session has lost its right to go on
	cause   error         // why; written before over is closed
	isOver  atomic.Bool
	acked   atomic.Bool // something was acknowledged
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
	if s.r.shared != nil && !s.acked.Load() && s.acked.CompareAndSwap(false, true) {
		s.r.dirtyMu.Lock()
		s.r.confirming = append(s.r.confirming, e)
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
		s.r.noteClosed(s.e.id, s.id)
	}
	s.finish(fault.New(fault.Unavailable, "closed", "the session of agent %s is closed", s.e.id))
}
