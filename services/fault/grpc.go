package fault

import (
	"context"
	"errors"
	"log/slog"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Domain is the domain of the reasons in the ErrorInfo that a status carries.
const Domain = "esmon"

var grpcCodes = map[Kind]codes.Code{
	Internal:        codes.Internal,
	Invalid:         codes.InvalidArgument,
	NotFound:        codes.NotFound,
	Conflict:        codes.AlreadyExists,
	Denied:          codes.PermissionDenied,
	Unauthenticated: codes.Unauthenticated,
	Exhausted:       codes.ResourceExhausted,
	Unavailable:     codes.Unavailable,
}

// GRPC turns err into an error with a gRPC status: the code of its kind, its
// message, and its reason as an ErrorInfo detail. An error that carries a status
// already passes as it is. Anything else becomes "internal error".
func GRPC(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*Error](err); ok {
		return faultStatus(f).Err()
	}
	if carriesStatus(err) {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "the call was cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "the call took longer than its deadline")
	}
	return status.Error(codes.Internal, "internal error")
}

func faultStatus(f *Error) *status.Status {
	message := f.Message
	if f.Kind == Internal {
		message = "internal error"
	}
	st := status.New(grpcCodes[f.Kind], message)
	detailed, err := st.WithDetails(&errdetails.ErrorInfo{Reason: f.Reason, Domain: Domain})
	if err != nil { // only a message that cannot be marshalled; the code still tells the kind
		return st
	}
	return detailed
}

func carriesStatus(err error) bool {
	_, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err)
	return ok
}

// FromGRPC is the way back, for clients: the fault that a status carries, as far
// as the status tells it. It returns nil for nil.
func FromGRPC(err error) *Error {
	if err == nil {
		return nil
	}
	st, _ := status.FromError(err)
	f := &Error{Kind: kindOfCode(st.Code()), Message: st.Message(), Err: err}
	f.Reason = f.Kind.String()
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == Domain {
			f.Reason = info.GetReason()
		}
	}
	return f
}

func kindOfCode(c codes.Code) Kind {
	for kind, code := range grpcCodes {
		if code == c {
			return kind
		}
	}
	switch c {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted:
		return Unavailable
	case codes.OutOfRange, codes.FailedPrecondition:
		return Invalid
	}
	return Internal
}

// UnaryServerInterceptor turns the errors of calls into statuses and logs those
// that are the platform's own fault, once, with what the caller does not see.
func UnaryServerInterceptor(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		resp, err := handle(ctx, req)
		return resp, edge(ctx, log, info.FullMethod, err)
	}
}

// StreamServerInterceptor does the same for streams.
func StreamServerInterceptor(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		return edge(ss.Context(), log, info.FullMethod, handle(srv, ss))
	}
}

func edge(ctx context.Context, log *slog.Logger, method string, err error) error {
	if err == nil {
		return nil
	}
	out := GRPC(err)
	if status.Code(out) == codes.Internal {
		log.ErrorContext(ctx, "call failed", "method", method, "error", err)
	}
	return out
}
