package app

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/route"
)

// platformServices are what people and programs may call, wherever it is.
var platformServices = slices.Concat(alertServices, []string{
	agentsv1.AgentsService_ServiceDesc.ServiceName, enrolv1.TokenService_ServiceDesc.ServiceName,
	ingestv1.IngestService_ServiceDesc.ServiceName,
	queryv1.QueryService_ServiceDesc.ServiceName, livev1.LiveService_ServiceDesc.ServiceName,
})

// alertServices are those of nodes with target alerting.
var alertServices = []string{
	alertv1.AlertService_ServiceDesc.ServiceName, alertv1.RuleService_ServiceDesc.ServiceName,
	alertv1.SilenceService_ServiceDesc.ServiceName, alertv1.DeliveryService_ServiceDesc.ServiceName,
}

// others is the way to the other processes of the platform. What this process
// itself runs is called the same way, through its internal port: there is one way
// to be right.
type others struct {
	control, collector *grpc.ClientConn
	alerting           grpc.ClientConnInterface
	leader             *grpc.ClientConn // of alerting; nil where no rules are evaluated
	storage            *route.Storage   // nil where nobody asks for data
	all                *route.Conn      // what people and programs may call
}

// buildOthers makes the connections. They are made when they are needed.
func (a *App) buildOthers(ctx context.Context, p *platform) error {
	if p.id.node == nil {
		return nil
	}
	l, err := a.listenInternal(ctx)
	if err != nil {
		return err
	}
	p.id.internal = l
	var o others
	if o.control, err = a.dial(p, cluster.Control, a.cfg.Cluster.Control); err != nil {
		return err
	}
	if o.collector, err = a.dial(p, cluster.Collector, a.cfg.Cluster.Collector); err != nil {
		return err
	}
	if o.alerting, err = a.dialAlerting(p); err != nil {
		return err
	}
	if a.cfg.runs(cluster.Alerting) {
		if o.leader, err = cluster.DialLeader(cluster.Alerting, a.addresses(cluster.Alerting, a.cfg.Cluster.Alerting), p.id.node); err != nil {
			return err
		}
		a.onClose(o.leader.Close)
	}
	p.others = &o
	if !a.cfg.runsAny(cluster.Control, cluster.Gateway) {
		return nil
	}
	o.storage, err = route.NewStorage(a.cfg.Route, route.Deps{
		Addresses:   a.addresses(cluster.Storage, a.cfg.Cluster.Storage),
		Credentials: p.id.node.Credentials(cluster.Storage),
		HTTP:        p.id.node.Transport(cluster.Storage), Health: cluster.Storage,
	}, a.log, a.reg)
	if err != nil {
		return err
	}
	a.add("way to storage", o.storage.Run)
	o.all, err = route.NewConn(
		route.Part{Name: "control", Conn: o.control, Services: []string{
			agentsv1.AgentsService_ServiceDesc.ServiceName, enrolv1.TokenService_ServiceDesc.ServiceName,
		}},
		route.Part{Name: "collector", Conn: o.collector, Services: []string{ingestv1.IngestService_ServiceDesc.ServiceName}},
		route.Part{Name: "alerting", Conn: o.alerting, Services: alertServices},
		route.Part{Name: "storage", Conn: o.storage, Services: []string{
			queryv1.QueryService_ServiceDesc.ServiceName, livev1.LiveService_ServiceDesc.ServiceName,
		}},
	)
	return err
}

// addresses returns where nodes with the target are: as configured, or this
// process, if it is one and no other is named.
func (a *App) addresses(target string, configured []string) []string {
	if len(configured) == 0 && a.cfg.runs(target) {
		return []string{a.endpoints.Internal}
	}
	return configured
}

// dialAlerting returns a connection to the nodes that evaluate rules. A platform may
// have none.
func (a *App) dialAlerting(p *platform) (grpc.ClientConnInterface, error) {
	if len(a.addresses(cluster.Alerting, a.cfg.Cluster.Alerting)) == 0 {
		return noAlerting{}, nil
	}
	return a.dial(p, cluster.Alerting, a.cfg.Cluster.Alerting)
}

// noAlerting answers where no node evaluates rules.
type noAlerting struct{}

var errNoAlerting = fault.GRPC(fault.New(fault.Unavailable, "alerting_missing", "no process with target alerting is configured here: run one, and list its internal address in cluster.alerting"))

// Invoke implements grpc.ClientConnInterface.
func (noAlerting) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return errNoAlerting
}

// NewStream implements grpc.ClientConnInterface.
func (noAlerting) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errNoAlerting
}

// dial returns a connection to all nodes with the target.
func (a *App) dial(p *platform, target string, configured []string) (*grpc.ClientConn, error) {
	conn, err := cluster.Dial(target, a.addresses(target, configured), p.id.node)
	if err != nil {
		return nil, err
	}
	a.onClose(conn.Close)
	return conn, nil
}
