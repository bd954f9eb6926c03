package app

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	gstatus "google.golang.org/grpc/status"

	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/enrol"
	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/db/postgres/pgtest"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/fleetsim"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/settings"
)

// site is a platform on one node, and a relay that joined it.
type site struct {
	centre  *grpc.ClientConn // the platform's control socket
	http    string           // of the centre
	relay   *App
	local   *grpc.ClientConn // the relay's control socket
	stopAll func()
}

// startSite starts both.
func startSite(t *testing.T) *site {
	t.Helper()
	central := clusterConfig(t, pgtest.DSN(t), brokerURL(t, "relay"), "control", "collector", "storage", "gateway")
	a := build(t, central)
	s := &site{}
	var stopCentre, stopRelay func() error
	s.centre, stopCentre = start(t, a)
	s.http = a.Endpoints().HTTP
	eventuallyReady(t, s.centre)
	token, err := clusterv1.NewNodeTokenServiceClient(s.centre).CreateNodeToken(t.Context(), &clusterv1.CreateNodeTokenRequest{Name: "relay-1", Targets: []string{"relay"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(t)
	cfg.Targets, cfg.Cluster.Address, cfg.SelfMonitoring.Interval = []string{"relay"}, "127.0.0.1:0", time.Second
	cfg.Cluster.Control, cfg.Cluster.Collector = []string{a.Endpoints().Internal}, []string{a.Endpoints().Internal}
	cfg.Cluster.JoinToken = settings.Secret(token.GetSecret())
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s.relay = build(t, cfg)
	s.local, stopRelay = start(t, s.relay)
	s.stopAll = func() {
		if err := errors.Join(stopRelay(), stopCentre()); err != nil {
			t.Error(err)
		}
	}
	within(t, "the relay is ready", func() string {
		res, err := statusv1.NewStatusServiceClient(s.local).GetStatus(t.Context(), &statusv1.GetStatusRequest{})
		if err != nil {
			return err.Error()
		}
		return strings.Join(res.GetReasons(), "; ")
	})
	return s
}

// fleet enrols agents through the relay.
func (s *site) fleet(t *testing.T) *fleetsim.Fleet {
	t.Helper()
	token, err := enrolv1.NewTokenServiceClient(s.centre).CreateToken(t.Context(), &enrolv1.CreateTokenRequest{Uses: 2})
	if err != nil {
		t.Fatal(err)
	}
	cfg := fleetsim.DefaultConfig()
	cfg.Agents, cfg.Series, cfg.Interval, cfg.Moments = 2, 20, 10*time.Millisecond, 20
	cfg.Address, cfg.Token, cfg.Name = s.relay.Endpoints().GRPC, token.GetSecret(), "site"
	f, err := fleetsim.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestARelayForwardsAgents sends through a relay and looks at the centre.
func TestARelayForwardsAgents(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	f := s.fleet(t)
	report, err := f.RunUntil(t.Context(), context.Background())
	if err != nil || report.Refused > 0 {
		t.Fatalf("%v, %+v", err, report)
	}
	within(t, "the centre has what was acknowledged", func() string {
		v, err := f.Verify(t.Context(), "http://"+s.http)
		if err != nil {
			return err.Error()
		}
		if v.Samples == 0 || v.Found != v.Samples || v.Differences > 0 {
			return strings.Join(v.Examples, "; ")
		}
		return ""
	})
	agents, err := agentsv1.NewAgentsServiceClient(s.centre).ListAgents(t.Context(), &agentsv1.ListAgentsRequest{})
	if err != nil || len(agents.GetAgents()) != 2 || !strings.HasPrefix(agents.GetAgents()[0].GetHostName(), "site-0000") {
		t.Errorf("the registry has %v, %v", agents, err)
	}
	within(t, "the relay's own metrics are at the centre", func() string {
		res, err := queryv1.NewQueryServiceClient(s.centre).Query(t.Context(), &queryv1.QueryRequest{Query: `esmon_relay_uplink_connected{instance="relay-1",source="relay-1"}`})
		if err != nil || len(res.GetSeries()) != 1 {
			return res.String()
		}
		return ""
	})
	within(t, "the centre knows the relay", func() string {
		res, err := statusv1.NewStatusServiceClient(s.centre).GetStatus(t.Context(), &statusv1.GetStatusRequest{})
		if err != nil || len(res.GetRelays()) != 1 || res.GetRelays()[0].GetName() != "relay-1" || time.Since(res.GetRelays()[0].GetLastTime().AsTime()) > time.Minute {
			return fmt.Sprint(res.GetRelays(), err)
		}
		return ""
	})
	for _, path := range []string{"/readyz", "/healthz", "/metrics"} {
		if code := get(t, "http://"+s.relay.Endpoints().HTTP+path); code != http.StatusOK {
			t.Errorf("%s answers %d", path, code)
		}
	}
	s.stopAll()
	released(t, s.relay.cfg.DataDir, s.relay.Endpoints().HTTP, s.relay.Endpoints().GRPC, s.relay.Endpoints().Internal)
}

// TestARevokedAgentIsRefusedThroughARelay revokes one while it sends.
func TestARevokedAgentIsRefusedThroughARelay(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	defer s.stopAll()
	s.fleet(t)
	client := agentsv1.NewAgentsServiceClient(s.centre)
	agents, err := client.ListAgents(t.Context(), &agentsv1.ListAgentsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	id := agents.GetAgents()[0].GetId()
	conn := s.asRelay(t)
	stream := s.streamOf(t, conn, id)
	if m, err := stream.Recv(); err != nil || m.GetWelcome() == nil {
		t.Fatalf("%v, %v", m, err)
	}
	if _, err := client.RevokeAgent(t.Context(), &agentsv1.RevokeAgentRequest{Id: id}); err != nil {
		t.Fatal(err)
	}
	for what, stream := range map[string]ingestv1.IngestService_StreamClient{"the open stream": stream, "a new one": s.streamOf(t, conn, id)} {
		if _, err := stream.Recv(); fault.FromGRPC(err).Reason != "identity_revoked" || gstatus.Code(err) != codes.PermissionDenied {
			t.Errorf("%s ends with %v", what, err)
		}
	}
}

// TestARelayRenewsForNobodyElse renews an agent's certificate through the relay, and
// then tries to get one in its name with what a relay has.
func TestARelayRenewsForNobodyElse(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	defer s.stopAll()
	web, db := s.enrol(t, "web"), s.enrol(t, "db")
	renewed, err := enrol.Renew(t.Context(), s.agentConn(t, web), web)
	if err != nil || renewed.AgentID != web.AgentID || renewed.Certificate.Leaf.Equal(web.Certificate.Leaf) {
		t.Fatalf("through the relay the agent gets %v, %v", renewed, err)
	}
	if _, err := enrol.Renew(t.Context(), s.agentConn(t, renewed), renewed); err != nil {
		t.Errorf("with its new certificate the agent gets %v", err)
	}
	mine, theirs := newRequest(t), newRequest(t)
	prove := func(i *enrol.Identity, request []byte) []byte {
		signature, err := mtls.SignRenewal(i.Certificate.PrivateKey.(crypto.Signer), request)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "esmon-agent", web.AgentID, "esmon-agent-certificate-end", "99999999999")
	client := enrolv1.NewEnrolmentServiceClient(s.asRelay(t))
	for what, req := range map[string]*enrolv1.RenewRequest{
		"without a proof":                  {Csr: mine},
		"with a certificate it saw":        {Csr: mine, Chain: web.Certificate.Certificate},
		"with a proof for another request": {Csr: mine, Chain: web.Certificate.Certificate, Signature: prove(web, theirs)},
		"with another agent's proof":       {Csr: mine, Chain: db.Certificate.Certificate, Signature: prove(db, mine)},
	} {
		if _, err := client.Renew(ctx, req); fault.FromGRPC(err).Reason != "renewal_unproven" || gstatus.Code(err) != codes.InvalidArgument {
			t.Errorf("%s a relay gets %v", what, err)
		}
	}
}

// enrol enrols an agent through the relay.
func (s *site) enrol(t *testing.T, host string) *enrol.Identity {
	t.Helper()
	token, err := enrolv1.NewTokenServiceClient(s.centre).CreateToken(t.Context(), &enrolv1.CreateTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	dialer, err := collectors.New(collectors.Config{})
	if err != nil {
		t.Fatal(err)
	}
	i, err := enrol.Enrol(t.Context(), dialer, []string{s.relay.Endpoints().GRPC}, token.GetSecret(), "", enrol.Facts{HostName: host, HostID: host, OSType: "linux", Arch: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// agentConn connects to the relay as the agent does.
func (s *site) agentConn(t *testing.T, i *enrol.Identity) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.relay.Endpoints().GRPC, grpc.WithTransportCredentials(credentials.NewTLS(mtls.ClientConfig(mtls.Options{
		Certificate: func() (*tls.Certificate, error) { return i.Certificate, nil },
		Roots:       func() *x509.CertPool { return i.Roots },
	}))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// newRequest returns a certificate request for a key of nobody.
func newRequest(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// asRelay connects to the centre as the relay does.
func (s *site) asRelay(t *testing.T) *grpc.ClientConn {
	t.Helper()
	// The identity that the relay joined with is in its data directory.
	node, err := cluster.Open(t.Context(), s.relay.path(nodeName), s.relay.cfg.Cluster, cluster.Deps{Targets: []string{"relay"}}, s.relay.log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := cluster.DialNode(cluster.Collector, s.relay.cfg.Cluster.Collector[0], node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// streamOf opens a stream for the agent.
func (s *site) streamOf(t *testing.T, conn *grpc.ClientConn, agent string) ingestv1.IngestService_StreamClient {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "esmon-agent", agent, "esmon-agent-certificate-end", "99999999999")
	stream, err := ingestv1.NewIngestServiceClient(conn).Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Hello{Hello: &ingestv1.Hello{}}}) // Recv says why not
	return stream
}

// TestWhatARelayMayNotCall calls the centre with a relay's identity.
func TestWhatARelayMayNotCall(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	defer s.stopAll()
	conn, ctx := s.asRelay(t), t.Context()
	for what, call := range map[string]func() error{
		"query": func() error {
			_, err := queryv1.NewQueryServiceClient(conn).Query(ctx, &queryv1.QueryRequest{Query: "up"})
			return err
		},
		"agents": func() error {
			_, err := agentsv1.NewAgentsServiceClient(conn).ListAgents(ctx, &agentsv1.ListAgentsRequest{})
			return err
		},
		"tokens": func() error {
			_, err := enrolv1.NewTokenServiceClient(conn).CreateToken(ctx, &enrolv1.CreateTokenRequest{Uses: 1})
			return err
		},
		"status": func() error {
			_, err := statusv1.NewStatusServiceClient(conn).GetStatus(ctx, &statusv1.GetStatusRequest{})
			return err
		},
		"push of another's metrics": func() error {
			_, err := ingestv1.NewIngestServiceClient(conn).Push(ctx, &ingestv1.PushRequest{Points: []*ingestv1.Point{{Name: "up", Value: 1}}})
			return err
		},
	} {
		if err := call(); gstatus.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, agent := range map[string]string{"an unknown agent": "aaaabbbbccccddddeeeeffffgg", "a node": "relay-1"} {
		if _, err := s.streamOf(t, conn, agent).Recv(); err == nil {
			t.Errorf("a stream of %s is taken", what)
		}
	}
}
