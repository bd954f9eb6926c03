package collector

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
)

// stream is one agent's stream. Three goroutines may work on it: the call itself,
// which waits for reasons to end it; one that receives; and, now and then, one
// that sends acknowledgements. Only the first can free the others from a peer
// that neither sends nor reads, by returning.
type stream struct {
	c       *Collector
	g       *gatherer
	ss      ingestv1.IngestService_StreamServer
	ctx     context.Context // of the call: it ends when the peer goes or the call returns
	agent   string
	session Session
	quota   *quota
	acks    *acks
	holds   holds

	failOnce sync.Once
	broken   chan struct{} // closed when failure is set
	failure  error

	mu    sync.Mutex // guards table: labels change while frames come
	table *table

	batch batch // the one being received; its memory is used again
}

// Stream implements ingestv1.IngestServiceServer.
func (c *Collector) Stream(ss ingestv1.IngestService_StreamServer) error {
	if !c.streams.enter() {
		return errDraining
	}
	defer c.streams.leave()
	c.metrics.streams.Inc()
	defer c.metrics.streams.Dec()
	err := c.stream(ss)
	c.metrics.ended.WithLabelValues(endOf(err)).Inc()
	return err
}

// endOf names the end of a stream for the metric.
func endOf(err error) string {
	switch {
	case err == nil:
		return "closed"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.Canceled:
		return "disconnected"
	}
	return fault.FromGRPC(fault.GRPC(err)).Reason
}

func (c *Collector) stream(ss ingestv1.IngestService_StreamServer) error {
	agent, ok := c.deps.Agent(ss.Context())
	if !ok {
		return fault.New(fault.Unauthenticated, "certificate_missing", "a stream needs the certificate of an agent: enrol first")
	}
	hellos := make(chan firstMessage, 1)
	go c.receiveHello(ss, agent, hellos)
	hello, err := c.awaitHello(ss.Context(), hellos)
	if err != nil {
		return err
	}
	session, err := c.deps.Connect(ss.Context(), agent, hello)
	if err != nil {
		return err
	}
	defer session.Close()
	s := c.newStream(ss, agent, session)
	defer s.close()
	if err := s.welcome(); err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() { received <- s.receive() }()
	return s.wait(received)
}

// firstMessage is what came first on a stream: a hello, or why there is none.
type firstMessage struct {
	hello *ingestv1.Hello
	err   error
}

func (c *Collector) receiveHello(ss ingestv1.IngestService_StreamServer, agent string, hellos chan<- firstMessage) {
	req := c.newIncoming()
	err := c.receiveInto(ss, agent, req)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		hellos <- firstMessage{err: err}
	case req.GetHello() == nil:
		hellos <- firstMessage{err: fault.New(fault.Invalid, "hello_missing", "the stream did not begin with a hello: send one before all else")}
	default:
		hellos <- firstMessage{hello: req.GetHello()}
	}
}

func (c *Collector) awaitHello(ctx context.Context, hellos <-chan firstMessage) (*ingestv1.Hello, error) {
	timeout := time.NewTimer(c.cfg.HelloTimeout)
	defer timeout.Stop()
	select {
	case first := <-hellos:
		return first.hello, first.err
	case <-timeout.C:
		return nil, fault.New(fault.Unavailable, "hello_timeout", "no hello came within %s (collector.hello_timeout): send it as soon as the stream is open", c.cfg.HelloTimeout)
	case <-c.draining:
		return nil, errDraining
	case <-ctx.Done():
		return nil, ctx.Err() //nolint:wrapcheck // likewise
	}
}

func (c *Collector) newStream(ss ingestv1.IngestService_StreamServer, agent string, session Session) *stream {
	q := c.quotas.use("agent " + agent)
	s := &stream{c: c, g: c.gatherer(agent), ss: ss, ctx: ss.Context(), agent: agent, session: session, quota: q, holds: holds{window: int(c.cfg.Window)}, broken: make(chan struct{})}
	s.table = newTable(&c.cfg, s.g.defs, q, session)
	s.acks = newAcks(s.sendAck, s.fail)
	return s
}

