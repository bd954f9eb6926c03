package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"

	"github.com/esolutions/esmon/dashboard"
	"github.com/esolutions/esmon/gateway"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	bussqlite "github.com/esolutions/esmon/services/bus/sqlite"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/control"
	dbsqlite "github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/live"
	"github.com/esolutions/esmon/services/pki"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"
)

// kept is what outlives the process.
type kept struct {
	db        *dbsqlite.DB
	ingest    *bussqlite.Log
	authority *pki.Authority
	tsdb      *tsdb.DB
}

// openKept opens databases and keys.
func (a *App) openKept(ctx context.Context) (*kept, error) {
	var k kept
	var err error
	if k.db, err = dbsqlite.Open(ctx, a.path(monitorName), a.log); err != nil {
		return nil, err
	}
	a.onClose(k.db.Close)
	if k.ingest, err = bussqlite.Open(ctx, a.path(ingestName), a.cfg.Bus, a.log, a.reg); err != nil {
		return nil, err
	}
	a.onClose(k.ingest.Close)
	if k.authority, err = pki.Open(a.path(pkiName), a.cfg.PKI, nil, a.log, a.reg); err != nil {
		return nil, err
	}
	if k.tsdb, err = tsdb.Open(ctx, a.cfg.TSDB, k.db.Chunks(), a.log, a.reg); err != nil {
		return nil, err
	}
	a.add("certificate authority", k.authority.Run)
	return &k, nil
}

// inside is what takes data in.
type inside struct {
	registry  *control.Registry
	storage   *storage.Storage
	collector *collector.Collector
}

// buildIngest makes the way of a frame: registry, storage, collector.
func (a *App) buildIngest(ctx context.Context, k *kept) (*inside, error) {
	var in inside
	var err error
	in.registry, err = control.Open(ctx, a.cfg.Control, control.Deps{Store: k.db.Control(), Authority: k.authority}, a.log, a.reg)
	if err != nil {
		return nil, err
	}
	if in.storage, err = storage.New(a.cfg.Storage, storage.Deps{Log: k.ingest, DB: k.tsdb}, a.log, a.reg); err != nil {
		return nil, err
	}
	cfg := a.cfg.Collector
	cfg.Limits.Past = a.cfg.TSDB.Retention
	in.collector, err = collector.New(cfg, collector.Deps{Log: k.ingest, Connect: connector(in.registry)}, a.log, a.reg)
	if err != nil {
		return nil, err
	}
	a.add("registry of agents", in.registry.Run)
	a.add("storage", in.storage.Run)
	a.add("collector", in.collector.Run)
	return &in, nil
}

