package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"

	"google.golang.org/grpc"

	"github.com/esolutions/esmon/dashboard"
	"github.com/esolutions/esmon/gateway"
	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/collector"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/relay"
	"github.com/esolutions/esmon/services/route"
)

// buildInternal makes what other nodes can call.
func (a *App) buildInternal(_ context.Context, p *platform) error {
	if p.id.node == nil {
		return nil
	}
	deps := cluster.ServerDeps{Node: p.id.node, Rules: a.rules(), HTTPCallers: []string{cluster.Gateway}}
	var fresh *route.Freshness
	if p.queries != nil {
		var err error
		fresh, err = route.NewFreshness(a.cfg.Freshness, route.FreshnessDeps{Positions: p.storage.Positions, Ready: cached(p.storage.Ready)}, a.reg)
		if err != nil {
			return err
		}
		mux := http.NewServeMux()
		mux.Handle(route.PrometheusPath+"/", http.StripPrefix(route.PrometheusPath, fresh.Middleware(p.prometheus)))
		deps.HTTP = mux
	}
	server, err := cluster.NewServer(a.cfg.Cluster, deps, a.log, a.reg)
	if err != nil {
		return err
	}
	p.register(server.GRPC(), fresh)
	a.add("internal port", func(ctx context.Context) error { return server.Run(ctx, p.id.internal) })
	a.add("health of targets", func(ctx context.Context) error { return a.tellHealth(ctx, server, p) })
	return nil
}

// rules returns who may call what here. Relays enrol their agents at collectors, which
// ask control nodes: to those relays say nothing but who they are.
func (a *App) rules() []cluster.Rule {
	rules := cluster.Rules()
	if a.cfg.runs(cluster.Collector) {
		return rules
	}
	for i := range rules {
		if callers := rules[i].Callers; slices.Contains(callers, cluster.Relay) {
			rules[i].Callers = slices.DeleteFunc(slices.Clone(callers), func(t string) bool { return t == cluster.Relay })
		}
	}
	return rules
}

// register puts on the internal port what this process has.
func (p *platform) register(g *grpc.Server, fresh *route.Freshness) {
	statusv1.RegisterStatusServiceServer(g, p.status)
	if p.id.authority != nil {
		agentsv1.RegisterAgentsServiceServer(g, p.registry.AgentsService())
		enrolv1.RegisterTokenServiceServer(g, p.registry.TokenService())
		clusterv1.RegisterNodeServiceServer(g, p.joining.NodeService())
	}
	if p.registry != nil {
		enrolv1.RegisterEnrolmentServiceServer(g, &forwardedEnrolment{enrolment: p.enrolment(), node: cluster.NodeFromContext})
	}
	if p.collector != nil {
		ingestv1.RegisterIngestServiceServer(g, &relay.Central{Collector: p.collector, Node: cluster.NodeFromContext, Seen: &p.relays})
	}
	if p.alerts != nil && p.alerts.service != nil {
		p.alerts.service.Register(g)
	}
	if p.queries != nil {
		queryv1.RegisterQueryServiceServer(fresh.Registrar(g), p.queries)
		livev1.RegisterLiveServiceServer(fresh.Registrar(g), p.live)
	}
}

// buildControlSocket makes what the command line on this host calls, and in a
// process that is the whole platform the gateway, too.
func (a *App) buildControlSocket(ctx context.Context, p *platform) error {
	l, err := listenControl(ctx, a.cfg.DataDir)
	if err != nil {
		return err
	}
	server := newLocalServer(a.cfg.DataDir, l, p, a.log)
	a.onClose(func() error {
		server.grpc.Stop()
		_ = l.Close() // Run has closed it, if it ran
		return removeControl(a.cfg.DataDir)
	})
	a.add("control socket", server.Run)
	return nil
}

