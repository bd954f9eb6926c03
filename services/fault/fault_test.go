package fault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/esolutions/esmon/services/fault"
)

func TestKindAndReasonSurviveWrapping(t *testing.T) {
	t.Parallel()
	base := fault.Wrap(io.EOF, fault.Denied, "identity_cloned", "enrol this host anew")
	err := fmt.Errorf("connect agent: %w", base)
	if fault.KindOf(err) != fault.Denied || fault.ReasonOf(err) != "identity_cloned" {
		t.Errorf("got %v, %q", fault.KindOf(err), fault.ReasonOf(err))
	}
	if !errors.Is(err, io.EOF) {
		t.Error("the cause was lost")
	}
	if got := err.Error(); got != "connect agent: enrol this host anew: EOF" {
		t.Errorf("message %q", got)
	}
}

func TestUnclassifiedIsInternal(t *testing.T) {
	t.Parallel()
	if k := fault.KindOf(io.EOF); k != fault.Internal {
		t.Errorf("kind %v", k)
	}
	if r := fault.ReasonOf(io.EOF); r != "internal" {
		t.Errorf("reason %q", r)
	}
	if k := fault.KindOf(fmt.Errorf("read: %w", context.Canceled)); k != fault.Unavailable {
		t.Errorf("kind of a cancelled call %v", k)
	}
	if s := fault.Kind(99).String(); s != "internal" {
		t.Errorf("unknown kind prints %q", s)
	}
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		err     error
		code    codes.Code
		message string
		reason  string
	}{
		{"invalid", fault.New(fault.Invalid, "csr_invalid", "bad %s", "key"), codes.InvalidArgument, "bad key", "csr_invalid"},
		{"not found", fault.New(fault.NotFound, "agent_unknown", "no"), codes.NotFound, "no", "agent_unknown"},
		{"conflict", fault.New(fault.Conflict, "taken", "no"), codes.AlreadyExists, "no", "taken"},
		{"denied", fault.New(fault.Denied, "revoked", "no"), codes.PermissionDenied, "no", "revoked"},
		{"unauthenticated", fault.New(fault.Unauthenticated, "token_unknown", "no"), codes.Unauthenticated, "no", "token_unknown"},
		{"exhausted", fault.New(fault.Exhausted, "rate", "no"), codes.ResourceExhausted, "no", "rate"},
		{"unavailable", fault.Wrap(io.EOF, fault.Unavailable, "log_full", "later"), codes.Unavailable, "later", "log_full"},
		{"wrapped", fmt.Errorf("outer: %w", fault.New(fault.Denied, "revoked", "no")), codes.PermissionDenied, "no", "revoked"},
		{"internal fault hides its text", fault.Wrap(io.EOF, fault.Internal, "db", "secret path"), codes.Internal, "internal error", "db"},
		{"plain error hides its text", errors.New("secret"), codes.Internal, "internal error", "internal"},
		{"a status passes", status.Error(codes.Aborted, "as it is"), codes.Aborted, "as it is", "unavailable"},
		{"cancelled", context.Canceled, codes.Canceled, "the call was cancelled", "unavailable"},
		{"deadline", context.DeadlineExceeded, codes.DeadlineExceeded, "the call took longer than its deadline", "unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := fault.GRPC(c.err)
			st, _ := status.FromError(err)
			if st.Code() != c.code || st.Message() != c.message {
				t.Errorf("got %v %q", st.Code(), st.Message())
			}
			if f := fault.FromGRPC(err); f.Reason != c.reason {
				t.Errorf("reason at the client %q, want %q", f.Reason, c.reason)
			}
		})
	}
	if fault.GRPC(nil) != nil || fault.FromGRPC(nil) != nil {
		t.Error("nil became an error")
	}
}

func TestInterceptorsLogOnlyInternalErrors(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	call := func(err error) error {
		_, got := fault.UnaryServerInterceptor(log)(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/x/Call"},
			func(context.Context, any) (any, error) { return nil, err })
		return got
	}
	if err := call(nil); err != nil {
		t.Fatal(err)
	}
	if err := call(fault.New(fault.Denied, "revoked", "no")); status.Code(err) != codes.PermissionDenied {
		t.Errorf("code %v", status.Code(err))
	}
	if out.Len() > 0 {
		t.Errorf("logged %q", out.String())
	}
	err := fault.StreamServerInterceptor(log)(nil, stream{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: "/x/Stream"},
		func(any, grpc.ServerStream) error { return errors.New("disk on fire") })
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "fire") {
		t.Errorf("the client sees %v", err)
	}
	if s := out.String(); !strings.Contains(s, "disk on fire") || !strings.Contains(s, "/x/Stream") {
		t.Errorf("log %q", s)
	}
}

type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s stream) Context() context.Context { return s.ctx }
