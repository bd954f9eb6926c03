package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/esolutions/esmon/services/fault"
)

// ServerDeps is what the internal port stands on.
type ServerDeps struct {
	Node *Node
	// Rules say who may call what; see [Rules].
	Rules []Rule
	// HTTP answers HTTP/1.1; nil answers 404.
	HTTP http.Handler
	// HTTPCallers are the targets of which a caller of HTTP must have one. Without any
	// nobody may call it.
	HTTPCallers []string
}

const (
	// maxRequestBytes bounds one request, of gRPC and of HTTP.
	maxRequestBytes = 32 << 20
	// maxStreams is how many calls one connection may have open at a time.
	maxStreams = 10_000
	// connectionAge is how long a connection is used: then its peer connects again,
	// by its newest certificate, and finds nodes that are new.
	connectionAge = 15 * time.Minute
	// streamAge is how long streams may go on after that.
	streamAge = 12 * time.Hour

	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
	keepaliveLeast   = 5 * time.Second // between probes of a client
)

// Server is the internal port: gRPC and HTTP/1.1 for the platform's own nodes.
type Server struct {
	cfg    Config
	node   *Node
	guard  *guard
	tls    *tls.Config
	grpc   *grpc.Server
	http   *http.Server
	health *health.Server
	log    *slog.Logger
	logs   *rate.Limiter // of refused connections

	toGRPC, toHTTP    *handover
	places, anonymous places

	drain    context.Context // ends when the server is to stop
	draining context.CancelCauseFunc
	refused  *prometheus.CounterVec
}

// errStopping is why contexts of streams end.
var errStopping = fault.New(fault.Unavailable, "node_stopping", "this node is stopping: call another, or again when it is back")

// NewServer makes the internal port with the health service registered.
func NewServer(cfg Config, deps ServerDeps, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of the internal port: %w", err)
	}
	s := &Server{
		cfg: cfg, node: deps.Node, tls: deps.Node.ServerTLS(), health: health.NewServer(),
		log: log, logs: rate.NewLimiter(refusalLogs, refusalLogs),
		toGRPC: newHandover(), toHTTP: newHandover(),
		places: newPlaces(cfg.MaxConnections), anonymous: newPlaces(min(maxAnonymous, cfg.MaxConnections)),
		refused: counters("connections_refused_total", "Connections to the internal port that were not accepted, by reason."),
	}
	s.drain, s.draining = context.WithCancelCause(context.Background())
	s.guard = &guard{
		rules: append(append([]Rule(nil), builtin...), deps.Rules...), now: deps.Node.now,
		refused: counters("calls_refused_total", "Calls on the internal port that were not allowed, by reason."),
	}
	s.grpc = s.newGRPC()
	healthv1.RegisterHealthServer(s.grpc, s.health)
	s.http = &http.Server{
		Handler:           &httpGuard{guard: s.guard, callers: deps.HTTPCallers, next: deps.HTTP},
		ReadHeaderTimeout: cfg.HandshakeTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	open := gauge("connections", "Open connections on the internal port.", func() float64 { return float64(len(s.places)) })
	return s, register(reg, s.refused, s.guard.refused, open)
}

func (s *Server) newGRPC() *grpc.Server {
	return grpc.NewServer(
		grpc.Creds(finished{}),
		grpc.MaxRecvMsgSize(maxRequestBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(64<<10),
		grpc.ConnectionTimeout(s.cfg.HandshakeTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: keepaliveTime, Timeout: keepaliveTimeout, MaxConnectionAge: connectionAge, MaxConnectionAgeGrace: streamAge,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveLeast, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true), // they use what is closed after the server
		grpc.ChainUnaryInterceptor(fault.UnaryServerInterceptor(s.log), s.guard.unary),
		grpc.ChainStreamInterceptor(fault.StreamServerInterceptor(s.log), s.guard.stream, s.endOnDrain),
	)
}

// GRPC returns the gRPC server, to register services on it before Run.
func (s *Server) GRPC() *grpc.Server { return s.grpc }

// SetServing says whether the target works on this node. Others call a target only
// where it does; until it is said, it does not.
func (s *Server) SetServing(target string, serving bool) {
	status := healthv1.HealthCheckResponse_NOT_SERVING
	if serving {
		status = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus(target, status)
}

// Run serves on the listener until ctx ends. Then nothing new is taken, streams end,
// those that watch the health too, and other calls may take the drain timeout.
func (s *Server) Run(ctx context.Context, lis net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	run := func(what string, serve func() error, stopped ...error) {
		group.Go(func() error {
			defer cancel() // one that fails ends the others
			err := serve()
			for _, s := range stopped {
				if errors.Is(err, s) {
					return nil
				}
			}
			if err != nil {
				return fmt.Errorf("serve %s on the internal port %s: %w", what, lis.Addr(), err)
			}
			return nil
		})
	}
	run("connections", func() error { return s.acceptAll(ctx, lis) }, net.ErrClosed)
	run("gRPC", func() error { return s.grpc.Serve(s.toGRPC) }, grpc.ErrServerStopped)
	run("HTTP", func() error { return s.http.Serve(s.toHTTP) }, http.ErrServerClosed)
	<-ctx.Done()
	s.shutDown(lis)
	return group.Wait()
}

func (s *Server) shutDown(lis net.Listener) {
	_ = lis.Close() // it may be closed already
	s.draining(errStopping)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	var calls errgroup.Group
	calls.Go(func() error {
		cut := context.AfterFunc(ctx, s.grpc.Stop)
		defer cut()
		s.grpc.GracefulStop()
		return ctx.Err()
	})
	calls.Go(func() error {
		return errors.Join(s.http.Shutdown(ctx), s.http.Close())
	})
	if err := calls.Wait(); err != nil {
		s.log.Warn("calls on the internal port did not end in time", "error", err)
	}
	s.toGRPC.shut()
	s.toHTTP.shut()
}