// buildSelfMonitor adds the part that stores the platform's own metrics.
func (a *App) buildSelfMonitor(_ context.Context, p *platform) error {
	if a.cfg.SelfMonitoring.Interval == 0 {
		return nil
	}
	labels := map[string]string{"job": "esmon", "instance": p.id.name}
	var to pusher = p.collector
	if p.collector == nil {
		to = pushClient{ingestv1.NewIngestServiceClient(p.others.collector)}
	}
	m := newSelfMonitor(a.cfg.SelfMonitoring.Interval, labels, a.reg, to, a.log, a.reg)
	a.add("self-monitoring", m.Run)
	return nil
}

// buildHTTP makes the gateway, or what answers health checks where there is none.
func (a *App) buildHTTP(ctx context.Context, p *platform) error {
	if a.cfg.runs(cluster.Gateway) {
		return a.buildGateway(ctx, p)
	}
	ops, err := a.listenOps(ctx)
	if err != nil {
		return err
	}
	a.onClose(func() error { _ = ops.listener.Close(); return nil }) // Run has closed it, if it ran
	a.endpoints.HTTP = ops.listener.Addr().String()
	a.add("health checks", ops.Run)
	return nil
}

func (a *App) buildGateway(ctx context.Context, p *platform) error {
	deps, err := a.gatewayDeps(p)
	if err != nil {
		return err
	}
	if a.gateway, err = gateway.New(a.cfg.HTTP, deps, a.log, a.reg); err != nil {
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

func (a *App) gatewayDeps(p *platform) (gateway.Deps, error) {
	socket, err := controlClient(a.cfg.DataDir)
	if err != nil {
		return gateway.Deps{}, err
	}
	a.onClose(socket.Close)
	page, built := dashboard.FS()
	if !built {
		a.log.Warn("this binary was built without the dashboard: `make build` builds it in")
	}
	deps := gateway.Deps{Platform: socket, Prometheus: p.prometheus, Metrics: a.reg, Dashboard: page, Version: a.cfg.Version}
	if p.others == nil {
		return deps, nil
	}
	a.ready = append(a.ready, readiness{name: "storage", target: cluster.Gateway, check: p.others.storage.Ready})
	deps.Prometheus, deps.Session = p.others.storage.Proxy(), route.WithSession
	deps.Platform, err = route.NewConn(
		route.Part{Name: "this process", Conn: socket, Services: []string{statusv1.StatusService_ServiceDesc.ServiceName}},
		route.Part{Name: "the platform", Conn: p.others.all, Services: platformServices},
	)
	return deps, err
}

// buildAgentsPort makes the port where agents connect.
func (a *App) buildAgentsPort(ctx context.Context, p *platform) error {
	if p.relay != nil {
		return a.addAgentsPort(ctx, p.relay.Run)
	}
	if p.collector == nil {
		return nil
	}
	creds := p.registry.ServerCredentials(p.id.agents, a.cfg.TLS.Cipher)
	around := collector.Interceptors{
		Unary:  []grpc.UnaryServerInterceptor{fault.UnaryServerInterceptor(a.log), p.registry.UnaryAgentAuth},
		Stream: []grpc.StreamServerInterceptor{fault.StreamServerInterceptor(a.log), p.registry.StreamAgentAuth},
	}
	server, err := collector.NewServer(a.cfg.GRPC.ServerConfig, p.collector, creds, around, a.log, a.reg)
	if err != nil {
		return err
	}
	enrolv1.RegisterEnrolmentServiceServer(server.GRPC(), p.enrolment())
	return a.addAgentsPort(ctx, server.Run)
}

// addAgentsPort takes the address where agents connect for what serves them.
func (a *App) addAgentsPort(ctx context.Context, run func(context.Context, net.Listener) error) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.cfg.GRPC.Address)
	if err != nil {
		return fmt.Errorf("listen for agents on %s (setting grpc.address): %w", a.cfg.GRPC.Address, err)
	}
	a.onClose(func() error { _ = l.Close(); return nil }) // Run has closed it, if it ran
	a.endpoints.GRPC = l.Addr().String()
	a.add("agents' port", func(ctx context.Context) error { return run(ctx, l) })
	return nil
}
