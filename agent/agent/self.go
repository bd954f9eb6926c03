package agent

import (
	"context"
	"runtime"
	"time"

	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/agent/probe"
	"github.com/esolutions/esmon/agent/spool"
	"github.com/esolutions/esmon/agent/uplink"
	"github.com/esolutions/esmon/services/metric"
)

// SelfName is the name of the probe that reports on the agent itself.
const SelfName = "agent"

// self is the probe that reports on the agent.
type self struct {
	spool    *spool.Spool
	uplink   *uplink.Uplink
	identity *enrol.Store
	started  time.Time
	version  metric.Labels

	agent, info, lost, gap, refused, collector *metric.Schema
}

func newSelf(s *spool.Spool, u *uplink.Uplink, identity *enrol.Store, version string) *self {
	return &self{
		spool: s, uplink: u, identity: identity, started: time.Now(),
		version: probe.Label("version", version),
		agent:   agentSchema(), lost: lostSchema(), gap: gapSchema(), collector: collectorSchema(),
		info:    probe.Schema(probe.Info("esmon.agent.info", "Always 1: the label says which version runs.")),
		refused: probe.Schema(probe.Counter("esmon.agent.refused", "{refusal}", "Frames and batches that the server refused, by reason.")),
	}
}

func agentSchema() *metric.Schema {
	return probe.Schema(
		probe.Gauge("esmon.agent.start.timestamp", "s", "When the agent was started, Unix time."),
		probe.Counter("esmon.agent.cpu.time", "s", "CPU time that the agent used."),
		probe.Gauge("esmon.agent.memory.resident", "By", "Physical memory that the agent uses."),
		probe.Gauge("esmon.agent.goroutines", "{goroutine}", "Goroutines of the agent."),
		probe.Gauge("esmon.agent.spool", "By", "Compressed batches that wait for the server."),
		probe.Gauge("esmon.agent.spool.batches", "{batch}", "Batches that wait for the server."),
		probe.Gauge("esmon.agent.spool.samples", "{sample}", "Samples that wait for the server."),
		probe.Gauge("esmon.agent.spool.oldest.age", "s", "Age of the oldest sample that waits for the server; 0 if none does."),
		probe.Gauge("esmon.agent.spool.definitions", "{entity}", "Entities that the spool describes."),
		probe.Counter("esmon.agent.spool.corruptions", "{file}", "Damaged spool files that were set aside."),
		probe.Counter("esmon.agent.batches", "{batch}", "Batches put into the spool."),
		probe.Counter("esmon.agent.samples", "{sample}", "Samples put into the spool."),
		probe.Counter("esmon.agent.acked.batches", "{batch}", "Batches that the server acknowledged."),
		probe.Counter("esmon.agent.acked.samples", "{sample}", "Samples in batches that the server acknowledged."),
		probe.Counter("esmon.agent.sent.batches", "{batch}", "Batches sent.", "lane", "live"),
		probe.Counter("esmon.agent.sent.batches", "{batch}", "Batches sent.", "lane", "backlog"),
		probe.Gauge("esmon.agent.unacked.batches", "{batch}", "Batches sent and not yet answered."),
		probe.Counter("esmon.agent.put.off.batches", "{batch}", "Batches that the server put off."),
		probe.Gauge("esmon.agent.connected", "", "1 if the stream to the server is open, else 0."),
		probe.Gauge("esmon.agent.connected.since.timestamp", "s", "Since when it is so, Unix time; 0 before the first attempt."),
		probe.Counter("esmon.agent.connects", "{connect}", "Streams that were opened."),
		probe.Counter("esmon.agent.connect.failures", "{connect}", "Attempts and streams that failed."),
		probe.Gauge("esmon.agent.clock.skew", "s", "The agent's clock minus the server's, as last measured."),
		probe.Gauge("esmon.agent.certificate.expiry.timestamp", "s", "When the agent's certificate ends, Unix time."),
		probe.Counter("esmon.agent.certificate.renewals", "{certificate}", "Certificates that were renewed."),
	)
}

func lostSchema() *metric.Schema {
	return probe.Schema(
		probe.Counter("esmon.agent.lost.samples", "{sample}", "Samples that fell off the spool, by reason."),
		probe.Counter("esmon.agent.lost.batches", "{batch}", "Batches that fell off the spool, by reason."),
	)
}

