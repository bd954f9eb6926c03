package control

import (
	"time"

	"github.com/esolutions/esmon/services/fault"
)

// takeLocked makes a row what is known of the agent, shows the open session what
// changed, and ends it if it may not go on. e.mu is held.
//
// Whatever only ever moves one way is not moved back: a row may be a moment older
// than what this process itself stored.
func (e *entry) takeLocked(a Agent) {
	e.takeSeenLocked(&a)
	a.Cloned, a.CertificateEnd = later(a.Cloned, e.rec.Cloned), later(a.CertificateEnd, e.rec.CertificateEnd)
	if !e.rec.Revoked.IsZero() {
		a.Revoked = e.rec.Revoked
	}
	e.rec = a
	if s := e.session; s != nil && s.id != a.Session {
		s.finish(e.superseded())
		e.session = nil
	}
	if err := e.revokedLocked(); err != nil && e.session != nil {
		e.session.finish(err)
	}
	e.relabelLocked()
}

// takeSeenLocked takes over what was acknowledged, unless more is known here. That
// a counter was confirmed stays true whoever has connected since.
func (e *entry) takeSeenLocked(a *Agent) {
	raise(&e.confirmed, a.Confirmed)
	if ms := milli(a.LastAck); ms > e.lastAck.Load() {
		e.lastAck.Store(ms)
		e.skewMS.Store(a.SkewMS)
	}
}

// relabelLocked gives the agent's data the labels of what is known now, and tells
// the open session if they changed. e.mu is held.
func (e *entry) relabelLocked() {
	old, now := e.facts.Load(), factsOf(&e.rec)
	if now.equal(old) {
		return
	}
	e.facts.Store(now)
	if e.session == nil {
		return
	}
	select {
	case e.session.changed <- struct{}{}:
	default: // a notice waits already
	}
}

// superseded returns the fault of a session that a newer one replaced.
func (e *entry) superseded() error {
	return fault.New(fault.Conflict, "superseded", "agent %s opened a newer stream: this one ends; if another host shows the same id, its identity was copied", e.id)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
