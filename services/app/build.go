package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"os"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/lease"
	"github.com/esolutions/esmon/services/live"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/relay"
	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"

	"github.com/prometheus/client_golang/prometheus/collectors"
)

// platform is what this process runs of the platform, each made from those above
// it. What its targets do not need is nil.
type platform struct {
	id        *identity
	db        *database
	ingest    bus.Log
	others    *others // the way to other processes
	registry  *control.Registry
	joining   *cluster.Joining
	tsdb      *tsdb.DB
	storage   *storage.Storage
	queries   *query.Service
	live      *live.Hub
	collector *collector.Collector
	relay     *relay.Relay
	relays    relay.Seen // that came to the collector here
	alerts    *alerts
	status    *statusService

	prometheus http.Handler // answers the Prometheus HTTP API
}

// build makes the parts in the order in which they need one another.
func (a *App) build(ctx context.Context) error {
	if err := mtls.SelfCheck(a.cfg.TLS.Cipher); err != nil {
		return err
	}
	if err := a.takeDirectory(); err != nil {
		return err
	}
	a.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(a.cfg.Version))
	var p platform
	for _, make := range []func(context.Context, *platform) error{
		a.buildKept, a.buildOthers, a.buildRegistry, a.buildAlertFiles, a.buildWatermark, a.buildStorage, a.buildCollector, a.buildRelay,
		a.buildDispatch, a.buildAlerting, a.buildAlertService, a.buildStatus, a.buildInternal, a.buildControlSocket, a.buildSelfMonitor, a.buildHTTP, a.buildAgentsPort,
	} {
		if err := make(ctx, &p); err != nil {
			return err
		}
	}
	return nil
}

// buildKept opens what outlives the process: database, ingest log, keys.
func (a *App) buildKept(ctx context.Context, p *platform) (err error) {
	if a.cfg.runsAny(withDatabase...) {
		if p.db, err = a.openDatabase(ctx); err != nil {
			return err
		}
	}
	if p.id, err = a.openIdentity(ctx); err != nil {
		return err
	}
	if a.cfg.runsAny(cluster.Collector, cluster.Storage, cluster.Alerting) {
		p.ingest, err = a.openLog(ctx, p.db)
	}
	return err
}

// buildRegistry makes the registry of agents, which collectors read and control
// nodes change.
func (a *App) buildRegistry(ctx context.Context, p *platform) (err error) {
	if !a.cfg.runsAny(cluster.Control, cluster.Collector, cluster.Alerting) {
		return nil
	}
	deps := control.Deps{Store: p.db.control, Shared: p.db.shared, Leases: p.db.leases}
	if p.id.authority != nil {
		deps.Authority = p.id.authority
	}
	if a.cfg.runs(cluster.Collector) {
		deps.Node = p.id.name
	}
	if p.registry, err = control.Open(ctx, a.cfg.Control, deps, a.log, a.reg); err != nil {
		return err
	}
	a.add("registry of agents", p.registry.Run)
	if p.id.node != nil && p.id.authority != nil {
		p.joining, err = cluster.NewJoining(p.db.nodeTokens, p.id.authority, nil, a.log, a.reg)
	}
	return err
}

