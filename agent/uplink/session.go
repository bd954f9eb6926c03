package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/spool"
)

type clientStream = grpc.BidiStreamingClient[ingestv1.StreamRequest, ingestv1.StreamResponse]

// maxDefinitions is how many definitions a stream may carry before it is opened
// anew: things that come and go must not fill the memory of either side.
const maxDefinitions = 50_000

// session is one stream. One goroutine sends, another receives.
type session struct {
	u       *Uplink
	server  string
	cancel  context.CancelCauseFunc
	backoff *backoff
	inbox   *inbox
	opened  atomic.Bool // the welcome came

	stream   clientStream
	spoolID  string
	maxBytes int
	window   *window
	known    spool.Known
	carried  map[uint64]carried // definitions that batches under way brought
	putOffs  map[uint64]int     // how often the server put a batch off
	stall    *time.Timer
	closing  bool // no backlog any more: what is under way is waited for
	recycle  bool // and the stream is opened anew
}

// carried are the numbers of the definitions that a batch brought.
type carried struct{ schemas, entities []uint32 }

var (
	errConnectTimeout = errors.New("the server did not say welcome in time; check that the address is that of the agents' port")
	errStalled        = errors.New("the server stopped acknowledging")
	errStopped        = errors.New("the agent stops")
	errDrainTimeout   = errors.New("the last batches were not acknowledged in time; they stay in the spool")
)

// stopConnecting ends the session unless it is established: an established one
// drains.
func (s *session) stopConnecting() {
	if !s.opened.Load() {
		s.cancel(errStopped)
	}
}

// serve runs the stream: ctx ends with the agent, sctx with the stream.
func (s *session) serve(ctx, sctx context.Context, client ingestv1.IngestServiceClient) error {
	if err := s.open(sctx, client); err != nil {
		return err
	}
	s.stall = time.AfterFunc(s.u.cfg.AckTimeout, func() { s.cancel(errStalled) })
	s.stall.Stop()
	defer s.stall.Stop()
	received := make(chan struct{})
	go func() {
		defer close(received)
		s.inbox.fill(s.stream)
	}()
	err := s.loop(ctx, sctx)
	s.cancel(nil)
	<-received
	return err
}

// open says hello and waits for the welcome.
func (s *session) open(sctx context.Context, client ingestv1.IngestServiceClient) error {
	timeout := time.AfterFunc(s.u.cfg.ConnectTimeout, func() { s.cancel(errConnectTimeout) })
	defer timeout.Stop()
	id, first, last, err := s.u.spool.Span(sctx)
	if err != nil {
		return err
	}
	agentID := s.u.identity.Identity().AgentID
	if s.stream, err = client.Stream(sctx); err != nil {
		return fmt.Errorf("open a stream: %w", err)
	}
	// A failed send says only EOF: the reason comes with the receive.
	if err := s.stream.Send(s.hello(id)); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("say hello: %w", err)
	}
	resp, err := s.stream.Recv()
	if err != nil {
		return fmt.Errorf("wait for the welcome: %w", err)
	}
	welcome := resp.GetWelcome()
	if welcome == nil {
		return errors.New("the server's first message is no welcome; agent and server do not fit together")
	}
	// The counter is on the disk before anything is sent under it.
	if err := s.u.identity.SetCounter(agentID, welcome.GetConnectCounter()); err != nil {
		return fmt.Errorf("store the connect counter: %w", err)
	}
	s.begin(id, first, last, welcome)
	return nil
}

func (s *session) hello(spoolID string) *ingestv1.StreamRequest {
	h := s.u.cfg.Host
	return &ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: &ingestv1.Hello{
		AgentVersion: s.u.cfg.Version, SpoolId: spoolID,
		ConnectCounter: s.u.identity.Counter(), ClockMs: s.u.now().UnixMilli(),
		Host: &ingestv1.HostFacts{
			HostName: h.HostName, HostId: h.HostID, OsType: h.OSType, OsDescription: h.OSDescription, Arch: h.Arch,
		},
	}}}
}

func (s *session) begin(id string, first, last uint64, w *ingestv1.Welcome) {
	limit := s.u.cfg.Window
	if n := int(w.GetWindow()); n > 0 && n < limit {
		limit = n
	}
	s.spoolID, s.maxBytes = id, int(w.GetMaxBatchBytes())
	s.window = newWindow(limit, first, last)
	s.known = spool.Known{Schemas: map[uint32]bool{}, Entities: map[uint32]bool{}}
	s.carried, s.putOffs = map[uint64]carried{}, map[uint64]int{}
	s.opened.Store(true)
	s.u.state.connected(s.u.now(), s.server, w.GetClockMs())
	s.u.log.Info("connected", "server", s.server, "backlog_batches", s.u.spool.Stats().Batches)
}

