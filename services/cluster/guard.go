package cluster

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/esolutions/esmon/services/fault"
)

// guard lets a call pass if the node that makes it may.
type guard struct {
	rules   []Rule
	now     func() time.Time
	refused *prometheus.CounterVec
}

const reasonNotAllowed = "call_not_allowed"

// admit returns the context of a call with the caller in it.
func (g *guard) admit(ctx context.Context, method string) (context.Context, error) {
	if method == joinMethod {
		return ctx, nil
	}
	c, err := callerOf(peerState(ctx), g.now())
	if err == nil && !mayCall(g.rules, c.id, method) {
		err = fault.New(fault.Denied, reasonNotAllowed, "%s: node %s may not call this with its targets %v: check which targets it shall run", method, c.id.Name, c.id.Targets)
	}
	if err != nil {
		g.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
		return ctx, err
	}
	return withCaller(ctx, c), nil
}

func (g *guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx, err := g.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

func (g *guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ctx, err := g.admit(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return handle(srv, &streamWith{ServerStream: ss, ctx: ctx})
}

// streamWith is a stream with a context of ours.
type streamWith struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns that context.
func (s *streamWith) Context() context.Context { return s.ctx }

// endOnDrain ends the contexts of streams when the server stops: they would last
// as long as their callers like. The callers see that another node may take over.
func (s *Server) endOnDrain(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ctx, cancel := context.WithCancelCause(ss.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.drain, func() { cancel(errStopping) })()
	err := handle(srv, &streamWith{ServerStream: ss, ctx: ctx})
	stopped := errors.Is(context.Cause(ctx), errStopping)
	if stopped && (err == nil || errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled) {
		return errStopping
	}
	return err
}

// httpGuard does for HTTP what guard does for gRPC.
type httpGuard struct {
	guard   *guard
	callers []string
	next    http.Handler
}

var httpCodes = map[fault.Kind]int{fault.Unauthenticated: http.StatusUnauthorized, fault.Denied: http.StatusForbidden}

// ServeHTTP lets the request pass if the node that makes it may.
func (h *httpGuard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := callerOf(r.TLS, h.guard.now())
	if err == nil && !slices.ContainsFunc(h.callers, c.id.Has) {
		err = fault.New(fault.Denied, reasonNotAllowed, "node %s may not use HTTP here with its targets %v: check which targets it shall run", c.id.Name, c.id.Targets)
	}
	if err != nil {
		h.guard.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
		w.Header().Set("Connection", "close") // by its newest certificate it may come in
		http.Error(w, err.Error(), httpCodes[fault.KindOf(err)])
		return
	}
	if h.next == nil {
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
	h.next.ServeHTTP(w, r.WithContext(withCaller(r.Context(), c)))
}
