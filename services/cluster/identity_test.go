package cluster_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

// newRequest returns a certificate request for a new key.
func newRequest(t *testing.T) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(t, err)
	return request, key
}

// agent returns the certificate of an agent of the platform.
func (p *platform) agent() *tls.Certificate {
	p.Helper()
	request, key := newRequest(p.T)
	issued, err := p.authority.IssueAgent("abc234", request)
	must(p.T, err)
	return &tls.Certificate{Certificate: issued.Chain, PrivateKey: key}
}

func TestAgentIsRefusedOnTheInternalPort(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	cert := p.agent()
	config := mtls.NodeClientConfig(cluster.Control, mtls.Options{
		Roots: p.authority.Roots, Now: p.clock.Now, Certificate: func() (*tls.Certificate, error) { return cert, nil },
	})
	conn := p.bare(p.control.address, config)
	_, err := clusterv1.NewNodeServiceClient(conn).Join(t.Context(), &clusterv1.JoinRequest{Token: "x"})
	wantFault(t, err, fault.Unavailable, "unavailable")
	eventually(t, "the refusal is counted", func() bool {
		return metric(t, p.control.metrics, "connections_refused_total", mtls.ReasonIdentity) > 0
	})
}

// handshake connects the two and returns what either side says.
func handshake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	a, b := net.Pipe()
	served := make(chan error)
	go func() {
		conn := tls.Server(a, server)
		err := conn.Handshake()
		_ = a.Close()
		served <- err
	}()
	clientErr = tls.Client(b, client).Handshake()
	if clientErr == nil {
		_, _ = b.Read(make([]byte, 1))
	}
	_ = b.Close()
	return <-served, clientErr
}

// What agents and nodes take each other for, on the port of a collector.
func TestNodesAndAgents(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	collector, storage, all := p.join("c1", cluster.Collector), p.join("s1", cluster.Storage), p.join("a1", cluster.All)
	cert := p.agent()
	agent := mtls.Options{Roots: p.authority.Roots, Now: p.clock.Now, Certificate: func() (*tls.Certificate, error) { return cert, nil }}
	agentsPort := func(n *node) *tls.Config {
		return mtls.ServerConfig(mtls.Options{Certificate: n.ServerCertificate, Roots: n.Roots, Now: p.clock.Now})
	}
	for _, n := range []*node{collector, all} {
		for _, name := range []string{"", "localhost", "127.0.0.1"} {
			o := agent
			o.ServerName = name
			if serverErr, clientErr := handshake(t, agentsPort(n), mtls.ClientConfig(o)); serverErr != nil || clientErr != nil {
				t.Errorf("an agent that asks for %q at %s: %v, %v", name, n.Name(), serverErr, clientErr)
			}
		}
	}
	_, err := handshake(t, agentsPort(storage), mtls.ClientConfig(agent))
	if r := mtls.Explain(err, p.clock.Now()); r == nil || r.Reason != mtls.ReasonIdentity {
		t.Errorf("an agent at a storage node: %v", err)
	}
	pinned := mtls.PinnedClientConfig(p.authority.Fingerprint(), agent)
	if serverErr, clientErr := handshake(t, agentsPort(collector), pinned); serverErr != nil || clientErr != nil {
		t.Errorf("an agent that enrols: %v, %v", serverErr, clientErr)
	}
	for _, n := range []*node{collector, storage} {
		serverErr, _ := handshake(t, agentsPort(collector), mtls.ClientConfig(mtls.Options{
			Certificate: n.ServerCertificate, Roots: n.Roots, Now: p.clock.Now,
		}))
		if r := mtls.Explain(serverErr, p.clock.Now()); r == nil || r.Reason != mtls.ReasonIdentity {
			t.Errorf("node %s as an agent: %v", n.Name(), serverErr)
		}
	}
}

// A server of the days before nodes has no place on the internal port either.
func TestPlainServerCertificateIsNoNode(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	gateway := p.join("g1", cluster.Gateway)
	server := mtls.NodeServerConfig(true, mtls.Options{Certificate: p.authority.ServerCertificate, Roots: p.authority.Roots, Now: p.clock.Now})
	_, err := handshake(t, server, gateway.ClientTLS(cluster.Control))
	if r := mtls.ExplainNode(err, p.clock.Now()); r == nil || r.Reason != mtls.ReasonIdentity {
		t.Errorf("accepted as a control node: %v", err)
	}
}
