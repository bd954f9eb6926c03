package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

// ServerConfig are the settings of the agents' port.
type ServerConfig struct {
	// MaxConnections is how many connections may be open at a time; further ones are
	// closed at once, before they have cost anything.
	MaxConnections int `yaml:"max_connections"`
	// MaxStreams is how many calls one connection may have open at a time. An agent
	// needs two.
	MaxStreams uint32 `yaml:"max_streams"`
	// Keepalive is how long a connection may be silent before it is probed. One that
	// does not answer within 20s is closed.
	Keepalive time.Duration `yaml:"keepalive"`
	// HandshakeTimeout is how long a new connection may take to identify itself by
	// its certificate.
	HandshakeTimeout time.Duration `yaml:"handshake_timeout"`
	// ConnectionAge is after how long, give or take a tenth, an agent is asked to
	// connect anew, so that a fleet spreads over all collectors again after some were
	// away. 0 asks never.
	ConnectionAge time.Duration `yaml:"connection_age"`
}

// DefaultServerConfig returns the defaults.
func DefaultServerConfig() ServerConfig {
	return ServerConfig{MaxConnections: 20_000, MaxStreams: 16, Keepalive: time.Minute, HandshakeTimeout: 20 * time.Second, ConnectionAge: time.Hour}
}

// Validate returns what is wrong, each with what would be right.
func (c *ServerConfig) Validate() error {
	var errs []error
	atLeast := func(key string, ok bool, least any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: must be at least %v", key, least))
		}
	}
	atLeast("max_connections", c.MaxConnections >= 1, 1)
	atLeast("max_streams", c.MaxStreams >= 1, 1)
	atLeast("keepalive", c.Keepalive >= time.Second, time.Second)
	atLeast("handshake_timeout", c.HandshakeTimeout >= time.Second, time.Second)
	atLeast("connection_age", c.ConnectionAge == 0 || c.ConnectionAge >= time.Second, time.Second)
	return errors.Join(errs...)
}

// Interceptors go around every call of the agents' port, in their order.
type Interceptors struct {
	Unary  []grpc.UnaryServerInterceptor
	Stream []grpc.StreamServerInterceptor
}

// Server is the agents' port: the collector and what else is registered on it.
type Server struct {
	cfg       ServerConfig
	collector *Collector
	grpc      *grpc.Server
	log       *slog.Logger

	open     prometheus.Gauge
	turnaway prometheus.Counter
}

// What a connection costs in memory, thousands of them open and mostly silent.
const (
	readBuffer  = 8 << 10
	writeBuffer = 4 << 10
	// flowWindow is how much a peer may send ahead. Setting it also turns off
	// gRPC's probing for a larger one, which costs a message for every few.
	flowWindow = 64 << 10
	// envelope is what a message has beyond the batch in it.
	envelope = 1 << 10
	// ageGrace is how long what is under way on a connection may go on after the agent
	// was asked to leave it.
	ageGrace = time.Minute
)

// NewServer makes the port with the collector registered.
func NewServer(cfg ServerConfig, c *Collector, creds credentials.TransportCredentials, around Interceptors, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of the agents' port: %w", err)
	}
	zstdgrpc.Register()
	s := &Server{
		cfg: cfg, collector: c, log: log,
		open:     prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "esmon_collector", Name: "connections", Help: "Open connections on the agents' port."}),
		turnaway: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "esmon_collector", Name: "connections_refused_total", Help: "Connections closed at once because too many are open."}),
	}
	s.grpc = grpc.NewServer(
		grpc.Creds(creds),
		grpc.ForceServerCodecV2(zstdgrpc.Codec()),
		grpc.MaxRecvMsgSize(maxBatchBytes+envelope), // see incoming
		grpc.MaxConcurrentStreams(cfg.MaxStreams),
		grpc.MaxHeaderListSize(16<<10),
		grpc.ConnectionTimeout(cfg.HandshakeTimeout),
		grpc.ReadBufferSize(readBuffer),
		grpc.WriteBufferSize(writeBuffer),
		grpc.InitialWindowSize(flowWindow),
		grpc.InitialConnWindowSize(flowWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: cfg.Keepalive, Timeout: 20 * time.Second, MaxConnectionAge: cfg.ConnectionAge, MaxConnectionAgeGrace: ageGrace,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true), // they use what is closed after the server
		grpc.ChainUnaryInterceptor(around.Unary...),
		grpc.ChainStreamInterceptor(around.Stream...),
	)
	ingestv1.RegisterIngestServiceServer(s.grpc, c)
	return s, register(reg, s.open, s.turnaway)
}

// GRPC returns the server, to register further services on it before Run.
func (s *Server) GRPC() *grpc.Server { return s.grpc }

// Run serves on the listener until ctx ends. Then the collector drains, so that
// what was received is durable and acknowledged, and the server stops.
func (s *Server) Run(ctx context.Context, lis net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- s.grpc.Serve(s.limit(lis)) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve agents on %s: %w", lis.Addr(), err)
	case <-ctx.Done():
	}
	s.shutDown()
	if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve agents on %s: %w", lis.Addr(), err)
	}
	return nil
}

func (s *Server) shutDown() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*s.collector.cfg.DrainTimeout)
	defer cancel()
	s.collector.Drain(ctx)
	stopped := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(s.collector.cfg.DrainTimeout):
		s.log.Warn("calls on the agents' port did not end in time")
	}
	s.grpc.Stop()
}

// limit turns connections away while too many are open. They are closed before
// the TLS handshake: an attacker gets no work out of the server.
func (s *Server) limit(lis net.Listener) net.Listener {
	return &limitedListener{Listener: lis, s: s, places: make(chan struct{}, s.cfg.MaxConnections)}
}

type limitedListener struct {
	net.Listener
	s      *Server
	places chan struct{}
}

// Accept returns the next connection there is a place for.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // gRPC looks at what it is
		}
		select {
		case l.places <- struct{}{}:
			l.s.open.Inc()
			return &limitedConn{Conn: conn, l: l}, nil
		default:
			l.s.turnaway.Inc()
			_ = conn.Close() // nothing was sent or received
		}
	}
}

type limitedConn struct {
	net.Conn
	l    *limitedListener
	once sync.Once
}

// Close closes the connection and frees its place.
func (c *limitedConn) Close() error {
	c.once.Do(func() {
		<-c.l.places
		c.l.s.open.Dec()
	})
	return c.Conn.Close() //nolint:wrapcheck // of the connection itself
}
