package collector

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/metric"
)

const (
	// maxRefusals bounds how many frames of a batch are refused by name; the
	// last refusal says how many more there were.
	maxRefusals = 100
	// keptFrames is the largest batch whose memory is used again.
	keptFrames = 4096
)

// receive takes batches until the agent sends no more or the stream ends.
func (s *stream) receive() error {
	req := s.c.newIncoming()
	for {
		if err := s.c.receiveInto(s.ss, s.agent, req); err != nil {
			return err
		}
		b := req.GetBatch()
		if b == nil {
			return fault.New(fault.Invalid, "message_unexpected", "a second hello came: behind the first a stream carries batches only")
		}
		if err := s.take(b); err != nil {
			return err
		}
		if cap(b.Frames) > keptFrames { // too much to keep for the next
			req.Message, s.batch.frames = nil, nil
		}
	}
}

// take checks a batch and puts what is good of it into the record.
func (s *stream) take(m *ingestv1.Batch) error {
	select {
	case <-s.session.Superseded(): // a newer stream may be at work already
		return s.session.Cause()
	default:
	}
	if !s.acks.begin() {
		return io.EOF
	}
	now := s.c.deps.Now()
	b := &s.batch
	*b = batch{agentID: s.agent, sequence: m.GetSequence(), received: now, complete: max(0, m.GetCompleteMs()), frames: b.frames[:0]}
	if sent := m.GetSentAtMs(); sent != 0 {
		b.skewMS = sent - now.UnixMilli()
	}
	s.holds.came()
	putOff, err := s.check(m, b)
	switch {
	case err != nil:
		s.acks.drop()
		return err
	case putOff != nil:
		s.holds.add(b.sequence, oldestOf(m.GetFrames()))
		s.acks.decide(b.sequence, b.skewMS, putOff)
		return nil
	case len(b.frames) == 0: // nothing to make durable
		s.holds.done(b.sequence)
		s.acks.decide(b.sequence, b.skewMS, nil)
		return nil
	}
	if err := s.g.add(s.ctx, b, s); err != nil {
		s.acks.drop()
		return err
	}
	return nil
}

// check fills b with the frames that are accepted and queues refusals of the
// others. A refusal it returns puts off the whole batch.
func (s *stream) check(m *ingestv1.Batch, b *batch) (*ingestv1.Refusal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table
	if t == nil {
		return nil, io.EOF // the stream ended meanwhile
	}
	// Definitions count even where the frames are put off: they are not sent
	// again on this stream.
	if err := t.define(m, b.received); err != nil {
		return nil, err
	}
	samples := 0
	for _, f := range m.GetFrames() {
		samples += len(f.GetValues())
	}
	if wait := s.quota.take(samples, b.received); wait > 0 {
		s.c.metrics.putOffBatches.WithLabelValues("agent_sample_rate").Inc()
		return s.tooFast(b.sequence, wait), nil
	}
	if b.received.Sub(t.tidied) > s.c.cfg.IdleAfter/4 {
		t.tidy()
	}
	s.checkFrames(m.GetFrames(), b)
	return nil, nil
}

// oldestOf returns the time of the oldest frame, Unix milliseconds.
func oldestOf(frames []*ingestv1.Frame) int64 {
	oldest := int64(math.MaxInt64)
	for _, f := range frames {
		oldest = min(oldest, f.GetTimestampMs())
	}
	return oldest
}

func (s *stream) tooFast(sequence uint64, wait time.Duration) *ingestv1.Refusal {
	return &ingestv1.Refusal{
		Sequence: sequence, Reason: "agent_sample_rate", Retryable: true, RetryAfterMs: uint32(min(wait/time.Millisecond+1, math.MaxUint32)),
		Message: fmt.Sprintf("%s sends more than %d samples a second (collector.samples_per_second): the batch is taken later; measure less often or less, or raise the setting", s.quota.who, s.c.cfg.SamplesPerSecond),
	}
}

