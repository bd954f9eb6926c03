package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/fault"
)

const (
	usualWorst = 10
	mostWorst  = 1000
	// agentLate is from when on an agent that has had nothing acknowledged is late.
	agentLate = time.Minute
)

// DiagnosePlatform looks at the hops that are the platform's, and at the agents
// that lag most: worst of them, ten if it is 0.
func (d *Doctor) DiagnosePlatform(ctx context.Context, worst int) (*statusv1.DiagnosePlatformResponse, error) {
	if worst < 0 || worst > mostWorst {
		return nil, fault.New(fault.Invalid, "agents_invalid", "agents: %d is out of range; ask for 0 to %d", worst, mostWorst)
	}
	x := &diagnosis{now: d.deps.Now(), partition: anyPartition}
	var fleet fleet
	var all sync.WaitGroup
	all.Go(func() { x.platform = d.look(ctx, true) })
	all.Go(func() { fleet = d.fleet(ctx, x.now) })
	all.Go(func() { x.report = d.tryQuery(ctx) })
	all.Wait()
	x.log = x.logHop()
	hops := []*statusv1.Hop{x.fleetHop(&fleet), x.log, x.storageHop(), x.answersHop()}
	res := &statusv1.DiagnosePlatformResponse{
		Summary: "the platform: " + summary(hops, "all is well."), Hops: hops, Time: timestamppb.New(x.now),
		Agents: fleet.lagging[:min(len(fleet.lagging), cmp.Or(worst, usualWorst))], AgentsLate: int64(fleet.late), AgentsSeen: int64(len(fleet.lagging)),
	}
	for _, n := range x.platform.nodes {
		if !n.GetReady() || len(n.GetTroubles()) > 0 {
			res.Nodes = append(res.Nodes, n)
		}
	}
	return res, nil
}

// fleet is all agents that are not revoked.
type fleet struct {
	err     error
	lagging []*statusv1.LaggingAgent // those that lag most first
	late    int
	silent  int // of those: not connected
}

func (d *Doctor) fleet(ctx context.Context, now time.Time) fleet {
	all, err := d.list(ctx, "")
	if err != nil {
		return fleet{err: err}
	}
	var f fleet
	for _, a := range all {
		if revoked(a) {
			continue
		}
		began := ackOf(a)
		if began.IsZero() {
			began = a.GetEnrolTime().AsTime()
		}
		lag := max(0, now.Sub(began))
		f.lagging = append(f.lagging, &statusv1.LaggingAgent{
			Agent: a.GetId(), HostName: a.GetHostName(), State: stateName(a), LastAckTime: a.GetLastAckTime(), LagMs: lag.Milliseconds(),
		})
		if lag >= agentLate {
			f.late++
			if a.GetState() != agentsv1.AgentState_AGENT_STATE_CONNECTED {
				f.silent++
			}
		}
	}
	slices.SortStableFunc(f.lagging, func(a, b *statusv1.LaggingAgent) int {
		if never := a.GetLastAckTime() == nil; never != (b.GetLastAckTime() == nil) {
			if never {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.GetLagMs(), a.GetLagMs()), cmp.Compare(a.GetHostName(), b.GetHostName()))
	})
	return f
}

// fleetHop says whether agents get through to collectors.
func (x *diagnosis) fleetHop(f *fleet) *statusv1.Hop {
	if f.err != nil {
		return advise(hop(hopStream, stateUnknown, "Which agents are connected cannot be seen: %s.", text(f.err)),
			"Look at the process with target control, and at the database.")
	}
	total := len(f.lagging)
	h := hop(hopStream, stateOK, "Of %s, each had something acknowledged within the last minute.", count(int64(total), "agent"))
	if total == 0 {
		h = hop(hopStream, stateOK, "No agent is enrolled.")
	}
	if f.late > 0 {
		h = hop(hopStream, stateLate, "Of %s, %d had nothing acknowledged for a minute or longer; %d of these without a connection.", count(int64(total), "agent"), f.late, f.silent)
		advise(h, "`esmon doctor AGENT` says of each where its data is stuck.")
		if f.late == total {
			h.State = stateStuck
			x.blameLog(h)
		}
	}
	if x.nobodyTakes(h) {
		h.State = stateStuck
	}
	return h
}

// blameLog says that it is the ingest log that keeps agents from being
// acknowledged, if it is.
func (x *diagnosis) blameLog(h *statusv1.Hop) {
	if is(x.log, stateStuck) {
		h.State = stateLate
		advise(h, "Nothing here: collectors acknowledge only what the ingest log has taken, see the hop log.")
	}
}

// tryQuery asks a question whose answer does not matter.
func (d *Doctor) tryQuery(ctx context.Context) *report {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_, err := d.deps.Queries.Query(ctx, &queryv1.QueryRequest{Query: "esmon_build_info"})
	return &report{err: d.explain(ctx, "queries", err)}
}

// answersHop says whether queries are answered at all.
func (x *diagnosis) answersHop() *statusv1.Hop {
	if x.report.err != nil {
		return x.queryHop()
	}
	nodes, away := x.platform.with(targetStorage)
	h := hop(hopQuery, stateOK, "Queries are answered.")
	if !x.platform.one {
		at(h, titles(nodes))
	}
	if len(away) > 0 {
		h.Message += fmt.Sprintf(" %d of %d nodes that answer them are away.", len(away), len(nodes)+len(away))
	}
	return h
}