func (s *stream) welcome() error {
	// Acknowledgements are a few bytes: compressing them costs more than it saves.
	if err := grpc.SetSendCompressor(s.ctx, encoding.Identity); err != nil {
		s.c.log.Debug("acknowledgements are compressed", "error", err)
	}
	return s.ss.Send(&ingestv1.StreamResponse{Message: &ingestv1.StreamResponse_Welcome{Welcome: &ingestv1.Welcome{
		ConnectCounter: s.session.Counter(), ClockMs: s.c.deps.Now().UnixMilli(),
		MaxBatchBytes: uint32(s.c.cfg.MaxBatchBytes), Window: s.c.cfg.Window,
	}}})
}

// wait returns when the stream is to end, and why.
func (s *stream) wait(received <-chan error) error {
	changed, relabelled := s.session.Changed(), make(chan error, 1)
	for {
		select {
		case <-s.session.Superseded():
			return s.session.Cause()
		case <-changed: // one at a time, and not here: it may have to wait for room
			changed = nil
			go func() { relabelled <- s.relabel() }()
		case err := <-relabelled:
			if err != nil && !errors.Is(err, errDraining) {
				return err
			}
			changed = s.session.Changed()
		case <-s.broken:
			return s.failure
		case <-s.c.drained:
			return s.settled(errDraining)
		case <-s.ctx.Done():
			return s.ctx.Err() //nolint:wrapcheck // the end of the call, classified as such
		case err := <-received:
			switch {
			case errors.Is(err, io.EOF): // the agent sends no more and waits for its answers
				return s.settled(nil)
			case errors.Is(err, errDraining): // what was taken is answered first
				received = nil
			default: // likewise: or a bad batch would keep those before it from ever being answered
				return s.settled(err)
			}
		}
	}
}

// settled sends all answers, then returns err, or why the stream failed.
func (s *stream) settled(err error) error {
	done := make(chan struct{})
	go func() {
		s.acks.settle()
		close(done)
	}()
	select {
	case <-done:
	case <-s.broken:
		return s.failure
	case <-s.session.Superseded():
		return s.session.Cause()
	case <-s.ctx.Done():
		return s.ctx.Err() //nolint:wrapcheck // the end of the call, classified as such
	}
	select {
	case <-s.broken:
		return s.failure
	default:
		return err
	}
}

// close frees what the stream holds, and the goroutines that wait on it.
func (s *stream) close() {
	s.acks.stop()
	now := s.c.deps.Now()
	s.mu.Lock()
	s.table.close(now)
	s.table = nil
	s.mu.Unlock()
	s.c.quotas.release(s.quota, now)
}

func (s *stream) fail(err error) {
	s.failOnce.Do(func() {
		s.failure = err
		close(s.broken)
	})
}

func (s *stream) sendAck(a *ingestv1.Ack) error {
	now := s.c.deps.Now()
	a.ClockMs = now.UnixMilli()
	if err := s.ss.Send(&ingestv1.StreamResponse{Message: &ingestv1.StreamResponse_Ack{Ack: a}}); err != nil {
		return err //nolint:wrapcheck // a status
	}
	if len(a.GetRanges()) > 0 {
		s.session.Acked(now, a.GetSkewMs())
	}
	return nil
}

// completeWith implements answer.
func (s *stream) completeWith(b *gathered) int64 { return s.holds.bound(b.sequence, b.complete) }

// confirmed implements answer.
func (s *stream) confirmed(b *gathered) {
	s.holds.done(b.sequence)
	s.acks.decide(b.sequence, b.skewMS, nil)
}

// putOff implements answer.
func (s *stream) putOff(b *gathered, r *ingestv1.Refusal) {
	s.holds.add(b.sequence, b.oldest)
	s.acks.decide(b.sequence, b.skewMS, r)
}

// lost implements answer.
func (s *stream) lost(_ *gathered, err error) {
	s.fail(err)
	s.acks.drop()
}
