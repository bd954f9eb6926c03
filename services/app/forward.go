package app

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// forwardTo answers calls that no service here answers by making them on the
// connection. What passes through is not looked into: a message of any kind is an
// empty one with unknown fields, and those are kept.
func forwardTo(conn grpc.ClientConnInterface) grpc.StreamHandler {
	return func(_ any, in grpc.ServerStream) error {
		method, ok := grpc.MethodFromServerStream(in)
		if !ok {
			return errors.New("a call without a method")
		}
		ctx, cancel := context.WithCancel(in.Context())
		defer cancel()
		out, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
		if err != nil {
			return err
		}
		go passRequests(in, out, cancel)
		return passAnswers(out, in)
	}
}

// passRequests ends with the caller's stream or the other one; if the caller's
// fails, the other one is cancelled.
func passRequests(in grpc.ServerStream, out grpc.ClientStream, cancel context.CancelFunc) {
	for {
		var m emptypb.Empty
		err := in.RecvMsg(&m)
		if errors.Is(err, io.EOF) {
			_ = out.CloseSend() // what is wrong with it, passAnswers finds
			return
		}
		if err != nil {
			cancel()
			return
		}
		if out.SendMsg(&m) != nil {
			return
		}
	}
}

func passAnswers(out grpc.ClientStream, in grpc.ServerStream) error {
	for {
		var m emptypb.Empty
		err := out.RecvMsg(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err //nolint:wrapcheck // it carries the status for the caller
		}
		if err := in.SendMsg(&m); err != nil {
			return err //nolint:wrapcheck // nobody is there to read it
		}
	}
}
