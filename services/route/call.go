package route

import (
	"context"
	"io"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/esolutions/esmon/services/fault"
)

// readServices are those whose calls change nothing.
var readServices = []string{"/esmon.query.v1.QueryService/"}

func readsOnly(method string) bool {
	for _, s := range readServices {
		if strings.HasPrefix(method, s) {
			return true
		}
	}
	return false
}

// Invoke implements [grpc.ClientConnInterface]. A call that only reads is answered
// as long as one node can.
func (s *Storage) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	t := s.newTrip(ctx, "grpc", readsOnly(method))
	err := t.run(func(ctx context.Context, a *attempt) (verdict, error) {
		defer a.end()
		var header metadata.MD
		var at peer.Peer
		own := []grpc.CallOption{grpc.Header(&header), grpc.Peer(&at)}
		err := a.node.conn.Invoke(a.outgoing(ctx), method, args, reply, append(own, opts...)...)
		if err == nil {
			s.note(t.session, header.Get(headerPosition)...)
		}
		return t.judge(err, at.Addr != nil), err
	})
	return fault.GRPC(err)
}

// NewStream implements [grpc.ClientConnInterface]. A stream is on one node from its
// beginning to its end: when the node goes, it fails with UNAVAILABLE, and another
// one can be opened.
func (s *Storage) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	t := s.newTrip(ctx, "grpc", readsOnly(method))
	var opened grpc.ClientStream
	err := t.run(func(ctx context.Context, a *attempt) (verdict, error) {
		end := sync.OnceFunc(a.end)
		own := grpc.OnFinish(func(error) { end() })
		inner, err := a.node.conn.NewStream(a.outgoing(ctx), desc, method, append([]grpc.CallOption{own}, opts...)...)
		if err != nil {
			end()
			return t.judge(err, false), err
		}
		a.cut() // if the node goes, the stream fails by itself
		opened = &stream{ClientStream: inner, trip: t, node: a.node}
		return answered, nil
	})
	return opened, fault.GRPC(err)
}

// outgoing returns the context with what the node must have read.
func (a *attempt) outgoing(ctx context.Context) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx)
	md = md.Copy()
	md.Delete(headerMinimum)
	if a.minimum != "" {
		md.Set(headerMinimum, a.minimum)
	}
	return metadata.NewOutgoingContext(ctx, md)
}

// stream notes where the node stood when its messages began and, if it could still
// say so, when they ended.
type stream struct {
	grpc.ClientStream
	trip  *trip
	node  *node
	begun bool // used by the goroutine that receives
}

// RecvMsg implements [grpc.ClientStream].
func (x *stream) RecvMsg(m any) error {
	err := x.ClientStream.RecvMsg(m)
	s, session := x.trip.storage, x.trip.session
	if !x.begun && err == nil {
		x.begun = true
		if header, err := x.Header(); err == nil { // it is here with the first message
			s.note(session, header.Get(headerPosition)...)
		}
	}
	if err == nil {
		return nil
	}
	s.note(session, x.Trailer().Get(headerPosition)...)
	if err != io.EOF && x.trip.judge(err, true) == lost { //nolint:errorlint // gRPC returns it bare
		s.sessions.leave(session, x.node.address)
	}
	return err
}
