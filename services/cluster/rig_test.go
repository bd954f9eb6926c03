package cluster_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	livev1 "github.com/esolutions/esmon/gen/go/esmon/live/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
	"github.com/esolutions/esmon/services/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	day = 24 * time.Hour
	// patience is how long something may take that is bound to come.
	patience = 60 * time.Second
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// platform is an authority, its database and a running control node.
type platform struct {
	*testing.T
	clock     *clock
	authority *pki.Authority
	joining   *cluster.Joining
	control   *running
	rules     []cluster.Rule // of nodes that are run; nil: the platform's own
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	return newPlatformAt(t, &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)})
}

func newPlatformAt(t *testing.T, c *clock) *platform {
	t.Helper()
	p := &platform{T: t, clock: c}
	p.openAuthority()
	p.control = p.run(p.controlNode(), listen(t), nil)
	return p
}

// openAuthority makes the authority and what keeps its tokens.
func (p *platform) openAuthority() {
	p.Helper()
	dir, log := p.TempDir(), discard()
	db, err := sqlite.Open(p.Context(), filepath.Join(dir, "es_monitor.db"), log)
	must(p.T, err)
	p.Cleanup(func() { must(p.T, db.Close()) })
	p.authority, err = pki.Open(filepath.Join(dir, "pki"), pki.DefaultConfig(), p.clock.Now, log, newRegistry())
	must(p.T, err)
	p.joining, err = cluster.NewJoining(db.NodeTokens(), p.authority, p.clock.Now, log, newRegistry())
	must(p.T, err)
}

// controlNode returns a node that holds the authority's key.
func (p *platform) controlNode() *node {
	p.Helper()
	n := &node{reg: newRegistry()}
	var err error
	n.Node, err = cluster.Open(p.Context(), "", cluster.DefaultConfig(), cluster.Deps{
		Targets: []string{cluster.Control}, Authority: p.authority, Now: p.clock.Now,
	}, discard(), n.reg)
	must(p.T, err)
	return n
}

// node is a node with its metrics.
type node struct {
	*cluster.Node
	reg *prometheus.Registry
}

// token makes a join token and returns its text.
func (p *platform) token(name string, targets ...string) string {
	p.Helper()
	secret, _ := p.tokenAndID(name, targets...)
	return secret
}

func (p *platform) tokenAndID(name string, targets ...string) (secret, id string) {
	p.Helper()
	res, err := p.joining.TokenService().CreateNodeToken(p.Context(), &clusterv1.CreateNodeTokenRequest{Name: name, Targets: targets})
	must(p.T, err)
	return res.GetSecret(), res.GetToken().GetId()
}

func (p *platform) revoke(id string) {
	p.Helper()
	_, err := p.joining.TokenService().RevokeNodeToken(p.Context(), &clusterv1.RevokeNodeTokenRequest{Id: id})
	must(p.T, err)
}

// config is that of a node that joins the platform.
func (p *platform) config(token string) cluster.Config {
	cfg := cluster.DefaultConfig()
	cfg.JoinToken = settings.Secret(token)
	cfg.Control = []string{p.control.address}
	return cfg
}

// open opens the node in the folder.
func (p *platform) open(dir string, cfg cluster.Config, targets ...string) (*node, error) {
	n := &node{reg: newRegistry()}
	ctx, cancel := context.WithTimeout(p.Context(), patience)
	defer cancel()
	var err error
	n.Node, err = cluster.Open(ctx, dir, cfg, cluster.Deps{Targets: targets, Now: p.clock.Now}, discard(), n.reg)
	return n, err
}

// join makes a new node.
func (p *platform) join(name string, targets ...string) *node {
	p.Helper()
	n, err := p.open(p.TempDir(), p.config(p.token(name, targets...)), targets...)
	must(p.T, err)
	return n
}

// running is a node that serves.
type running struct {
	*node
	*cluster.Server
	service *service
	address string
	metrics *prometheus.Registry
	stop    func() // returns when it has stopped
}

// serve runs the internal port of a node, with its targets serving.
func (p *platform) serve(n *node) *running {
	p.Helper()
	r := p.run(n, listen(p.T), nil)
	for _, target := range n.Targets() {
		r.SetServing(target, true)
	}
	return r
}

func (p *platform) run(n *node, lis net.Listener, change func(*cluster.Config)) *running {
	p.Helper()
	cfg := cluster.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	r := &running{node: n, service: &service{name: n.Name()}, address: lis.Addr().String(), metrics: newRegistry()}
	rules := p.rules
	if rules == nil {
		rules = cluster.Rules()
	}
	var err error
	r.Server, err = cluster.NewServer(cfg, cluster.ServerDeps{
		Node: n.Node, Rules: rules, HTTP: r.service, HTTPCallers: []string{cluster.Gateway},
	}, discard(), r.metrics)
	must(p.T, err)
	statusv1.RegisterStatusServiceServer(r.GRPC(), r.service)
	livev1.RegisterLiveServiceServer(r.GRPC(), r.service)
	enrolv1.RegisterTokenServiceServer(r.GRPC(), r.service)
	if n.Targets()[0] == cluster.Control {
		clusterv1.RegisterNodeServiceServer(r.GRPC(), p.joining.NodeService())
		r.SetServing(cluster.Control, true)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, lis) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			p.Errorf("node %s: %v", n.Name(), err)
		}
	})
	p.Cleanup(r.stop)
	return r
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = lis.Close() })
	return lis
}

// dial returns a connection of the node to the target at the addresses.
func (p *platform) dial(n *node, target string, addresses ...string) *grpc.ClientConn {
	p.Helper()
	conn, err := cluster.Dial(target, addresses, n.Node)
	must(p.T, err)
	p.Cleanup(func() { _ = conn.Close() })
	return conn
}

// call asks for the status and returns which node answered, and whom it saw.
func (p *platform) call(conn *grpc.ClientConn) (node, caller string, err error) {
	ctx, cancel := context.WithTimeout(p.Context(), patience)
	defer cancel()
	res, err := statusv1.NewStatusServiceClient(conn).GetStatus(ctx, &statusv1.GetStatusRequest{})
	if err != nil {
		return "", "", err
	}
	return res.GetVersion(), res.GetReasons()[0], nil
}

// bare returns a gRPC connection with that TLS configuration and nothing else.
func (p *platform) bare(address string, config *tls.Config) *grpc.ClientConn {
	p.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	must(p.T, err)
	p.Cleanup(func() { _ = conn.Close() })
	return conn
}

// anonymous is the configuration of a client without a certificate.
func (p *platform) anonymous() *tls.Config {
	return mtls.NodeClientConfig(cluster.Control, mtls.Options{Roots: p.authority.Roots, Now: p.clock.Now})
}

func leaf(t *testing.T, n *node) *x509.Certificate {
	t.Helper()
	c, err := n.ServerCertificate()
	must(t, err)
	return c.Leaf
}
