package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
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

// localServer serves them on the control socket. Whoever can open the socket may
// do everything: it is the server's own user.
type localServer struct {
	dir      string
	listener net.Listener
	grpc     *grpc.Server
}

func newLocalServer(dir string, l net.Listener, p *platform, log *slog.Logger) *localServer {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxRequestBytes),
		grpc.ChainUnaryInterceptor(fault.UnaryServerInterceptor(log)),
		grpc.ChainStreamInterceptor(fault.StreamServerInterceptor(log)),
	}
	if p.others != nil && p.others.all != nil {
		options = append(options, grpc.UnknownServiceHandler(forwardTo(p.others.all)))
	}
	g := grpc.NewServer(options...)
	p.registerLocal(g)
	return &localServer{dir: dir, listener: l, grpc: g}
}

// registerLocal puts on the control socket what this process has.
func (p *platform) registerLocal(g *grpc.Server) {
	statusv1.RegisterStatusServiceServer(g, p.status)
	if p.id.authority != nil {
		agentsv1.RegisterAgentsServiceServer(g, p.registry.AgentsService())
		enrolv1.RegisterTokenServiceServer(g, p.registry.TokenService())
	}
	if p.joining != nil {
		clusterv1.RegisterNodeTokenServiceServer(g, p.joining.TokenService())
	}
	if p.collector != nil {
		ingestv1.RegisterIngestServiceServer(g, p.collector)
	}
	if p.alerts != nil && p.alerts.service != nil {
		p.alerts.service.Register(g)
	}
	if p.queries != nil {
		queryv1.RegisterQueryServiceServer(g, p.queries)
		livev1.RegisterLiveServiceServer(g, p.live)
	}
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
