package relay

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/fault"
)

const (
	// firstTimeout is how long an agent may take for the first message of a call.
	firstTimeout = 20 * time.Second
	// callTimeout bounds a call that is no stream.
	callTimeout = 30 * time.Second
)

// handle passes a call of an agent on; what agents do not call nobody may call here.
func (r *Relay) handle(_ any, ss grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(ss)
	ctx, err := r.outgoing(ss.Context(), method)
	if err != nil {
		r.metrics.refused.WithLabelValues(refusalReason(err)).Inc()
		return err
	}
	if method != ingestv1.IngestService_Stream_FullMethodName {
		return r.call(ctx, ss, method)
	}
	if !r.enter() {
		r.metrics.refused.WithLabelValues(reasonDraining).Inc()
		return errDraining
	}
	defer r.streams.Done()
	r.metrics.streams.Inc()
	defer r.metrics.streams.Dec()
	err = r.stream(ctx, ss)
	r.metrics.ended.WithLabelValues(endOf(err)).Inc()
	return err
}

func refusalReason(err error) string {
	if status.Code(err) == codes.Unimplemented {
		return "unknown_call"
	}
	return fault.ReasonOf(err)
}

// endOf names the end of a stream for the metric.
func endOf(err error) string {
	switch {
	case err == nil:
		return "closed"
	case errors.Is(err, context.Canceled), status.Code(err) == codes.Canceled:
		return "disconnected"
	}
	return fault.FromGRPC(fault.GRPC(err)).Reason
}

// outgoing returns the context of the call to the centre, with who the agent is in
// it. Nothing that the agent itself sent as metadata is passed on.
func (r *Relay) outgoing(ctx context.Context, method string) (context.Context, error) {
	md := metadata.MD{}
	switch method {
	case ingestv1.IngestService_Stream_FullMethodName, enrolv1.EnrolmentService_Renew_FullMethodName:
		id, end, err := r.agentOf(ctx)
		if err != nil {
			return ctx, err
		}
		setAgent(md, id, end)
	case enrolv1.EnrolmentService_Enrol_FullMethodName:
	default:
		return ctx, status.Error(codes.Unimplemented, "a relay passes on what agents call, and nothing else")
	}
	setAddress(ctx, md)
	return metadata.NewOutgoingContext(ctx, md), nil
}

// call passes on a call with one request and one answer.
func (r *Relay) call(ctx context.Context, ss grpc.ServerStream, method string) error {
	request, err := r.first(ss)
	if err != nil {
		return err
	}
	defer request.free()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var answer frame
	var trailer metadata.MD
	if err := r.deps.Uplink.Invoke(ctx, method, request, &answer, grpc.ForceCodecV2(codec{}), grpc.Trailer(&trailer)); err != nil {
		return r.uplink.explain(err, trailer)
	}
	defer answer.free()
	r.metrics.toCentre.Add(float64(request.len()))
	r.metrics.toAgents.Add(float64(answer.len()))
	return ss.SendMsg(&answer) //nolint:wrapcheck // a status, and nobody is there to read it
}

// first returns the first message of a call. Who opens a call and stays silent holds
// it no longer than a moment.
func (r *Relay) first(ss grpc.ServerStream) (*frame, error) {
	type message struct {
		frame *frame
		err   error
	}
	came := make(chan message, 1)
	go func() {
		f := &frame{}
		err := ss.RecvMsg(f)
		came <- message{f, err}
	}()
	timeout := time.NewTimer(firstTimeout)
	defer timeout.Stop()
	select {
	case m := <-came:
		if errors.Is(m.err, io.EOF) {
			return nil, fault.New(fault.Invalid, "message_missing", "the call ended before its first message: send one")
		}
		return m.frame, m.err
	case <-timeout.C:
		return nil, fault.New(fault.Unavailable, reasonFirst, "no message came within %s: send it as soon as the call is open", firstTimeout)
	case <-r.draining:
		return nil, errDraining
	case <-ss.Context().Done():
		return nil, ss.Context().Err() //nolint:wrapcheck // the end of the call, classified as such
	}
}