// buildStorage makes what stores and answers. A process that evaluates rules reads the
// same data the same way; it only never stores.
func (a *App) buildStorage(ctx context.Context, p *platform) (err error) {
	if !a.cfg.runsAny(cluster.Storage, cluster.Alerting) {
		return nil
	}
	if p.tsdb, err = tsdb.Open(ctx, a.cfg.TSDB, p.db.chunks, a.log, a.reg); err != nil {
		return err
	}
	deps := storage.Deps{Log: p.ingest, DB: p.tsdb}
	if p.alerts != nil && p.alerts.watermark != nil {
		deps.Watcher = p.alerts.watermark
	}
	switch {
	case !a.cfg.runs(cluster.Storage):
		deps.Leases = func(string) storage.Lease { return never{} }
	case p.db.shared:
		if deps.Leases, err = a.leases(p.db.leases, p.id.name); err != nil {
			return err
		}
	}
	if p.storage, err = storage.New(a.cfg.Storage, deps, a.log, a.reg); err != nil {
		return err
	}
	a.add("storage", p.storage.Run)
	a.ready = append(a.ready, readiness{name: "storage", check: cached(p.storage.Ready)})
	if !a.cfg.runs(cluster.Storage) {
		return nil
	}
	if p.queries, err = query.New(a.queryConfig(), query.TSDB(p.tsdb), a.log, a.reg); err != nil {
		return err
	}
	p.prometheus = p.queries.PrometheusHandler()
	if p.live, err = live.New(a.cfg.Live, p.queries, a.log, a.reg); err != nil {
		return err
	}
	p.tsdb.SetObserver(p.live)
	a.add("live watches", p.live.Run)
	return nil
}

// never is the lease of a process that only reads.
type never struct{}

// Run implements storage.Lease.
func (never) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Held implements storage.Lease.
func (never) Held() bool { return false }

// leases returns what gives out leases to this run of the node.
func (a *App) leases(store lease.Store, node string) (func(string) storage.Lease, error) {
	if a.leaseMetrics == nil {
		var err error
		if a.leaseMetrics, err = lease.NewMetrics(a.reg); err != nil {
			return nil, err
		}
	}
	var run [4]byte
	_, _ = rand.Read(run[:]) // it never fails
	holder := node + "/" + hex.EncodeToString(run[:])
	return func(name string) storage.Lease {
		return lease.NewKeeper(store, holder, name, leaseLife, a.log, a.leaseMetrics)
	}, nil
}

func (a *App) queryConfig() query.Config {
	cfg := a.cfg.Query
	cfg.Version = a.cfg.Version
	return cfg
}

// buildCollector makes what takes data in.
func (a *App) buildCollector(_ context.Context, p *platform) (err error) {
	if !a.cfg.runs(cluster.Collector) {
		return nil
	}
	cfg := a.cfg.Collector
	cfg.Limits.Past = a.cfg.TSDB.Retention
	p.collector, err = collector.New(cfg, collector.Deps{Log: p.ingest, Connect: connector(p.registry), Source: pushSource}, a.log, a.reg)
	if err != nil {
		return err
	}
	a.add("collector", p.collector.Run)
	return nil
}

// buildRelay makes what forwards agents to the collectors.
func (a *App) buildRelay(_ context.Context, p *platform) (err error) {
	if !a.cfg.runs(cluster.Relay) {
		return nil
	}
	cfg := relay.Config{Port: a.cfg.GRPC.ServerConfig, DrainTimeout: a.cfg.Cluster.DrainTimeout}
	p.relay, err = relay.New(cfg, relay.Deps{
		Uplink: p.others.collector, Certificate: p.id.node.ServerCertificate, Roots: p.id.node.Roots, Cipher: a.cfg.TLS.Cipher,
	}, a.log, a.reg)
	if err != nil {
		return err
	}
	a.ready = append(a.ready, readiness{name: "relay", target: cluster.Relay, check: cached(p.relay.Ready)})
	return nil
}

// localSource is the source label of points that a program pushed through REST or
// the control socket. Who it is, nobody can tell before there are tokens.
const localSource = "local"

// pushSource returns the source label of a push.
func pushSource(ctx context.Context) string {
	if id, ok := mtls.AgentFromContext(ctx); ok {
		return id
	}
	if node, ok := cluster.NodeFromContext(ctx); ok && !node.Has(cluster.Gateway) {
		return node.Name // its own metrics
	}
	return localSource
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

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

// enrolment returns what enrols agents on this process' agents' port.
func (p *platform) enrolment() enrolv1.EnrolmentServiceServer {
	if p.id.authority != nil {
		return p.registry.EnrolmentService()
	}
	return &enrolmentForwarder{control: enrolv1.NewEnrolmentServiceClient(p.others.control)}
}
