package relay

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/encoding"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

const (
	// openTimeout is how long a collector may take to open a stream.
	openTimeout = 15 * time.Second
	// mostOffers is how many collectors a stream is offered to.
	mostOffers = 3
)

// stream passes an agent's stream on until either side ends it.
func (r *Relay) stream(ctx context.Context, ss grpc.ServerStream) error {
	hello, err := r.first(ss)
	if err != nil {
		return err
	}
	up, welcome, err := r.open(ctx, hello)
	hello.free()
	if err != nil {
		return err
	}
	defer up.cancel(nil)
	// Acknowledgements are a few bytes: compressing them costs more than it saves.
	if err := grpc.SetSendCompressor(ss.Context(), encoding.Identity); err != nil {
		r.log.Debug("acknowledgements are compressed", "error", err)
	}
	s := &stream{r: r, agent: ss, up: up}
	go s.requests()
	ended := make(chan struct{})
	defer close(ended)
	go s.endOnDrain(ended)
	return s.answers(welcome)
}

// stream is one agent's stream and what it is to the centre. One goroutine passes
// requests, another answers.
type stream struct {
	r     *Relay
	agent grpc.ServerStream
	up    *opened

	mu     sync.Mutex // held while something is sent to the centre; guards closed
	closed bool
}

// requests passes on what the agent sends until the centre takes no more. It waits
// for each message to be on its way: what the centre does not take, the agent cannot
// send.
func (s *stream) requests() {
	for {
		var f frame
		err := s.agent.RecvMsg(&f)
		if errors.Is(err, io.EOF) {
			s.closeSend()
			return
		}
		if err != nil {
			s.up.cancel(err)
			return
		}
		passed := s.send(&f)
		f.free()
		if !passed {
			return
		}
	}
}

func (s *stream) send(f *frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.up.SendMsg(f) != nil { // what is wrong, answers finds
		return false
	}
	s.r.metrics.toCentre.Add(float64(f.len()))
	return true
}

func (s *stream) closeSend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		_ = s.up.CloseSend() // it never fails
	}
}

// endOnDrain tells the centre that nothing more comes when the relay stops: it
// answers what it has and ends the stream.
func (s *stream) endOnDrain(ended <-chan struct{}) {
	select {
	case <-s.r.draining:
		s.closeSend()
	case <-ended:
	}
}

// answers passes on what the centre answers, and returns how the stream ends for the
// agent.
func (s *stream) answers(f *frame) error {
	for {
		err := s.agent.SendMsg(f)
		s.r.metrics.toAgents.Add(float64(f.len()))
		f.free()
		if err != nil {
			return err //nolint:wrapcheck // nobody is there to read it
		}
		f = &frame{}
		err = s.up.RecvMsg(f)
		switch {
		case errors.Is(err, io.EOF) && s.drained():
			return errDraining
		case errors.Is(err, io.EOF):
			return nil
		case context.Cause(s.up.ctx) != nil: // the agent went, or gRPC ended its call
			return context.Cause(s.up.ctx) //nolint:wrapcheck // the end of the call, classified as such
		case err != nil:
			return s.r.uplink.explainEnd(err, s.up.Trailer())
		}
	}
}

func (s *stream) drained() bool {
	select {
	case <-s.r.draining:
		return true
	default:
		return false
	}
}

// opened is a stream at a collector.
type opened struct {
	grpc.ClientStream
	ctx    context.Context // ends with the agent's call, or by cancel
	cancel context.CancelCauseFunc
}

// open opens the stream at a collector and returns its first answer. One that does
// not take it because it stops, or is gone, is passed over for another.
func (r *Relay) open(ctx context.Context, hello *frame) (*opened, *frame, error) {
	for offers := 1; ; offers++ {
		up, welcome, err := r.offer(ctx, hello)
		switch {
		case err == nil:
			return up, welcome, nil
		case ctx.Err() != nil:
			return nil, nil, ctx.Err() //nolint:wrapcheck // the end of the call, classified as such
		case offers == mostOffers || !elsewhere(err) || r.deps.Uplink.GetState() != connectivity.Ready:
			return nil, nil, err
		}
		r.metrics.retries.Inc()
	}
}

// offer opens the stream at the collector whose turn it is.
func (r *Relay) offer(ctx context.Context, hello *frame) (*opened, *frame, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timeout := time.AfterFunc(openTimeout, func() { cancel(context.DeadlineExceeded) })
	defer timeout.Stop()
	desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	s, err := r.deps.Uplink.NewStream(ctx, desc, ingestv1.IngestService_Stream_FullMethodName, grpc.ForceCodecV2(codec{}), grpc.UseCompressor(zstdgrpc.Name))
	if err != nil {
		cancel(nil)
		return nil, nil, r.uplink.explain(err, nil)
	}
	welcome := &frame{}
	if err = s.SendMsg(hello); err == nil || errors.Is(err, io.EOF) { // then the answer says why
		err = s.RecvMsg(welcome)
	}
	if err != nil {
		cancel(nil)
		if errors.Is(err, io.EOF) {
			return nil, nil, fault.New(fault.Unavailable, reasonUplink, "a central collector ended the stream without a word: connect again")
		}
		return nil, nil, r.uplink.explain(err, s.Trailer())
	}
	r.metrics.toCentre.Add(float64(hello.len()))
	return &opened{ClientStream: s, ctx: ctx, cancel: cancel}, welcome, nil
}

// elsewhere tells whether another collector may take what this one did not.
func elsewhere(err error) bool {
	switch fault.FromGRPC(fault.GRPC(err)).Reason {
	case reasonUplink, reasonDraining, "node_stopping":
		return true
	}
	return false
}