// loop sends and handles what comes back until the stream ends. It returns nil
// after a clean drain.
func (s *session) loop(ctx, sctx context.Context) error {
	stop := ctx.Done()
	var drain *time.Timer
	defer func() {
		if drain != nil {
			drain.Stop()
		}
	}()
	for {
		if err := s.send(sctx); err != nil {
			return err
		}
		if s.closing && len(s.window.flight) == 0 {
			return s.finish()
		}
		due, stopTimer := s.dueTimer()
		select {
		case <-stop:
			stop, s.closing, s.recycle = nil, true, false
			drain = time.AfterFunc(s.u.cfg.DrainTimeout, func() { s.cancel(errDrainTimeout) })
		case <-s.u.renewed:
			if !s.closing {
				s.closing, s.recycle = true, true
			}
		case <-sctx.Done():
			return context.Cause(sctx)
		case <-s.u.spool.Appended():
		case <-due:
		case <-s.inbox.ready:
		}
		stopTimer()
		if err := s.receive(sctx); err != nil {
			return err
		}
	}
}

// dueTimer fires when a batch that was put off may go again.
func (s *session) dueTimer() (<-chan time.Time, func()) {
	due, ok := s.window.due()
	if !ok {
		return nil, func() {}
	}
	t := time.NewTimer(max(0, due.Sub(s.u.now())))
	return t.C, func() { t.Stop() }
}

// finish ends the stream in order.
func (s *session) finish() error {
	if err := s.stream.CloseSend(); err != nil {
		return fmt.Errorf("close the stream: %w", err)
	}
	if s.recycle {
		return errRecycle
	}
	return nil
}

// send sends as much as the windows allow.
func (s *session) send(sctx context.Context) error {
	for {
		id, _, last, err := s.u.spool.Span(sctx)
		if err != nil {
			return err
		}
		if id != s.spoolID {
			return errRecycle // a damaged spool was replaced: its numbers begin anew
		}
		l, r := s.window.pick(s.u.now(), last, s.closing)
		if l == noLane || s.recycle {
			return nil
		}
		b, err := s.u.spool.Read(sctx, s.spoolID, r.First, r.Last)
		switch {
		case errors.Is(err, spool.ErrReplaced):
			return errRecycle
		case err != nil:
			return err
		case b == nil:
			s.window.none(l, r)
			continue
		case l == liveLane && s.u.now().Sub(time.UnixMilli(b.To)) > s.u.cfg.LiveAge && !s.closing:
			s.window.stale(last)
			continue
		}
		if err := s.sendBatch(sctx, l, b); err != nil {
			return err
		}
	}
}

// sendBatch sends one batch with the definitions that the server lacks.
func (s *session) sendBatch(sctx context.Context, l lane, b *spool.Batch) error {
	schemas, entities, err := s.u.spool.Definitions(b.Frames, s.known)
	if err != nil {
		return fmt.Errorf("describe batch %d: %w", b.Sequence, err)
	}
	m := &ingestv1.Batch{
		Sequence: b.Sequence, SentAtMs: s.u.now().UnixMilli(), Backlog: l != liveLane,
		Schemas: schemas, Entities: entities, Frames: b.Frames,
	}
	if s.maxBytes > 0 && m.SizeVT() > s.maxBytes {
		err := s.u.spool.Split(sctx, s.spoolID, b)
		if errors.Is(err, spool.ErrReplaced) {
			return errRecycle
		}
		s.window.passed(l, b.Sequence)
		return err
	}
	if len(s.window.flight) == 0 {
		s.stall.Reset(s.u.cfg.AckTimeout)
	}
	if err := s.stream.Send(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Batch{Batch: m}}); err != nil {
		if errors.Is(err, io.EOF) {
			return s.inbox.reason(sctx)
		}
		return fmt.Errorf("send batch %d: %w", b.Sequence, err)
	}
	s.window.sent(l, b.Sequence)
	s.remember(b.Sequence, schemas, entities)
	s.u.state.sent(l, len(s.window.flight))
	if len(s.known.Entities) > maxDefinitions {
		s.closing, s.recycle = true, true
	}
	return nil
}