func collectorSchema() *metric.Schema {
	return probe.Schema(
		probe.Gauge("esmon.agent.collector.connected", "", "1 if the stream is open and goes to this collector, else 0."),
		probe.Counter("esmon.agent.collector.failures", "{failure}", "Attempts with this collector, and streams to it, that failed."),
		probe.Gauge("esmon.agent.collector.last.failure.timestamp", "s", "When that last happened, Unix time; 0 if never."),
	)
}

func gapSchema() *metric.Schema {
	return probe.Schema(
		probe.Gauge("esmon.agent.gap.start.timestamp", "s", "First sample of the newest gap, Unix time; 0 if not known."),
		probe.Gauge("esmon.agent.gap.end.timestamp", "s", "Last sample of the newest gap, Unix time."),
		probe.Gauge("esmon.agent.gap.samples", "{sample}", "Samples in the newest gap."),
	)
}

// Name is "agent".
func (p *self) Name() string { return SelfName }

// DefaultInterval is ten seconds.
func (p *self) DefaultInterval() time.Duration { return 10 * time.Second }

// Shapes returns the schemas of the agent, and those by reason.
func (p *self) Shapes() []probe.Shape {
	return []probe.Shape{
		{Schema: p.agent}, {Schema: p.info, Entity: []string{"version"}},
		{Schema: p.lost, Entity: []string{"reason"}}, {Schema: p.gap, Entity: []string{"reason"}}, {Schema: p.refused, Entity: []string{"reason"}},
		{Schema: p.collector, Entity: []string{"collector", "address"}},
	}
}

// Collect reads the counters of the agent's parts.
func (p *self) Collect(_ context.Context, e *probe.Emitter) error {
	now := time.Now()
	sp, up := p.spool.Stats(), p.uplink.Stats()
	e.Emit(p.agent, nil, now, p.values(now, sp, up)...)
	e.Emit(p.info, p.version, now, 1)
	for _, r := range spool.Reasons() {
		e.Emit(p.lost, probe.Label("reason", string(r)), now,
			float64(sp.Totals.LostSamples[r]), float64(sp.Totals.LostBatches[r]))
	}
	if g := sp.LastGap; g != nil {
		e.Emit(p.gap, probe.Label("reason", string(g.Reason)), now, fromMS(g.From), fromMS(g.To), float64(g.Samples))
	}
	for _, c := range shown(up.Candidates) {
		e.Emit(p.collector, collectorLabels(c), now, bit(c.Connected), float64(c.Failures), since1970(c.LastFailure))
	}
	for reason, n := range up.Refusals {
		e.Emit(p.refused, probe.Label("reason", reason), now, float64(n))
	}
	return nil
}

func (p *self) values(now time.Time, sp spool.Stats, up uplink.Stats) []float64 {
	cpu, rss := usage()
	age := 0.0
	if sp.Oldest > 0 {
		age = max(0, float64(now.UnixMilli()-sp.Oldest)/1000)
	}
	return []float64{
		fromMS(p.started.UnixMilli()), cpu, rss, float64(runtime.NumGoroutine()),
		float64(sp.Bytes), float64(sp.Batches), float64(sp.Samples), age, float64(sp.Entities), float64(sp.Totals.Corruptions),
		float64(sp.Totals.AppendedBatches), float64(sp.Totals.AppendedSamples),
		float64(sp.Totals.AckedBatches), float64(sp.Totals.AckedSamples),
		float64(up.SentLive), float64(up.SentBacklog), float64(up.InFlight), float64(up.PutOff),
		bit(up.Connected), since1970(up.Since), float64(up.Connects), float64(up.Failures),
		fromMS(up.SkewMS), fromMS(p.identity.Identity().Expires().UnixMilli()), float64(up.Renewals),
	}
}

func fromMS(ms int64) float64 { return float64(ms) / 1000 }

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// since1970 returns the time in seconds, 0 for none.
func since1970(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return fromMS(t.UnixMilli())
}

// collectorLabels names a collector; the address is left out where a proxy looks
// it up.
func collectorLabels(c uplink.Candidate) metric.Labels {
	return metric.NewLabels(metric.Label{Name: "collector", Value: c.Name}, metric.Label{Name: "address", Value: c.Address})
}
