package doctor

import (
	"fmt"
	"time"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

const (
	// justNow is how long an agent may take to connect again: collectors that stop,
	// and those that have their streams renewed, end streams all the time.
	justNow = 20 * time.Second
	// firstConnect is how long after its enrolment an agent may not have connected.
	firstConnect = time.Minute
	// certificateSoon is from when on the end of a certificate is worth a word.
	certificateSoon = 5 * 24 * time.Hour
)

// enrolAnew is what to do with an agent whose identity is over.
const enrolAnew = "enrol it anew: `esmon token create` here, `esmon-agent enroll --server ADDRESS --token TOKEN` on the host; it keeps what it measured in its spool until then."

// streamHop says whether batches get from the agent to a collector.
func (x *diagnosis) streamHop() *statusv1.Hop {
	a := x.patient.agent
	if a == nil {
		h := advise(hop(hopStream, stateUnknown, "Whether the agent is connected cannot be seen: %s.", text(x.patient.err)),
			"Look at the process with target control, and at the database.")
		if x.nobodyTakes(h) {
			h.State = stateStuck
		}
		return h
	}
	if h := x.endedIdentity(a); h != nil {
		return h
	}
	switch a.GetState() {
	case agentsv1.AgentState_AGENT_STATE_ENROLLED:
		return x.neverConnected(a)
	case agentsv1.AgentState_AGENT_STATE_CONNECTED:
		return x.withRefusals(x.withCertificate(x.connected(a), a))
	}
	return x.withCertificate(x.disconnected(a), a)
}

// endedIdentity is the hop of an agent that no collector takes any more; nil if
// collectors take it.
func (x *diagnosis) endedIdentity(a *agentsv1.Agent) *statusv1.Hop {
	last := x.lastAck()
	switch end := a.GetCertificateExpireTime(); {
	case revoked(a):
		return advise(since(hop(hopStream, stateStuck, "The agent's identity was revoked: every collector refuses it."), last, x.now),
			"If that was right, remove the agent from the host. Otherwise %s", enrolAnew)
	case a.GetState() == agentsv1.AgentState_AGENT_STATE_CLONED:
		return advise(hop(hopStream, stateStuck, "The agent's identity was used by two hosts within the last hour: one of them is refused and keeps what it measures in its spool."),
			"Find the copy, such as a cloned virtual machine; its log says that its identity was cloned. There, %s", enrolAnew)
	case end != nil && end.AsTime().Before(x.now):
		return advise(since(hop(hopStream, stateStuck, "The agent's certificate ended at %s: every collector refuses it.", stamp(end.AsTime())), end.AsTime(), x.now),
			"The agent was off for too long to renew it: %s", enrolAnew)
	}
	return nil
}

func (x *diagnosis) lastAck() time.Time { return ackOf(x.patient.agent) }

func ackOf(a *agentsv1.Agent) time.Time {
	if t := a.GetLastAckTime(); t != nil {
		return t.AsTime()
	}
	return time.Time{}
}

func (x *diagnosis) neverConnected(a *agentsv1.Agent) *statusv1.Hop {
	enrolled := a.GetEnrolTime().AsTime()
	h := since(hop(hopStream, stateStuck, "The agent enrolled at %s and has never connected to a collector.", stamp(enrolled)), enrolled, x.now)
	if x.now.Sub(enrolled) < firstConnect {
		h.State = stateLate
		return advise(h, "Wait a moment: it enrolled just now.")
	}
	if x.nobodyTakes(h) {
		return h
	}
	return advise(h, "Is the agent running on the host, and can the host reach the collectors' port? %s", onHost)
}

// connected is the hop of an agent whose stream is open.
func (x *diagnosis) connected(a *agentsv1.Agent) *statusv1.Hop {
	last, where := x.lastAck(), x.collectorText(a)
	began := last
	if began.IsZero() {
		began = a.GetEnrolTime().AsTime()
	}
	age, every := x.now.Sub(began), x.batchEvery()
	if x.collectorAway(a) {
		return x.withoutCollector(a, began)
	}
	if age <= 30*time.Second+2*every {
		if last.IsZero() {
			return at(hop(hopStream, stateOK, "The stream is open; nothing was acknowledged yet."), where)
		}
		return at(hop(hopStream, stateOK, "The stream is open; last acknowledged %s ago.", ageText(age)), where)
	}
	h := at(since(hop(hopStream, stateLate, "The stream is open, but nothing was acknowledged since %s.", stamp(began)), began, x.now), where)
	switch {
	case is(x.log, stateStuck):
		return advise(h, "Nothing here: collectors acknowledge only what the ingest log has taken, see the hop log.")
	case age > 2*time.Minute+4*every:
		h.State = stateStuck
	}
	return advise(h, "Either the agent measures nothing or its batches do not get through. %s", onHost)
}

// collectorAway tells whether the collector that the agent's stream was open at does
// not answer. The registry learns some seconds later that it is gone.
func (x *diagnosis) collectorAway(a *agentsv1.Agent) bool {
	if x.platform.err != nil || x.platform.one || a.GetCollector() == "" {
		return false
	}
	there, _ := x.platform.with(targetCollector)
	return x.ownCollector(there) == nil
}

func (x *diagnosis) withoutCollector(a *agentsv1.Agent, began time.Time) *statusv1.Hop {
	h := hop(hopStream, stateLate, "The stream was open at %s, which does not answer; last acknowledged %s ago.", a.GetCollector(), ageText(x.now.Sub(began)))
	at(since(h, began, x.now), a.GetCollector())
	advise(h, "Start that collector, or mend the network to it. The agent goes to another one if it can.")
	if x.now.Sub(began) > 30*time.Second+2*x.batchEvery() {
		h.State = stateStuck
	}
	if x.nobodyTakes(h) {
		h.State = stateStuck
	}
	return h
}

// batchEvery returns how often the agent sends something.
func (x *diagnosis) batchEvery() time.Duration {
	if x.report.fresh(x.now) {
		return min(x.report.every(), time.Minute)
	}
	return time.Minute // readings of slow probes are repeated that often
}

// disconnected is the hop of an agent whose stream is not open.
func (x *diagnosis) disconnected(a *agentsv1.Agent) *statusv1.Hop {
	last := x.lastAck()
	h := hop(hopStream, stateStuck, "The agent is not connected to any collector; last acknowledged %s ago.", ageText(x.now.Sub(last)))
	if last.IsZero() {
		h = hop(hopStream, stateStuck, "The agent is not connected to any collector, and nothing of it was ever acknowledged.")
		last = a.GetEnrolTime().AsTime()
	}
	since(h, last, x.now)
	switch {
	case is(x.log, stateStuck) && x.brokenByLog(last):
		h.State = stateLate
		return advise(h, "Nothing here: collectors end streams while the ingest log takes nothing, see the hop log; the agent connects again by itself.")
	case x.nobodyTakes(h):
		return h
	case x.now.Sub(last) < justNow:
		h.State = stateLate
		return advise(h, "Wait a moment: agents whose stream ended connect again by themselves.")
	case x.platform.err == nil && x.platform.connected == 0 && x.platform.agents > 1:
		h.Message += fmt.Sprintf(" None of the %d agents is connected.", x.platform.agents)
		return advise(h, "As no agent is connected, look at what they have in common: the address and the port of the collectors, a firewall, the server's certificate. %s", onHost)
	}
	return advise(h, "The host is down, the agent does not run, or it cannot reach a collector: from here these look the same. %s", onHost)
}

// brokenByLog tells whether the agent was there until the ingest log had its
// trouble.
func (x *diagnosis) brokenByLog(last time.Time) bool {
	began := x.log.GetSince()
	if began == nil {
		return x.now.Sub(last) < 15*time.Minute
	}
	return began.AsTime().Sub(last) < 2*time.Minute
}

// nobodyTakes makes h say that no collector answers, if that is so.
func (x *diagnosis) nobodyTakes(h *statusv1.Hop) bool {
	there, away := x.platform.with(targetCollector)
	if x.platform.err != nil || len(there) > 0 || len(away) == 0 {
		return false
	}
	at(h, titles(away))
	h.Message += fmt.Sprintf(" No collector answers: %s.", whyAway(away))
	advise(h, "Start the collectors, or mend the network between; agents keep what they measure until then.")
	return true
}

// collectorText names the collector that the agent is connected to.
func (x *diagnosis) collectorText(a *agentsv1.Agent) string {
	there, _ := x.platform.with(targetCollector)
	for _, n := range there {
		if n.GetName() == a.GetCollector() {
			return title(n)
		}
	}
	return a.GetCollector()
}

// withCertificate adds that the agent's certificate ends soon.
func (x *diagnosis) withCertificate(h *statusv1.Hop, a *agentsv1.Agent) *statusv1.Hop {
	end := a.GetCertificateExpireTime()
	if end == nil || end.AsTime().Sub(x.now) > certificateSoon {
		return h
	}
	h.Message += fmt.Sprintf(" Its certificate ends in %s unless it renews it.", ageText(end.AsTime().Sub(x.now)))
	return h
}

// withRefusals adds what collectors refused lately, by what the agent counts.
func (x *diagnosis) withRefusals(h *statusv1.Hop) *statusv1.Hop {
	if !x.report.fresh(x.now) {
		return h
	}
	sum, texts := x.byReason(refused)
	if sum == 0 {
		return h
	}
	if h.GetState() == stateOK {
		h.State = stateLate
	}
	h.Message += fmt.Sprintf(" In the last %s %.0f frames or batches were refused (%s).", ageText(reportSpan), sum, few(texts, 5))
	if h.GetAdvice() == "" {
		advise(h, "docs/platform-metrics.md says of each reason what it means and what to do; the agent's log names what was refused.")
	}
	return h
}
