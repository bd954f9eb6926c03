package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/zstdgrpc"
)

// Config are the settings of a relay.
type Config struct {
	// Port is what agents connect to, as at a collector.
	Port collector.ServerConfig
	// DrainTimeout is how long stopping waits for acknowledgements of what agents have
	// sent.
	DrainTimeout time.Duration
}

// Deps is what a relay stands on.
type Deps struct {
	// Uplink leads to the central collectors; the caller closes it after Run.
	Uplink *grpc.ClientConn
	// Certificate returns what the relay shows to agents, Roots the authorities whose
	// certificates it accepts from them.
	Certificate func() (*tls.Certificate, error)
	Roots       func() *x509.CertPool
	Cipher      mtls.Cipher
	Now         func() time.Time // time.Now if nil
}

// Relay forwards agents.
type Relay struct {
	cfg     Config
	deps    Deps
	grpc    *grpc.Server
	uplink  *uplink
	metrics *metrics
	log     *slog.Logger
	logs    *rate.Limiter // of refusals, which anybody who reaches the port can cause

	draining chan struct{}  // closed when agents are to go
	streams  sync.WaitGroup // those that are open
	mu       sync.Mutex     // guards drains, and streams against a wait too early
	drains   bool
}

// What a connection costs in memory and how messages are bounded: as at a collector,
// whose agents these are.
const (
	readBuffer  = 8 << 10
	writeBuffer = 4 << 10
	flowWindow  = 64 << 10
	maxMessage  = 8<<20 + 1<<10
	ageGrace    = time.Minute
	logsASecond = 5
)

// New makes a relay. It does not listen yet.
func New(cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Relay, error) {
	if err := cfg.Port.Validate(); err != nil {
		return nil, fmt.Errorf("settings of the agents' port: %w", err)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	zstdgrpc.Register()
	m, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("metrics of the relay: %w", err)
	}
	r := &Relay{
		cfg: cfg, deps: deps, log: log, metrics: m, logs: rate.NewLimiter(logsASecond, logsASecond), draining: make(chan struct{}),
		uplink: newUplink(deps.Uplink, deps.Now, log, m),
	}
	r.grpc = r.newGRPC()
	return r, nil
}

func (r *Relay) newGRPC() *grpc.Server {
	port := r.cfg.Port
	return grpc.NewServer(
		grpc.Creds(r.credentials()),
		grpc.ForceServerCodecV2(codec{}),
		grpc.UnknownServiceHandler(r.handle), // no message is of a kind that is known here
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(port.MaxStreams),
		grpc.MaxHeaderListSize(16<<10),
		grpc.ConnectionTimeout(port.HandshakeTimeout),
		grpc.ReadBufferSize(readBuffer),
		grpc.WriteBufferSize(writeBuffer),
		grpc.InitialWindowSize(flowWindow),
		grpc.InitialConnWindowSize(flowWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: port.Keepalive, Timeout: 20 * time.Second, MaxConnectionAge: port.ConnectionAge, MaxConnectionAgeGrace: ageGrace,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true), // they use what is closed after the relay
		grpc.ChainStreamInterceptor(fault.StreamServerInterceptor(r.log)),
	)
}

// Ready returns why nothing can be forwarded at the moment, nil if it can.
func (r *Relay) Ready() error { return r.uplink.ready() }

// Run forwards the agents that connect to the listener until ctx ends. Then what they
// have sent may still be acknowledged, and they are sent to another relay.
func (r *Relay) Run(ctx context.Context, lis net.Listener) error {
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	var watch sync.WaitGroup
	watch.Go(func() { r.uplink.watch(watching) })
	defer watch.Wait()
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.grpc.Serve(r.limit(lis)) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve agents on %s: %w", lis.Addr(), err)
	case <-ctx.Done():
	}
	r.drain()
	if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve agents on %s: %w", lis.Addr(), err)
	}
	return nil
}

// drain ends all streams, each when what it sent is answered, and stops the server.
func (r *Relay) drain() {
	r.mu.Lock()
	r.drains = true
	r.mu.Unlock()
	close(r.draining)
	settled := make(chan struct{})
	go func() {
		r.streams.Wait()
		r.grpc.GracefulStop()
		close(settled)
	}()
	select {
	case <-settled:
	case <-time.After(r.cfg.DrainTimeout):
		r.log.Warn("not everything that agents sent was acknowledged in time; they send it again elsewhere")
	}
	r.grpc.Stop()
	<-settled
}

// enter counts a stream in; it returns false when there shall be no more.
func (r *Relay) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drains {
		return false
	}
	r.streams.Add(1)
	return true
}

// errDraining sends an agent to another relay at once.
var errDraining = fault.New(fault.Unavailable, reasonDraining, "the relay is shutting down: connect again, to another if there is one; what was not acknowledged must be sent again")
