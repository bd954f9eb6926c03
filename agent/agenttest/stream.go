package agenttest

import (
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// Stream implements the ingest service.
func (s *Server) Stream(stream grpc.BidiStreamingServer[ingestv1.StreamRequest, ingestv1.StreamResponse]) error {
	leaf, err := s.agent(stream.Context())
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	hello := first.GetHello()
	if hello == nil {
		s.t.Error("the first message of a stream is no hello")
		return status.Error(codes.InvalidArgument, "hello first")
	}
	s.mu.Lock()
	s.hellos = append(s.hellos, hello)
	s.serial = leaf.SerialNumber.String()
	b, leaving := s.behaviour, s.leaving
	s.mu.Unlock()
	if b.OnHello != nil {
		if err := b.OnHello(hello); err != nil {
			return err
		}
	}
	if err := s.welcome(stream, hello, b); err != nil {
		return err
	}
	c := &conversation{s: s, stream: stream, spool: hello.GetSpoolId(), addr: s.Addr(), known: newDictionary()}
	ended := make(chan error, 1)
	go func() {
		defer c.delayed.Wait()
		ended <- c.run()
	}()
	select {
	case err := <-ended:
		c.delayed.Wait()
		return err
	case <-leaving:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.leave
	}
}

func (s *Server) welcome(stream grpc.BidiStreamingServer[ingestv1.StreamRequest, ingestv1.StreamResponse], hello *ingestv1.Hello, b Behaviour) error {
	counter, err := s.connect(hello)
	if err != nil {
		return err
	}
	w := &ingestv1.Welcome{ConnectCounter: counter, ClockMs: time.Now().UnixMilli(), Window: b.Window, MaxBatchBytes: b.MaxBatchBytes}
	if w.Window == 0 {
		w.Window = 64
	}
	if w.MaxBatchBytes == 0 {
		w.MaxBatchBytes = 1 << 20
	}
	return stream.Send(&ingestv1.StreamResponse{Message: &ingestv1.StreamResponse_Welcome{Welcome: w}})
}

// connect returns the next connect counter.
func (p *platform) connect(hello *ingestv1.Hello) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A copy comes back two behind what was given out.
	if got := hello.GetConnectCounter(); got+1 < p.counter {
		return 0, Denied("identity_cloned", fmt.Sprintf("the agent comes with counter %d, %d was given out", got, p.counter))
	}
	p.counter++
	return p.counter, nil
}

// conversation is one stream.
type conversation struct {
	s       *Server
	stream  grpc.BidiStreamingServer[ingestv1.StreamRequest, ingestv1.StreamResponse]
	spool   string
	addr    string      // of the server
	known   *dictionary // guarded by the platform's mu: delayed answers read it
	delayed sync.WaitGroup
	sending sync.Mutex // a stream takes one send at a time
}

func (c *conversation) run() error {
	for {
		m, err := c.stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the agent went; that is no failure of the fake
		}
		b := m.GetBatch()
		if b == nil {
			c.s.t.Error("a message of a stream is no batch")
			continue
		}
		c.s.mu.Lock()
		behaviour := c.s.behaviour
		c.s.mu.Unlock()
		answer := Accept
		if behaviour.OnBatch != nil {
			answer = behaviour.OnBatch(b)
		}
		c.s.platform.mu.Lock()
		err = c.known.learn(b)
		c.s.platform.mu.Unlock()
		if err != nil {
			c.s.t.Errorf("batch %d: %v", b.GetSequence(), err)
		}
		if answer.Drop {
			return status.Error(codes.Unavailable, "the connection is cut")
		}
		if answer.End != nil {
			return answer.End
		}
		if answer.Delay > 0 {
			c.delayed.Go(func() {
				select {
				case <-time.After(answer.Delay):
					c.answer(b, answer, behaviour)
				case <-c.stream.Context().Done():
				}
			})
			continue
		}
		c.answer(b, answer, behaviour)
	}
}

func (c *conversation) answer(b *ingestv1.Batch, a Answer, behaviour Behaviour) {
	if a.Hold {
		return
	}
	ack := &ingestv1.Ack{ClockMs: time.Now().UnixMilli(), SkewMs: behaviour.SkewMS}
	if a.Refusal != nil {
		a.Refusal.Sequence = b.GetSequence()
		ack.Refusals = []*ingestv1.Refusal{a.Refusal}
	}
	if a.Refusal == nil || !a.Refusal.GetRetryable() && !a.SkipAck {
		c.s.keep(c, b)
		ack.Ranges = []*ingestv1.SequenceRange{{First: b.GetSequence(), Last: b.GetSequence()}}
	}
	if a.Overclaim {
		ack.Ranges = []*ingestv1.SequenceRange{{First: 0, Last: 1<<64 - 1}}
	}
	if a.Lose {
		return
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	_ = c.stream.Send(&ingestv1.StreamResponse{Message: &ingestv1.StreamResponse_Ack{Ack: ack}}) // the agent may be gone
}