// connector opens sessions on the registry, as the collector wants them.
func connector(r *control.Registry) func(context.Context, string, *ingestv1.Hello) (collector.Session, error) {
	return func(ctx context.Context, agent string, hello *ingestv1.Hello) (collector.Session, error) {
		s, err := r.Connect(ctx, agent, hello)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// buildOutside makes what can be talked to: the control socket, the HTTP side and
// the agents' port.
func (a *App) buildOutside(ctx context.Context, k *kept, in *inside) error {
	queries, err := query.New(a.queryConfig(), query.TSDB(k.tsdb), a.log, a.reg)
	if err != nil {
		return err
	}
	hub, err := live.New(a.cfg.Live, queries, a.log, a.reg)
	if err != nil {
		return err
	}
	k.tsdb.SetObserver(hub)
	a.add("live watches", hub.Run)
	err = a.buildControlSocket(ctx, services{
		agents: in.registry.AgentsService(), tokens: in.registry.TokenService(), ingest: in.collector,
		live: hub, query: queries, status: a.status(k, in),
	})
	if err != nil {
		return err
	}
	a.addSelfMonitor(in.collector)
	if err := a.buildGateway(ctx, queries); err != nil {
		return err
	}
	return a.buildAgentsPort(ctx, k, in)
}

func (a *App) queryConfig() query.Config {
	cfg := a.cfg.Query
	cfg.Version = a.cfg.Version
	return cfg
}

func (a *App) buildControlSocket(ctx context.Context, s services) error {
	l, err := listenControl(ctx, a.cfg.DataDir)
	if err != nil {
		return err
	}
	server := newLocalServer(a.cfg.DataDir, l, s, a.log)
	a.onClose(func() error {
		server.grpc.Stop()
		_ = l.Close() // Run has closed it, if it ran
		return removeControl(a.cfg.DataDir)
	})
	a.add("control socket", server.Run)
	return nil
}

// addSelfMonitor adds the part that stores the platform's own metrics.
func (a *App) addSelfMonitor(c *collector.Collector) {
	if a.cfg.SelfMonitoring.Interval == 0 {
		return
	}
	labels := map[string]string{"job": "esmon"}
	if host, err := os.Hostname(); err == nil {
		labels["instance"] = host
	}
	m := newSelfMonitor(a.cfg.SelfMonitoring.Interval, labels, a.reg, c, a.log, a.reg)
	a.add("self-monitoring", m.Run)
}

func (a *App) buildGateway(ctx context.Context, queries *query.Service) error {
	platform, err := controlClient(a.cfg.DataDir)
	if err != nil {
		return err
	}
	a.onClose(platform.Close)
	page, built := dashboard.FS()
	if !built {
		a.log.Warn("this binary was built without the dashboard: `make build` builds it in")
	}
	a.gateway, err = gateway.New(a.cfg.HTTP, gateway.Deps{
		Platform: platform, Prometheus: queries.PrometheusHandler(), Metrics: a.reg, Dashboard: page,
	}, a.log, a.reg)
	if err != nil {
		return err
	}
	if err := a.gateway.Listen(ctx); err != nil {
		return err
	}
	a.onClose(a.gateway.Close)
	a.endpoints.HTTP = a.gateway.Addr().String()
	a.add("gateway", a.gateway.Run)
	return nil
}

func (a *App) buildAgentsPort(ctx context.Context, k *kept, in *inside) error {
	creds := in.registry.ServerCredentials(k.authority, a.cfg.TLS.Cipher)
	around := collector.Interceptors{
		Unary:  []grpc.UnaryServerInterceptor{fault.UnaryServerInterceptor(a.log), in.registry.UnaryAgentAuth},
		Stream: []grpc.StreamServerInterceptor{fault.StreamServerInterceptor(a.log), in.registry.StreamAgentAuth},
	}
	server, err := collector.NewServer(a.cfg.GRPC.ServerConfig, in.collector, creds, around, a.log, a.reg)
	if err != nil {
		return err
	}
	enrolv1.RegisterEnrolmentServiceServer(server.GRPC(), in.registry.EnrolmentService())
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.GRPC.Address)
	if err != nil {
		return fmt.Errorf("listen for agents on %s (setting grpc.address): %w", a.cfg.GRPC.Address, err)
	}
	a.onClose(func() error { _ = l.Close(); return nil }) // Run has closed it, if it ran
	a.endpoints.GRPC = l.Addr().String()
	a.add("agents' port", func(ctx context.Context) error { return server.Run(ctx, l) })
	return nil
}

// activeFor is how long after its last row a series counts as active.
const activeFor = 15 * time.Minute

// status makes the service that says how the platform is.
func (a *App) status(k *kept, in *inside) *statusService {
	return &statusService{
		version: a.cfg.Version, started: a.started, dir: a.cfg.DataDir, log: k.ingest,
		agents:       in.registry.Counts,
		stored:       in.storage.Progress,
		activeSeries: func() int { return k.tsdb.ActiveSeries(time.Now().Add(-activeFor)) },
		ingested:     in.collector.Totals,
		ready:        []readiness{{name: "storage", check: in.storage.Ready}},
	}
}