// remember notes which definitions the server has now.
func (s *session) remember(sequence uint64, schemas []*ingestv1.SchemaDefinition, entities []*ingestv1.EntityDefinition) {
	if len(schemas)+len(entities) == 0 {
		return
	}
	var c carried
	for _, d := range schemas {
		s.known.Schemas[d.GetId()] = true
		c.schemas = append(c.schemas, d.GetId())
	}
	for _, d := range entities {
		s.known.Entities[d.GetId()] = true
		c.entities = append(c.entities, d.GetId())
	}
	s.carried[sequence] = c
}

// forget makes the definitions that a batch brought be sent again: a server that
// put the batch off need not have kept them.
func (s *session) forget(sequence uint64) {
	c := s.carried[sequence]
	for _, id := range c.schemas {
		delete(s.known.Schemas, id)
	}
	for _, id := range c.entities {
		delete(s.known.Entities, id)
	}
	delete(s.carried, sequence)
}

// receive handles what came in.
func (s *session) receive(sctx context.Context) error {
	acks, err := s.inbox.take()
	for _, a := range acks {
		if err := s.ack(sctx, a); err != nil {
			return err
		}
	}
	if err != nil && s.closing && len(s.window.flight) == 0 {
		return s.finish()
	}
	return err
}

func (s *session) ack(sctx context.Context, a *ingestv1.Ack) error {
	now := s.u.now()
	for _, r := range a.GetRefusals() {
		s.u.refused(sctx, r)
		if r.GetRetryable() {
			s.window.postpone(r.GetSequence(), now.Add(s.wait(r)))
			s.forget(r.GetSequence())
		}
	}
	var acked []spool.Range
	for _, r := range a.GetRanges() {
		acked = append(acked, s.window.answered(spool.Range{First: r.GetFirst(), Last: r.GetLast()})...)
	}
	if len(s.window.flight) == 0 {
		s.stall.Stop()
	} else {
		s.stall.Reset(s.u.cfg.AckTimeout)
	}
	s.u.state.acked(now, a, len(acked) > 0, len(s.window.flight))
	s.u.noteSkew(sctx, a.GetSkewMs())
	if len(acked) == 0 {
		return nil
	}
	for _, r := range acked {
		for seq := r.First; seq <= r.Last; seq++ {
			delete(s.carried, seq)
			delete(s.putOffs, seq)
		}
	}
	s.backoff.reset() // a stream that works, not one that is only opened
	err := s.u.spool.Ack(sctx, s.spoolID, acked)
	if errors.Is(err, spool.ErrReplaced) {
		return errRecycle
	}
	return err
}

// wait returns how long a batch waits that the server put off: as long as it
// asks for, within bounds, and a random time on top whose bound doubles with each
// refusal. A fleet that was put off together must not come back together.
func (s *session) wait(r *ingestv1.Refusal) time.Duration {
	asked := time.Duration(r.GetRetryAfterMs()) * time.Millisecond
	asked = min(max(asked, 100*time.Millisecond), 5*time.Minute)
	n := s.putOffs[r.GetSequence()]
	s.putOffs[r.GetSequence()] = n + 1
	more := min(asked<<min(n, 10), max(asked, s.u.cfg.BackoffMax))
	return asked + time.Duration(s.backoff.random(int64(more)+1))
}

// inbox holds what was received until the sending goroutine looks. It takes as
// much as comes, so that the server never waits for a sender that waits for the
// server; the window bounds how much that can be.
type inbox struct {
	ready chan struct{}
	ended chan struct{} // closed with err set

	mu   sync.Mutex // guards what follows
	acks []*ingestv1.Ack
	err  error
}

func newInbox() *inbox {
	return &inbox{ready: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (i *inbox) fill(stream clientStream) {
	for {
		resp, err := stream.Recv()
		i.mu.Lock()
		if err != nil {
			i.err = fmt.Errorf("the stream ended: %w", err)
		} else if a := resp.GetAck(); a != nil {
			i.acks = append(i.acks, a)
		}
		i.mu.Unlock()
		select {
		case i.ready <- struct{}{}:
		default: // signalled already
		}
		if err != nil {
			close(i.ended)
			return
		}
	}
}

func (i *inbox) take() ([]*ingestv1.Ack, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	acks := i.acks
	i.acks = nil
	return acks, i.err
}

// reason waits for the error that ended the stream.
func (i *inbox) reason(ctx context.Context) error {
	select {
	case <-i.ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	_, err := i.take()
	return err
}
