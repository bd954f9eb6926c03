package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/fault"
)

// maxRequestBytes bounds one request on the control socket.
const maxRequestBytes = 32 << 20

// localGrace is how long calls may go on after the server was told to stop; the
// gateway, whose calls these are, has drained by then.
const localGrace = 2 * time.Second

// services are what the gateway and the command line can call.
type services struct {
	agents agentsv1.AgentsServiceServer
	tokens enrolv1.TokenServiceServer
	ingest ingestv1.IngestServiceServer
	live   livev1.LiveServiceServer
	query  queryv1.QueryServiceServer
	status statusv1.StatusServiceServer
}

// localServer serves them on the control socket. Whoever can open the socket may
// do everything: it is the server's own user.
type localServer struct {
	dir      string
	listener net.Listener
	grpc     *grpc.Server
}

func newLocalServer(dir string, l net.Listener, s services, log *slog.Logger) *localServer {
	g := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxRequestBytes),
		grpc.ChainUnaryInterceptor(fault.UnaryServerInterceptor(log)),
		grpc.ChainStreamInterceptor(fault.StreamServerInterceptor(log)),
	)
	agentsv1.RegisterAgentsServiceServer(g, s.agents)
	enrolv1.RegisterTokenServiceServer(g, s.tokens)
	ingestv1.RegisterIngestServiceServer(g, s.ingest)
	livev1.RegisterLiveServiceServer(g, s.live)
	queryv1.RegisterQueryServiceServer(g, s.query)
	statusv1.RegisterStatusServiceServer(g, s.status)
	return &localServer{dir: dir, listener: l, grpc: g}
}

// Run serves until ctx ends and the open calls are done.
func (s *localServer) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the control socket: %w", err)
	case <-ctx.Done():
	}
	cut := time.AfterFunc(localGrace, s.grpc.Stop)
	s.grpc.GracefulStop()
	cut.Stop()
	if err := <-served; err != nil {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return removeControl(s.dir)
}
