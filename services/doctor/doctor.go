package doctor

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
)

// Agents is the registry of agents. Its errors are faults.
type Agents interface {
	GetAgent(context.Context, *agentsv1.GetAgentRequest) (*agentsv1.GetAgentResponse, error)
	ListAgents(context.Context, *agentsv1.ListAgentsRequest) (*agentsv1.ListAgentsResponse, error)
}

// Queries is what answers questions about series. Its errors are faults.
type Queries interface {
	Query(context.Context, *queryv1.QueryRequest) (*queryv1.QueryResponse, error)
	ListSeries(context.Context, *queryv1.ListSeriesRequest) (*queryv1.ListSeriesResponse, error)
}

// Deps is what a doctor asks.
type Deps struct {
	Agents  Agents
	Queries Queries
	// Status returns how the processes of the platform are.
	Status func(context.Context) (*statusv1.GetStatusResponse, error)
	// Partition returns in which of so many partitions of the ingest log an agent's
	// data is.
	Partition func(agent string, partitions int) int
	Now       func() time.Time // time.Now if nil
	// SecondLook is how long to wait before storage that lags is looked at again, to
	// see whether it moves; a second if 0.
	SecondLook time.Duration
}

// askTimeout bounds each question: a part that does not answer is a finding.
const askTimeout = 5 * time.Second

// Doctor finds out where data is stuck. It is safe for concurrent use.
type Doctor struct {
	deps Deps
	log  *slog.Logger
}

// New returns a doctor.
func New(deps Deps, log *slog.Logger) *Doctor {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.SecondLook == 0 {
		deps.SecondLook = time.Second
	}
	return &Doctor{deps: deps, log: log}
}

// DiagnoseAgent follows the data of the agent with the id, or on the host with the
// name. It fails only if there is no such agent, or more than one; a part that does
// not answer makes hops unknown.
func (d *Doctor) DiagnoseAgent(ctx context.Context, ref string) (*statusv1.DiagnoseAgentResponse, error) {
	if err := checkRef(ref); err != nil {
		return nil, err
	}
	x := &diagnosis{now: d.deps.Now()}
	var failed error
	var both sync.WaitGroup
	both.Go(func() { x.patient, failed = d.find(ctx, ref) })
	both.Go(func() { x.platform = d.look(ctx, true) })
	both.Wait()
	if failed != nil {
		return nil, failed
	}
	x.partition = x.platform.partitionOf(x.patient.id(), d.deps.Partition)
	x.report = d.ask(ctx, x.patient, x.now)
	if x.report.err == nil {
		x.patient = d.withHistory(ctx, x.patient)
	}
	hops := x.agentHops()
	res := &statusv1.DiagnoseAgentResponse{
		Agent: x.patient.id(), HostName: x.patient.hostName, Hops: hops, Notes: x.patient.notes, Time: timestamppb.New(x.now),
		Summary: x.patient.title() + ": " + summary(hops, x.wellText()),
	}
	if newest := x.report.newest; !newest.IsZero() {
		res.NewestSampleTime = timestamppb.New(newest)
	}
	return res, nil
}

// diagnosis is what was found out, and what follows from it.
type diagnosis struct {
	now       time.Time
	patient   patient
	platform  *platform
	partition int // of the agent's data; anyPartition if that is not known
	report    *report

	// The hops that others refer to.
	log, storage, stream, query *statusv1.Hop
}

// agentHops returns the hops in their order. They are looked at in another one:
// what is wrong at a later hop may explain what is seen at an earlier one.
func (x *diagnosis) agentHops() []*statusv1.Hop {
	x.log = x.logHop()
	x.storage = x.storageHop()
	x.stream = x.streamHop()
	x.query = x.queryHop()
	return []*statusv1.Hop{x.probeHop(), x.spoolHop(), x.stream, x.log, x.storage, x.query}
}

func (x *diagnosis) wellText() string {
	if x.report.newest.IsZero() {
		return "all is well."
	}
	return "all is well; the newest sample is " + ageText(x.now.Sub(x.report.newest)) + " old."
}
