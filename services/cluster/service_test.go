package cluster_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
)

// service answers with the name of the node and tells who called.
type service struct {
	statusv1.UnimplementedStatusServiceServer
	livev1.UnimplementedLiveServiceServer
	enrolv1.UnimplementedTokenServiceServer
	name  string
	calls atomic.Int64
	away  atomic.Int64  // how many calls are answered with UNAVAILABLE
	block chan struct{} // a call waits for it, if it is there
	open  chan struct{} // is told of each call that waits
}

func (s *service) GetStatus(ctx context.Context, _ *statusv1.GetStatusRequest) (*statusv1.GetStatusResponse, error) {
	s.calls.Add(1)
	if s.away.Add(-1) >= 0 {
		return nil, fault.New(fault.Unavailable, "away", "not now")
	}
	if s.block != nil {
		s.open <- struct{}{}
		<-s.block
	}
	return &statusv1.GetStatusResponse{Version: s.name, Reasons: []string{callerName(ctx)}}, nil
}

func (s *service) CreateToken(context.Context, *enrolv1.CreateTokenRequest) (*enrolv1.CreateTokenResponse, error) {
	s.calls.Add(1)
	return nil, fault.New(fault.Unavailable, "away", "not now")
}

func (s *service) Watch(_ *livev1.WatchRequest, stream grpc.ServerStreamingServer[livev1.WatchResponse]) error {
	if err := stream.Send(&livev1.WatchResponse{Error: callerName(stream.Context())}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, strings.Join([]string{s.name, callerName(r.Context()), r.Proto, string(body)}, " "))
}

func callerName(ctx context.Context) string {
	id, ok := cluster.NodeFromContext(ctx)
	if !ok {
		return "nobody"
	}
	return id.Name + "/" + strings.Join(id.Targets, ",")
}
