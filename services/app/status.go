package app

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/doctor"
	"github.com/esolutions/esmon/services/relay"
	"github.com/esolutions/esmon/services/storage"
)

// activeFor is how long after its last row a series counts as active.
const activeFor = 15 * time.Minute

// statusService says how the platform is, out of what the parts of this process
// say and, where there are others, what those say. A func is nil where this process
// does not run what it asks.
type statusService struct {
	statusv1.UnimplementedStatusServiceServer

	version string
	started time.Time
	dir     string
	log     bus.Log // nil without storage
	// agents returns how many are enrolled and how many are connected.
	agents func() (enrolled, connected int)
	// stored returns how far storage is in a partition, leads whether it is this
	// process that stores it.
	stored func(ctx context.Context, partition int) (storage.Progress, error)
	leads  func(partition int) bool
	// activeSeries returns how many series had a sample lately.
	activeSeries func() int
	// ingested returns what the collector took and refused since the start.
	ingested func() (samples, framesRefused int64)
	// ready returns why this process cannot do its work.
	ready func() []string

	// logPartitions returns the partitions that records go to.
	logPartitions func() []int
	// relays are those that came to the collector here; nil without one.
	relays *relay.Seen
	// warnings returns what makes this process less safe than it could be.
	warnings func() []string
	troubles *troubleWatch  // nil where nothing is watched
	doctor   *doctor.Doctor // nil where it could ask nobody

	self  *statusv1.Node // who this process is; nil if it is the whole platform
	nodes *nodeList      // asks all processes; nil likewise
}

func (a *App) buildStatus(_ context.Context, p *platform) error {
	s := &statusService{version: a.cfg.Version, started: a.started, dir: a.cfg.DataDir, ready: a.notReady, warnings: a.warnings}
	p.status = s
	if p.registry != nil {
		s.agents = p.registry.Counts
	}
	if p.collector != nil {
		s.ingested, s.relays = p.collector.Totals, &p.relays
	}
	if p.storage != nil {
		s.log, s.stored, s.leads = p.ingest, p.storage.Progress, p.storage.Leads
		s.activeSeries = func() int { return p.tsdb.ActiveSeries(time.Now().Add(-activeFor)) }
	}
	if p.id.node != nil {
		s.self = &statusv1.Node{Name: p.id.name, Targets: a.cfg.Targets, Address: a.endpoints.Internal}
		if p.relay == nil { // a relay may ask nobody
			s.nodes = newNodeList(a, p.id.node)
			a.onClose(s.nodes.close)
		}
	}
	a.buildDoctor(p)
	return nil
}

// GetStatus returns how the platform is.
func (s *statusService) GetStatus(ctx context.Context, req *statusv1.GetStatusRequest) (*statusv1.GetStatusResponse, error) {
	local := s.local(ctx)
	if s.nodes == nil || req.GetLocal() {
		return local, nil
	}
	return s.nodes.status(ctx, local), nil
}

// local returns how this process is.
func (s *statusService) local(ctx context.Context) *statusv1.GetStatusResponse {
	res := &statusv1.GetStatusResponse{Version: s.version, StartTime: timestamppb.New(s.started), DataBytes: dirBytes(s.dir)}
	if s.agents != nil {
		enrolled, connected := s.agents()
		res.Agents, res.AgentsConnected = int64(enrolled), int64(connected)
	}
	if s.ingested != nil {
		res.SamplesIngested, res.FramesRefused = s.ingested()
	}
	if s.log != nil {
		res.ActiveSeries = int64(s.activeSeries())
		s.addPartitions(ctx, res)
	}
	res.Reasons = append(res.Reasons, s.ready()...)
	res.Ready = len(res.GetReasons()) == 0
	res.Troubles = s.troubles.list()
	if s.logPartitions != nil {
		for _, n := range s.logPartitions() {
			res.LogPartitions = append(res.LogPartitions, int32(n))
		}
	}
	if s.warnings != nil {
		res.Warnings = s.warnings()
	}
	if s.relays != nil {
		for _, r := range s.relays.List(time.Now()) {
			res.Relays = append(res.Relays, &statusv1.Relay{Name: r.Name, Agents: int64(r.Agents), LastTime: timestamppb.New(r.Last)})
		}
	}
	if s.self != nil {
		res.Nodes = []*statusv1.Node{{
			Name: s.self.GetName(), Targets: s.self.GetTargets(), Address: s.self.GetAddress(), Version: res.GetVersion(), StartTime: res.GetStartTime(),
			Ready: res.GetReady(), Reasons: res.GetReasons(), Partitions: res.GetPartitions(), Troubles: res.GetTroubles(), Warnings: res.GetWarnings(),
			Relays: res.GetRelays(),
		}}
	}
	return res
}

func (s *statusService) addPartitions(ctx context.Context, res *statusv1.GetStatusResponse) {
	for _, n := range s.log.Readable() {
		p, err := s.partition(ctx, n)
		if err != nil {
			res.Reasons = append(res.Reasons, err.Error())
			continue
		}
		res.Partitions = append(res.Partitions, p)
	}
}

func (s *statusService) partition(ctx context.Context, n int) (*statusv1.Partition, error) {
	b, err := s.log.Bounds(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("ingest log: read partition %d: %w", n, err)
	}
	p, err := s.stored(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	out := &statusv1.Partition{
		Partition:   int32(n),
		FirstOffset: b.First, NextOffset: b.Next, Bytes: b.Bytes,
		HeadOffset: p.Head, CommittedOffset: p.Committed, LagMs: p.Lag.Milliseconds(),
	}
	if s.self != nil && s.leads(n) {
		out.StoredBy = s.self.GetName()
	}
	return out, nil
}
