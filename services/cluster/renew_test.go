package cluster_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/pki"
)

func TestRenewalUnderOpenConnections(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	dir := t.TempDir()
	s, err := p.open(dir, p.config(p.token("s1", cluster.Storage)), cluster.Storage)
	must(t, err)
	storage, gateway := p.serve(s), p.join("g1", cluster.Gateway)
	conn := p.dial(gateway, cluster.Storage, storage.address)
	_, _, err = p.call(conn)
	must(t, err)

	first := leaf(t, storage.node)
	p.clock.Add(59 * day)
	must(t, storage.Renew(t.Context()))
	if leaf(t, storage.node) != first {
		t.Error("renewed too early")
	}
	p.clock.Add(2 * day) // two thirds of 91 days (backdated one) are over
	must(t, storage.Renew(t.Context()))
	second := leaf(t, storage.node)
	if !second.NotAfter.Equal(first.NotAfter.Add(61*day)) || second.URIs[0].String() != first.URIs[0].String() {
		t.Errorf("after renewal %v ends %v", second.URIs, second.NotAfter)
	}
	_, _, err = p.call(conn) // open since before
	must(t, err)
	fresh, err := tls.Dial("tcp", storage.address, gateway.ClientTLS(cluster.Storage))
	must(t, err)
	if !fresh.ConnectionState().PeerCertificates[0].Equal(second) {
		t.Error("the port still shows the old certificate")
	}
	_ = fresh.Close()

	// It is kept: the next start takes it without a control node.
	p.control.stop()
	again, err := p.open(dir, p.config(""), cluster.Storage)
	must(t, err)
	if !leaf(t, again).Equal(second) {
		t.Error("the next start has the old certificate")
	}

	// The caller has not renewed: from the end of its certificate on it is refused,
	// on its open connection too.
	p.clock.Add(30 * day)
	_, _, err = p.call(conn)
	wantFault(t, err, fault.Unauthenticated, "certificate_expired", "g1")
	_, _, err = p.call(p.dial(gateway, cluster.Storage, storage.address))
	wantFault(t, err, fault.Unavailable, "unavailable")
	if metric(t, storage.metrics, "connections_refused_total", "certificate_expired") == 0 {
		t.Errorf("not refused for its end: %v", err)
	}
}

func TestOwnCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	first := leaf(t, p.control.node)
	gateway := p.join("g1", cluster.Gateway)
	p.clock.Add(61 * day)
	must(t, p.control.Renew(t.Context()))
	if !leaf(t, p.control.node).NotAfter.Equal(first.NotAfter.Add(61 * day)) {
		t.Error("not renewed")
	}
	must(t, gateway.Renew(t.Context()))
	_, _, err := p.call(p.dial(gateway, cluster.Control, p.control.address))
	must(t, err)
}

func TestRunRenews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		authority, err := pki.Open(t.TempDir(), pki.DefaultConfig(), nil, discard(), newRegistry())
		must(t, err)
		n, err := cluster.Open(t.Context(), "", cluster.DefaultConfig(), cluster.Deps{Targets: []string{cluster.Control}, Authority: authority}, discard(), newRegistry())
		must(t, err)
		first, err := n.ServerCertificate()
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- n.Run(ctx) }()
		time.Sleep(61 * day)
		second, err := n.ServerCertificate()
		must(t, err)
		if second == first || time.Until(second.Leaf.NotAfter) < 88*day {
			t.Errorf("not renewed: ends %v", second.Leaf.NotAfter)
		}
		cancel()
		must(t, <-done)
	})
}

