package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/spool"
)

type clientStream = grpc.BidiStreamingClient[ingestv1.StreamRequest, ingestv1.StreamResponse]

// maxDefinitions is how many definitions a stream may carry before it is opened
// anew: things that come and go must not fill the memory of either side.
const maxDefinitions = 50_000

// session is one stream. One goroutine sends, another receives.
type session struct {
	u       *Uplink
	to      collectors.Candidate
	conn    *collectors.Conn
	cancel  context.CancelCauseFunc
	backoff *backoff
	failed  []error // of collectors tried before this one
	inbox   *inbox
	opened  atomic.Bool // the welcome came

	since    time.Time // of the welcome
	acked    bool      // something was acknowledged
	stream   clientStream
	spoolID  string
	maxBytes int
	window   *window
	known    spool.Known
	carried  map[uint64]carried // definitions that batches under way brought
	putOffs  map[uint64]int     // how often the server put a batch off
	stall    *time.Timer
	closing  bool  // no backlog any more: what is under way is waited for
	next     error // errRecycle or errAway: nothing is sent any more, and the stream is opened anew
	drain    *time.Timer
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

// steady tells whether the stream carried data for some time.
func (s *session) steady() bool {
	return s.acked && s.u.now().Sub(s.since) >= s.u.cfg.SteadyAfter
}

// serve runs the stream: ctx ends with the agent, sctx with the stream; limit is
// how long it may take until the welcome.
func (s *session) serve(ctx, sctx context.Context, limit time.Duration) error {
	if err := s.open(sctx, limit); err != nil {
		return err
	}
	s.stall = time.AfterFunc(s.u.cfg.AckTimeout, func() { s.cancel(errStalled) })
	s.stall.Stop()
	defer s.stall.Stop()
	received, away := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(received)
		s.inbox.fill(s.stream)
	}()
	// After a GOAWAY the stream goes on, but gRPC uses the connection for no other.
	go func() {
		defer close(away)
		s.conn.WaitForStateChange(sctx, connectivity.Ready)
	}()
	err := s.loop(ctx, sctx, away)
	if s.drain != nil {
		s.drain.Stop()
	}
	if is, itself := saidTooLarge(err); is {
		err = s.split(sctx, err, itself)
	}
	s.cancel(nil)
	<-received
	<-away
	return err
}

// open says hello and waits for the welcome.
func (s *session) open(sctx context.Context, limit time.Duration) error {
	timeout := time.AfterFunc(limit, func() { s.cancel(errConnectTimeout) })
	defer timeout.Stop()
	id, first, last, err := s.u.spool.Span(sctx)
	if err != nil {
		return own(err)
	}
	agentID := s.u.identity.Identity().AgentID
	if s.stream, err = ingestv1.NewIngestServiceClient(s.conn).Stream(sctx); err != nil {
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
		return own(fmt.Errorf("store the connect counter: %w", err))
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
	s.since = s.u.now()
	s.opened.Store(true)
	s.u.state.connected(s.since, s.to.String(), w.GetClockMs())
	attrs := []any{"server", s.to.String(), "backlog_batches", s.u.spool.Stats().Batches}
	if len(s.failed) > 0 {
		attrs = append(attrs, "failed_before", errors.Join(s.failed[:min(len(s.failed), maxLogged)]...))
	}
	s.u.log.Info("connected", attrs...)
}

// loop sends and handles what comes back until the stream ends. It returns nil
// after a clean drain. away is closed when the server wants no more on the
// connection, and at the end.
func (s *session) loop(ctx, sctx context.Context, away <-chan struct{}) error {
	stop := ctx.Done()
	for {
		if err := s.send(sctx); err != nil {
			return err
		}
		if s.closing && len(s.window.flight) == 0 {
			return s.finish(sctx)
		}
		due, stopTimer := s.dueTimer()
		select {
		case <-stop:
			stop, s.next = nil, nil
			s.close(errDrainTimeout)
		case <-s.u.renewed:
			s.leave(errRecycle)
		case <-away:
			away = nil
			s.leave(errAway)
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

// leave has the stream end as soon as what is under way is answered, and be
// opened anew. What is not answered in time is sent again then.
func (s *session) leave(next error) {
	if s.closing {
		return
	}
	s.next = next
	s.close(next)
}

// close begins the end of the stream; what is under way may take DrainTimeout.
func (s *session) close(late error) {
	s.closing = true
	if s.drain != nil {
		s.drain.Stop()
	}
	s.drain = time.AfterFunc(s.u.cfg.DrainTimeout, func() { s.cancel(late) })
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
func (s *session) finish(sctx context.Context) error {
	if err := s.stream.CloseSend(); err != nil {
		return fmt.Errorf("close the stream: %w", err)
	}
	if s.next == nil {
		return nil
	}
	// A connection that broke looks like one that the server wants to end, until
	// the stream has ended.
	if err := s.inbox.wait(sctx); err != nil {
		return err
	}
	if _, err := s.inbox.take(); !errors.Is(err, io.EOF) && !goneAway(err) {
		return err
	}
	return s.next
}