func (s *stream) checkFrames(in []*ingestv1.Frame, b *batch) {
	check := newFrameCheck(&s.c.cfg.Limits, b.received)
	var refusals []*ingestv1.Refusal
	refused := 0
	for i, f := range in {
		p, refusal := s.table.pair(f.GetEntity(), f.GetSchema())
		if refusal == nil {
			refusal = check.frame(p, f)
		}
		if refusal == nil {
			b.frames = append(b.frames, frame{entity: p.entity, schema: p.schema, time: f.GetTimestampMs(), values: f.GetValues()})
			continue
		}
		refused++
		s.c.metrics.refusedFrames.WithLabelValues(refusal.Reason).Inc()
		if len(refusals) < maxRefusals {
			refusals = append(refusals, &ingestv1.Refusal{Sequence: b.sequence, Frame: uint32(i), Reason: refusal.Reason, Message: sendable(refusal.Message)})
		}
	}
	if more := refused - len(refusals); more > 0 {
		last := refusals[len(refusals)-1]
		last.Message = fmt.Sprintf("%s (and %d more frames of this batch were refused)", last.Message, more)
	}
	s.acks.refuse(refusals...)
}

// frameCheck checks frames against what does not change within a batch.
type frameCheck struct {
	limits         *metric.Limits
	now            time.Time
	oldest, newest int64
}

func newFrameCheck(l *metric.Limits, now time.Time) frameCheck {
	return frameCheck{limits: l, now: now, oldest: now.Add(-l.Past).UnixMilli(), newest: now.Add(l.Future).UnixMilli()}
}

// frame checks one frame and makes its NaNs canonical, in place.
func (c *frameCheck) frame(p *pair, f *ingestv1.Frame) *metric.Refusal {
	values, t := f.GetValues(), f.GetTimestampMs()
	if len(values) != p.width {
		return &metric.Refusal{Reason: "frame_width", Message: fmt.Sprintf("the frame has %d values, schema %d has %d columns: send one value for each column", len(values), f.GetSchema(), p.width)}
	}
	if t < c.oldest || t > c.newest {
		if r := c.limits.CheckTime(t, c.now); r != nil {
			return r
		}
	}
	for i, v := range values {
		if v != v { //nolint:gocritic // true for NaN only
			values[i] = metric.CanonicalValue(v)
		}
	}
	if second := c.now.Unix(); p.live.used.Load() != second {
		p.live.used.Store(second)
	}
	p.last = max(p.last, t)
	return nil
}

// relabel ends the series of entities whose labels changed, with stale markers
// behind their last samples; what comes next has the new labels.
func (s *stream) relabel() error {
	now := s.c.deps.Now()
	ended, old := s.endOld()
	defer s.g.defs.release(now, old...)
	b := &batch{agentID: s.agent, received: now}
	for _, p := range ended {
		if p.last == 0 {
			continue // no frame came
		}
		values := slices.Repeat([]float64{metric.Stale()}, p.width)
		b.frames = append(b.frames, frame{entity: p.entity, schema: p.schema, time: p.last + 1, values: values})
	}
	if len(b.frames) == 0 {
		return nil
	}
	s.c.metrics.staleMarkers.Add(float64(len(b.frames)))
	return s.g.add(s.ctx, b, ending{s})
}

func (s *stream) endOld() (ended []*pair, old []*definition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table == nil { // the stream ended meanwhile
		return nil, nil
	}
	return s.table.relabel()
}

// ending answers for stale markers: nobody waits for them, but when they are not
// stored the stream ends and the agent's next one begins with the new labels.
type ending struct{ s *stream }

func (ending) completeWith(b *gathered) int64 { return b.complete }

func (ending) confirmed(*gathered) {}

func (e ending) putOff(*gathered, *ingestv1.Refusal) {
	e.s.fail(fault.New(fault.Unavailable, "log_full", "the labels of this agent changed and that could not be stored because the ingest log takes nothing: connect again"))
}

func (e ending) lost(_ *gathered, err error) { e.s.fail(err) }

// maxMessage bounds the message of a refusal: it may quote what was sent.
const maxMessage = 1 << 10

// sendable returns text that a message can carry.
func sendable(s string) string {
	if len(s) > maxMessage {
		s = s[:maxMessage] + "…"
	}
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s)) // each wrong byte becomes U+FFFD
}

// clip shortens text of a sender for a message.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return sendable(s)
}
