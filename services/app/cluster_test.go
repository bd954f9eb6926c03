package app

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/bus/amqp/amqptest"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/settings"
)

// broker is one RabbitMQ for all tests of the package, each in a virtual host of its
// own.
var broker struct {
	once sync.Once
	mq   *amqptest.Cluster
	err  error
}

func brokerURL(t *testing.T, vhost string) string {
	t.Helper()
	broker.once.Do(func() { broker.mq, broker.err = amqptest.Start(context.Background(), amqptest.Options{}) })
	if broker.err != nil {
		t.Fatal(broker.err)
	}
	url, err := broker.mq.Nodes[0].AddVhost(t.Context(), vhost)
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// stopBroker ends it with the tests.
func stopBroker() error {
	if broker.mq == nil {
		return nil
	}
	return broker.mq.Close()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // somebody else listens next
	return l.Addr().String()
}

// clusterConfig is a node that runs the targets over real engines.
func clusterConfig(t *testing.T, dsn, url string, targets ...string) Config {
	t.Helper()
	cfg := testConfig(t)
	cfg.Targets = targets
	cfg.DB.Kind, cfg.DB.DSN = DBPostgres, settings.Secret(dsn)
	cfg.Bus.Kind, cfg.Bus.URL = BusAMQP, settings.Secret(url)
	cfg.Cluster.Address = "127.0.0.1:0"
	return cfg
}

// TestOneNodeOfAllTargets runs what people and programs may call on a node that is a
// cluster by itself: each call goes out of it and in again, through the internal port.
func TestOneNodeOfAllTargets(t *testing.T) {
	t.Parallel()
	cfg := clusterConfig(t, pgtest.DSN(t), brokerURL(t, "one"), "control", "collector", "storage", "gateway")
	a := build(t, cfg)
	conn, stop := start(t, a)
	eventuallyReady(t, conn)
	callEverything(t, conn, a.Endpoints().HTTP)
	within(t, "the node stores the partition and says so", func() string {
		res := status(t, conn)
		if len(res.GetNodes()) != 1 || !res.GetNodes()[0].GetReady() || res.GetPartitions()[0].GetStoredBy() != res.GetNodes()[0].GetName() {
			return res.String()
		}
		return ""
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
	released(t, cfg.DataDir, a.Endpoints().HTTP, a.Endpoints().GRPC, a.Endpoints().Internal)
}

// TestNodesOfOneTargetEach joins a node for each target and makes the same calls on
// the gateway.
func TestNodesOfOneTargetEach(t *testing.T) {
	t.Parallel()
	dsn, url := pgtest.DSN(t), brokerURL(t, "each")
	internal := map[string]string{}
	for _, target := range targets {
		internal[target] = freeAddress(t)
	}
	node := func(target string) Config {
		cfg := clusterConfig(t, dsn, url, target)
		cfg.Cluster.Address = internal[target]
		cfg.Cluster.Control, cfg.Cluster.Storage, cfg.Cluster.Collector = []string{internal["control"]}, []string{internal["storage"]}, []string{internal["collector"]}
		return cfg
	}
	control, stopControl := start(t, build(t, node("control")))
	stops := []func() error{stopControl}
	var gateway *grpc.ClientConn
	var http string
	for _, target := range []string{"storage", "collector", "gateway"} {
		cfg := node(target)
		token, err := clusterv1.NewNodeTokenServiceClient(control).CreateNodeToken(t.Context(), &clusterv1.CreateNodeTokenRequest{Name: target + "-1", Targets: []string{target}})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Cluster.JoinToken = settings.Secret(token.GetSecret())
		a := build(t, cfg)
		conn, stop := start(t, a)
		stops = append(stops, stop)
		gateway, http = conn, a.Endpoints().HTTP
	}
	eventuallyReady(t, gateway)
	callEverything(t, gateway, http)
	res := status(t, gateway)
	var names []string
	for _, n := range res.GetNodes() {
		names = append(names, n.GetName())
	}
	if len(names) != 4 {
		t.Errorf("the gateway knows the nodes %v", names)
	}
	for i := len(stops) - 1; i >= 0; i-- {
		if err := stops[i](); err != nil {
			t.Error(err)
		}
	}
}

// eventuallyReady waits until the platform says that it is ready.
func eventuallyReady(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	within(t, "the platform is ready", func() string {
		if res := status(t, conn); !res.GetReady() {
			return strings.Join(res.GetReasons(), "; ")
		}
		return ""
	})
}

// within waits until f finds nothing wrong.
func within(t *testing.T, what string, f func() string) {
	t.Helper()
	var wrong string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if wrong = f(); wrong == "" {
			return
		}
	}
	t.Fatalf("not in time: %s: %s", what, wrong)
}

// callEverything makes one call of each service, by the control socket and by HTTP.
func callEverything(t *testing.T, conn *grpc.ClientConn, address string) {
	t.Helper()
	ctx := t.Context()
	if _, err := agentsv1.NewAgentsServiceClient(conn).ListAgents(ctx, &agentsv1.ListAgentsRequest{}); err != nil {
		t.Errorf("agents: %v", err)
	}
	if _, err := enrolv1.NewTokenServiceClient(conn).CreateToken(ctx, &enrolv1.CreateTokenRequest{Uses: 1}); err != nil {
		t.Errorf("tokens: %v", err)
	}
	point := &ingestv1.Point{Name: "test_gauge", Type: ingestv1.MetricType_METRIC_TYPE_GAUGE, Value: 42, Time: timestamppb.Now()}
	if _, err := ingestv1.NewIngestServiceClient(conn).Push(ctx, &ingestv1.PushRequest{Points: []*ingestv1.Point{point}}); err != nil {
		t.Errorf("push: %v", err)
	}
	within(t, "what was pushed is found", func() string {
		res, err := queryv1.NewQueryServiceClient(conn).Query(ctx, &queryv1.QueryRequest{Query: "test_gauge"})
		switch {
		case err != nil:
			return err.Error()
		case len(res.GetSeries()) != 1 || res.GetSeries()[0].GetSamples()[0].GetValue() != 42:
			return res.String()
		}
		return ""
	})
	for _, path := range []string{"/readyz", "/healthz", "/metrics", "/api/v1/status", "/api/v1/agents", "/prometheus/api/v1/query?query=test_gauge"} {
		if code := get(t, "http://"+address+path); code != http.StatusOK {
			t.Errorf("%s answers %d", path, code)
		}
	}
	if res, err := statusv1.NewStatusServiceClient(conn).GetStatus(ctx, &statusv1.GetStatusRequest{Local: true}); err != nil || len(res.GetNodes()) != 1 {
		t.Errorf("local status: %v, %v", res, err)
	}
}
