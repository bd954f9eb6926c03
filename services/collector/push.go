package collector

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

// maxPoints is how many points a push may carry, by the contract.
const maxPoints = 10_000

// Push implements ingestv1.IngestServiceServer. Points become frames that go the
// way of the agents' frames; it answers when they are durable.
func (c *Collector) Push(ctx context.Context, req *ingestv1.PushRequest) (*ingestv1.PushResponse, error) {
	if n := len(req.GetPoints()); n > maxPoints {
		return nil, fault.New(fault.Invalid, "too_many_points", "points: %d in one push, the limit is %d: send them in several", n, maxPoints)
	}
	select {
	case c.pushes <- struct{}{}:
		defer func() { <-c.pushes }()
	case <-c.draining:
		return nil, errDraining
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a place among the pushes: %w", ctx.Err())
	}
	source := c.deps.Source(ctx)
	now := c.deps.Now()
	q := c.quotas.use("source " + source)
	defer c.quotas.release(q, now)
	if wait := q.take(len(req.GetPoints()), now); wait > 0 {
		c.metrics.refusedPoints.WithLabelValues("source_sample_rate").Add(float64(len(req.GetPoints())))
		return nil, fault.New(fault.Exhausted, "source_sample_rate", "%s sends more than %d points a second (collector.samples_per_second): send this again in %s; send less often or less, or raise the setting", q.who, c.cfg.SamplesPerSecond, wait.Round(time.Millisecond))
	}
	p := &push{cfg: &c.cfg, g: c.gatherer(source), quota: q, now: now, source: source, check: newFrameCheck(&c.cfg.Limits, now)}
	defer p.release()
	p.take(req.GetPoints())
	for _, r := range p.refusals {
		c.metrics.refusedPoints.WithLabelValues(r.GetReason()).Inc()
	}
	if err := p.store(ctx); err != nil {
		return nil, err
	}
	c.metrics.points.Add(float64(p.accepted))
	return &ingestv1.PushResponse{Accepted: uint32(p.accepted), Refusals: p.refusals}, nil
}

// push is one push on its way.
type push struct {
	cfg    *Config
	g      *gatherer
	quota  *quota
	now    time.Time
	source string
	check  frameCheck

	frames   []frame
	defs     []*definition
	accepted int
	refusals []*ingestv1.PointRefusal
}

// take turns points into frames, or refuses them.
func (p *push) take(points []*ingestv1.Point) {
	families := families{}
	for i, pt := range points {
		at, refusal := p.point(pt)
		if refusal == nil {
			refusal = families.add(i, pt, at, p.now)
		}
		if refusal != nil {
			p.refuse(i, refusal)
		}
	}
	for _, row := range families.order {
		p.row(row)
	}
	slices.SortFunc(p.refusals, func(a, b *ingestv1.PointRefusal) int { return cmp.Compare(a.GetPoint(), b.GetPoint()) })
}

// point checks what is the point's alone and returns its labels.
func (p *push) point(pt *ingestv1.Point) (metric.Labels, *metric.Refusal) {
	// First: what follows takes time that grows with the square of it.
	if n := len(pt.GetLabels()); n > p.cfg.Limits.EntityLabels {
		return nil, tooManyLabels(n, p.cfg)
	}
	if refusal := checkTime(pt); refusal != nil {
		return nil, refusal
	}
	labels := make(metric.Labels, 0, len(pt.GetLabels())+1)
	for name, value := range pt.GetLabels() {
		labels = append(labels, metric.Label{Name: name, Value: value})
	}
	labels = metric.NewLabels(labels...)
	if refusal := p.cfg.Limits.CheckEntity(&metric.Entity{Labels: labels}); refusal != nil {
		return nil, refusal
	}
	if at := timeOf(pt, p.now); at < p.check.oldest || at > p.check.newest {
		if refusal := p.cfg.Limits.CheckTime(at, p.now); refusal != nil {
			return nil, refusal
		}
	}
	return labels.With(metric.Label{Name: "source", Value: p.source}), nil
}

// row adds a frame; what is refused of it is refused for all its points.
func (p *push) row(r *row) {
	s := r.schema()
	refusal := p.cfg.Limits.CheckSchema(s)
	e := &metric.Entity{Labels: r.entity}
	if n := len(e.Labels); refusal == nil && n > p.cfg.Limits.EntityLabels {
		refusal = tooManyLabels(n, p.cfg)
	}
	if refusal == nil {
		refusal = metric.CheckPair(e, s)
	}
	if refusal == nil {
		_, refusal = p.quota.admit(pairID{e.ID(), s.ID()}, len(s.Columns), p.now)
	}
	if refusal != nil {
		for _, m := range r.members {
			p.refuse(m.point, refusal)
		}
		for _, point := range r.repeated {
			p.refuse(point, refusal)
		}
		return
	}
	f := frame{entity: p.g.defs.entity(e), schema: p.g.defs.schema(s.ID(), s), time: r.time}
	for _, m := range r.members {
		f.values = append(f.values, metric.CanonicalValue(m.value))
	}
	p.defs = append(p.defs, f.entity, f.schema)
	p.frames = append(p.frames, f)
	p.accepted += len(r.members) + len(r.repeated)
}

func tooManyLabels(n int, cfg *Config) *metric.Refusal {
	return &metric.Refusal{Reason: "entity_labels_too_many", Message: fmt.Sprintf("the point has %d labels, the limit is %d (collector.limits.entity_labels) and source is one of them: leave some out, or raise the setting", n, cfg.Limits.EntityLabels)}
}

func (p *push) refuse(point int, r *metric.Refusal) {
	p.refusals = append(p.refusals, &ingestv1.PointRefusal{Point: uint32(point), Reason: r.Reason, Message: sendable(r.Message)})
}

func (p *push) release() { p.g.defs.release(p.now, p.defs...) }

// store makes the frames durable.
func (p *push) store(ctx context.Context) error {
	if len(p.frames) == 0 {
		return nil
	}
	w := make(waiter, 1)
	if err := p.g.add(ctx, &batch{agentID: p.source, received: p.now, frames: p.frames}, w); err != nil {
		return err
	}
	select {
	case err := <-w:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait until the points are durable: %w", ctx.Err())
	}
}

// waiter waits for the answer to one push.
type waiter chan error

func (waiter) completeWith(b *gathered) int64 { return b.complete }

func (w waiter) confirmed(*gathered) { w <- nil }

func (w waiter) putOff(_ *gathered, r *ingestv1.Refusal) {
	w <- fault.New(fault.Unavailable, r.GetReason(), "%s; send this again in %s", r.GetMessage(), time.Duration(r.GetRetryAfterMs())*time.Millisecond)
}

func (w waiter) lost(_ *gathered, err error) { w <- err }