func TestWhoMayRenew(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	secret, id := p.tokenAndID("out", cluster.Storage)
	out, err := p.open(t.TempDir(), p.config(secret), cluster.Storage)
	must(t, err)
	replaced := p.join("twice", cluster.Storage)
	p.clock.Add(time.Minute)
	newer := p.join("twice", cluster.Storage)
	p.revoke(id)
	p.clock.Add(61 * day)
	must(t, p.control.Renew(t.Context()))

	wantText(t, out.Renew(t.Context()), "node out was shut out at 2026-11-24T12:01:00Z", "esmon node token create")
	wantText(t, replaced.Renew(t.Context()), "another node joined under the name twice")
	must(t, newer.Renew(t.Context()))
	if got := metric(t, out.reg, "renewal_failures_total", ""); got != 1 {
		t.Errorf("%v failures counted", got)
	}

	// A certificate is only given for the key that joined.
	conn := p.dial(newer, cluster.Control, p.control.address)
	other, _ := newRequest(t)
	_, err = clusterv1.NewNodeServiceClient(conn).Renew(t.Context(), &clusterv1.RenewRequest{Csr: other})
	wantFault(t, err, fault.Invalid, "csr_other_key")
	conn = p.dial(p.control.node, cluster.Control, p.control.address)
	_, err = clusterv1.NewNodeServiceClient(conn).Renew(t.Context(), &clusterv1.RenewRequest{Csr: other})
	wantFault(t, err, fault.Denied, "node_unknown")
}

func TestRenewalWithoutControlKeepsTheCertificate(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	s := p.join("s1", cluster.Storage)
	before := leaf(t, s)
	p.control.stop()
	p.clock.Add(61 * day)
	wantText(t, s.Renew(t.Context()), "ask a control node")
	if leaf(t, s) != before {
		t.Error("the certificate is gone")
	}
}

func TestExpiredNodeJoinsAnew(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	dir := t.TempDir()
	_, err := p.open(dir, p.config(p.token("s1", cluster.Storage)), cluster.Storage)
	must(t, err)
	p.clock.Add(61 * day)
	must(t, p.control.Renew(t.Context()))
	p.clock.Add(30 * day)
	_, err = p.open(dir, p.config(""), cluster.Storage)
	wantText(t, err, "ended at", "esmon node token create")
	n, err := p.open(dir, p.config(p.token("s1", cluster.Storage)), cluster.Storage)
	must(t, err)
	if !leaf(t, n).NotAfter.After(p.clock.Now()) {
		t.Errorf("ends %v", leaf(t, n).NotAfter)
	}
}

// The authority's certificate is replaced under its key, and the old one ends:
// nodes of all ages go on talking to each other.
func TestRenewalOfTheAuthority(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	ca, err := x509.ParseCertificate(p.authority.RootsDER()[0])
	must(t, err)
	life := ca.NotAfter.Sub(ca.NotBefore)
	p.clock.Add(ca.NotBefore.Add(life*2/3).Sub(p.clock.Now()) - day)
	must(t, p.control.Renew(t.Context())) // by the clock it has ended long ago; its own needs nobody
	dir := t.TempDir()
	old, err := p.open(dir, p.config(p.token("old", cluster.Storage)), cluster.Storage)
	must(t, err)
	if n := countRoots(t, dir); n != 1 {
		t.Fatalf("%d roots", n)
	}
	p.clock.Add(2 * day)
	must(t, p.authority.Renew())
	young := p.join("young", cluster.Gateway)
	if signed := leaf(t, young); signed.NotAfter.Before(p.clock.Now()) || len(p.authority.RootsDER()) != 2 {
		t.Fatal("the authority was not renewed")
	}
	storage := p.serve(old)
	call := func() {
		t.Helper()
		_, _, err := p.call(p.dial(young, cluster.Storage, storage.address)) // a new connection
		must(t, err)
	}
	call()
	for p.clock.Now().Before(ca.NotAfter.Add(day)) {
		p.clock.Add(61 * day)
		for _, n := range []*node{p.control.node, old, young} {
			must(t, n.Renew(t.Context()))
		}
		must(t, p.authority.Renew())
		call()
	}
	if n := countRoots(t, dir); n != 2 {
		t.Errorf("the old node took up %d roots", n)
	}
}

func countRoots(t *testing.T, dir string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "roots.pem"))
	must(t, err)
	return strings.Count(string(b), "BEGIN CERTIFICATE")
}
