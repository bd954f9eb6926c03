package doctor

import (
	"time"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

const (
	// unseenLate is from when on acknowledged data that no query returns is late.
	unseenLate = 30 * time.Second
	// unseenStuck is from when on it is stuck.
	unseenStuck = 5 * time.Minute
)

// queryHop says whether queries return what was acknowledged.
func (x *diagnosis) queryHop() *statusv1.Hop {
	r := x.report
	nodes, away := x.platform.with(targetStorage)
	where := ""
	if !x.platform.one {
		where = titles(nodes)
	}
	if r.err != nil {
		h := hop(hopQuery, stateStuck, "Queries are not answered: %s.", text(r.err))
		if len(nodes) == 0 {
			where = titles(away)
		}
		return advise(at(h, where), "Look at the storage nodes, which answer queries, and at the network from the gateway to them.")
	}
	ack := x.lastAck()
	switch {
	case r.newest.IsZero() && ack.IsZero():
		return at(hop(hopQuery, stateOK, "Queries are answered; there are no samples of this agent yet."), where)
	case r.newest.IsZero() && x.now.Sub(ack) > longSpan:
		return at(hop(hopQuery, stateOK, "Queries are answered; the agent's samples are older than a day."), where)
	}
	h := at(hop(hopQuery, stateOK, "Queries are answered; the newest sample is %s old.", ageText(x.now.Sub(r.newest))), where)
	missing := ack.Sub(r.newest)
	if ack.IsZero() || missing <= unseenLate+2*r.every() {
		return h
	}
	return x.behind(h, missing)
}

// behind is the hop where queries do not return what was acknowledged.
func (x *diagnosis) behind(h *statusv1.Hop, missing time.Duration) *statusv1.Hop {
	r := x.report
	h.State, h.LagMs = stateLate, missing.Milliseconds()
	switch {
	case r.newest.IsZero():
		h.Message = "Queries are answered, but return no sample of this agent, though data of it was acknowledged " + ageText(x.now.Sub(x.lastAck())) + " ago."
		h.LagMs = 0
	default:
		h.Message += " Data of the agent was acknowledged " + ageText(missing) + " after that."
		since(h, r.newest, r.newest.Add(missing))
	}
	if is(x.storage, stateLate, stateStuck) {
		return advise(h, "Nothing here: see the hop storage.")
	}
	if missing > unseenStuck {
		h.State = stateStuck
	}
	return advise(h, "Look at the rejected rows (esmon_tsdb_rows_rejected_total) and at the logs of the storage nodes.")
}
