package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
)

// Deps is what the gateway shows to the world.
type Deps struct {
	// Platform is the connection to the services.
	Platform grpc.ClientConnInterface
	// Prometheus answers under /prometheus/api/v1; it sees paths without that
	// prefix.
	Prometheus http.Handler
	// Version of the platform, told to clients.
	Version string
	// Session returns a context whose calls belong to the session with the id. Nil
	// where it makes no difference which process answers a call; then browsers get
	// no cookie.
	Session func(ctx context.Context, id string) context.Context
	// Metrics is what /metrics shows.
	Metrics prometheus.Gatherer
	// Dashboard is the built page; nil if there is none.
	Dashboard fs.FS
}

// Gateway is the HTTP server.
type Gateway struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	live    *liveBridge
	calls   calls // what there is as REST
	handler http.Handler

	mu       sync.Mutex // guards listener
	listener net.Listener
}

// New returns a gateway that listens nowhere yet.
func New(cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Gateway, error) {
	g := &Gateway{cfg: cfg, log: log, metrics: newMetrics(reg)}
	g.live = newLiveBridge(cfg, deps.Platform, log, g.metrics)
	h, err := g.routes(deps)
	if err != nil {
		return nil, fmt.Errorf("set up the HTTP interface: %w", err)
	}
	g.handler = h
	return g, nil
}

// Listen takes the address, so that [Gateway.Addr] is known before [Gateway.Run].
func (g *Gateway) Listen(ctx context.Context) error {
	if err := checkAddress(g.cfg.Address); err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", g.cfg.Address)
	if err != nil {
		return fmt.Errorf("listen for HTTP on %s (setting http.address): %w", g.cfg.Address, err)
	}
	// A hosts file can give any address to a name.
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return errors.Join(fmt.Errorf("listen for HTTP: %q leads to %s, which is no loopback address; write 127.0.0.1 or [::1]",
			g.cfg.Address, l.Addr()), l.Close())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener = l
	return nil
}

// Addr returns where the gateway listens; nil before [Gateway.Listen].
func (g *Gateway) Addr() net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener == nil {
		return nil
	}
	return g.listener.Addr()
}

// Close gives the address back without having served; after [Gateway.Run] there
// is no need for it.
func (g *Gateway) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener == nil {
		return nil
	}
	if err := g.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the HTTP listener: %w", err)
	}
	return nil
}

// ServeHTTP answers one request, for tests and for embedding.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.handler.ServeHTTP(w, r) }

// Run answers requests until ctx ends, then lets open ones finish.
func (g *Gateway) Run(ctx context.Context) error {
	if g.Addr() == nil {
		if err := g.Listen(ctx); err != nil {
			return err
		}
	}
	srv := &http.Server{
		Handler:           g.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       g.cfg.RequestTimeout,
		WriteTimeout:      g.cfg.RequestTimeout + 5*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
	g.mu.Lock()
	l := newBoundedListener(g.listener, g.cfg.MaxConnections, g.metrics)
	g.mu.Unlock()
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		g.live.stop()
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	return errors.Join(g.drain(srv), l.wait(), ignoreClosed(<-failed))
}

// drain stops taking requests and waits for the open ones as long as the settings
// allow; those that take longer are cut off.
func (g *Gateway) drain(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.DrainTimeout)
	defer cancel()
	g.live.stop()
	if err := srv.Shutdown(ctx); err != nil {
		g.log.Warn("HTTP requests were cut off", "after", g.cfg.DrainTimeout.String())
		return ignoreClosed(srv.Close())
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
