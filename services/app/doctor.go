package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/doctor"
	"github.com/esolutions/esmon/services/fault"
)

// buildDoctor makes what finds out where data is stuck, and what watches the parts
// of this process for it.
func (a *App) buildDoctor(p *platform) {
	s := p.status
	s.troubles = newTroubleWatch(func() []readiness {
		checks := a.ready
		if p.collector != nil {
			checks = append(checks[:len(checks):len(checks)], readiness{name: doctor.PartCollector, check: p.collector.Ready})
		}
		return checks
	})
	a.add("watch of troubles", s.troubles.run)
	if p.ingest != nil {
		s.logPartitions = p.ingest.Partitions
	}
	deps := doctor.Deps{
		Status: func(ctx context.Context) (*statusv1.GetStatusResponse, error) {
			return s.GetStatus(ctx, &statusv1.GetStatusRequest{})
		},
		Partition: collector.PartitionOf,
	}
	var all grpc.ClientConnInterface
	if p.others != nil && p.others.all != nil {
		all = p.others.all
	}
	switch {
	case p.id.authority != nil: // of its registry this process knows best
		deps.Agents = p.registry.AgentsService()
	case all != nil:
		deps.Agents = agentsElsewhere{agentsv1.NewAgentsServiceClient(all)}
	}
	switch {
	case all != nil:
		deps.Queries = queriesElsewhere{queryv1.NewQueryServiceClient(all)}
	case p.queries != nil:
		deps.Queries = p.queries
	}
	if deps.Agents != nil && deps.Queries != nil && a.cfg.runsAny(cluster.Control, cluster.Gateway) {
		s.doctor = doctor.New(deps, a.log)
	}
}

// errNoDoctor is for who asks a process that may not ask the others.
func errNoDoctor() error {
	return fault.New(fault.Unavailable, "diagnosis_elsewhere",
		"this process cannot ask all others: ask one with target gateway or control, by its data directory (--data-dir), or a gateway by its URL (--server)")
}

// DiagnoseAgent says where an agent's data is stuck.
func (s *statusService) DiagnoseAgent(ctx context.Context, req *statusv1.DiagnoseAgentRequest) (*statusv1.DiagnoseAgentResponse, error) {
	if s.doctor == nil {
		return nil, errNoDoctor()
	}
	return s.doctor.DiagnoseAgent(ctx, req.GetAgent())
}

// DiagnosePlatform says what is stuck in the platform as a whole.
func (s *statusService) DiagnosePlatform(ctx context.Context, req *statusv1.DiagnosePlatformRequest) (*statusv1.DiagnosePlatformResponse, error) {
	if s.doctor == nil {
		return nil, errNoDoctor()
	}
	return s.doctor.DiagnosePlatform(ctx, int(req.GetAgents()))
}

// agentsElsewhere is the registry of agents of another process.
type agentsElsewhere struct{ client agentsv1.AgentsServiceClient }

func (c agentsElsewhere) GetAgent(ctx context.Context, req *agentsv1.GetAgentRequest) (*agentsv1.GetAgentResponse, error) {
	return answerFrom(c.client.GetAgent(ctx, req))
}

func (c agentsElsewhere) ListAgents(ctx context.Context, req *agentsv1.ListAgentsRequest) (*agentsv1.ListAgentsResponse, error) {
	return answerFrom(c.client.ListAgents(ctx, req))
}

// queriesElsewhere is the query service of other processes.
type queriesElsewhere struct{ client queryv1.QueryServiceClient }

func (c queriesElsewhere) Query(ctx context.Context, req *queryv1.QueryRequest) (*queryv1.QueryResponse, error) {
	return answerFrom(c.client.Query(ctx, req))
}

func (c queriesElsewhere) ListSeries(ctx context.Context, req *queryv1.ListSeriesRequest) (*queryv1.ListSeriesResponse, error) {
	return answerFrom(c.client.ListSeries(ctx, req))
}

// answerFrom makes faults of the statuses of gRPC.
func answerFrom[T any](res T, err error) (T, error) {
	if err != nil {
		return res, fault.FromGRPC(err)
	}
	return res, nil
}

// slowCheck is how long a check may take before that is a trouble of its own.
const slowCheck = 5 * time.Second

// troubleWatch looks every second how the parts of this process are, and keeps
// since when they have trouble. A check that hangs holds up no other, nor who asks.
type troubleWatch struct {
	checks func() []readiness

	mu   sync.Mutex // guards seen
	seen []*watched
}

// watched is one check.
type watched struct {
	readiness
	began time.Time // of the look under way; zero between looks
	err   error     // of the last look
	since time.Time // of the first of a row of bad looks
}

func newTroubleWatch(checks func() []readiness) *troubleWatch { return &troubleWatch{checks: checks} }

// run watches until ctx ends. It does not wait for a check that hangs.
func (w *troubleWatch) run(ctx context.Context) error {
	w.mu.Lock()
	for _, r := range w.checks() {
		w.seen = append(w.seen, &watched{readiness: r})
	}
	w.mu.Unlock()
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		w.look()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look begins a check of each part whose last one has ended.
func (w *troubleWatch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.seen {
		if x.began.IsZero() {
			x.began = time.Now()
			go w.check(x)
		}
	}
}

func (w *troubleWatch) check(x *watched) {
	err := x.check()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && x.err == nil {
		x.since = x.began
	}
	x.err, x.began = err, time.Time{}
}

// list returns the troubles there are; none of a nil watch.
func (w *troubleWatch) list() (out []*statusv1.Trouble) {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.seen {
		switch {
		case x.err != nil:
			out = append(out, &statusv1.Trouble{Part: x.name, Message: x.err.Error(), Since: timestamppb.New(x.since)})
		case !x.began.IsZero() && time.Since(x.began) > slowCheck:
			out = append(out, &statusv1.Trouble{Part: x.name, Message: fmt.Sprintf("it has not said how it is for %s", time.Since(x.began).Round(time.Second)), Since: timestamppb.New(x.began)})
		}
	}
	return out
}
