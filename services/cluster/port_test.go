package cluster_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	clusterv1 "github.com/esolutions/esmon/gen/go/esmon/cluster/v1"
	statusv1 "github.com/esolutions/esmon/gen/go/esmon/status/v1"
	"github.com/esolutions/esmon/services/cluster"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

func TestWrongTargetIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	impostor, gateway := p.serve(p.join("g2", cluster.Gateway)), p.join("g1", cluster.Gateway)
	impostor.SetServing(cluster.Storage, true) // whatever it says, its certificate counts
	_, _, err := p.call(p.dial(gateway, cluster.Storage, impostor.address))
	wantFault(t, err, fault.Unavailable, "unavailable")
	if metric(t, gateway.reg, "peer_refusals_total", mtls.ReasonTarget) == 0 {
		t.Errorf("not counted, the call said %v", err)
	}
	if impostor.service.calls.Load() != 0 {
		t.Error("the call got through")
	}
}

func TestCallsOutsideTheRules(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	storage := p.serve(p.join("s1", cluster.Storage))
	collector := p.join("c1", cluster.Collector)
	_, _, err := p.call(p.dial(collector, cluster.Storage, storage.address))
	wantFault(t, err, fault.Denied, "call_not_allowed", "/esmon.status.v1.StatusService/GetStatus", "c1", "collector")
	if storage.service.calls.Load() != 0 {
		t.Error("the call got through")
	}
	if got := metric(t, storage.metrics, "calls_refused_total", "call_not_allowed"); got != 1 {
		t.Errorf("%v calls counted", got)
	}
}

func TestTheLongestRuleCounts(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	wide := cluster.Rule{Prefix: "/esmon.status.v1.", Callers: []string{cluster.Collector}}
	narrow := cluster.Rule{Prefix: "/esmon.status.v1.StatusService/", Callers: []string{cluster.Gateway}}
	gateway, collector := p.join("g1", cluster.Gateway), p.join("c1", cluster.Collector)
	for _, rules := range [][]cluster.Rule{{wide, narrow}, {narrow, wide}} {
		p.rules = rules
		storage := p.serve(p.join("s1", cluster.Storage))
		_, _, err := p.call(p.dial(gateway, cluster.Storage, storage.address))
		must(t, err)
		_, _, err = p.call(p.dial(collector, cluster.Storage, storage.address))
		wantFault(t, err, fault.Denied, "call_not_allowed")
	}
}

// A service that is registered and that no rule names is closed to everybody.
func TestNoRuleNoCall(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	n := p.join("s1", cluster.Storage)
	server, err := cluster.NewServer(cluster.DefaultConfig(), cluster.ServerDeps{Node: n.Node}, discard(), newRegistry())
	must(t, err)
	status := &service{name: "s1"}
	statusv1.RegisterStatusServiceServer(server.GRPC(), status)
	server.SetServing(cluster.Storage, true)
	lis := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- server.Run(ctx, lis) }()
	everything := p.join("a1", cluster.All)
	_, _, err = p.call(p.dial(everything, cluster.Storage, lis.Addr().String()))
	wantFault(t, err, fault.Denied, "call_not_allowed")
	transport := everything.Transport(cluster.Storage)
	res, err := (&http.Client{Transport: transport}).Get("https://" + lis.Addr().String() + "/")
	must(t, err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusForbidden || status.calls.Load() != 0 {
		t.Errorf("HTTP: %s", res.Status)
	}
	transport.CloseIdleConnections()
	cancel()
	must(t, <-done)
}

func TestHTTPAndGRPCOnOnePort(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	storage, gateway, collector := p.serve(p.join("s1", cluster.Storage)), p.join("g1", cluster.Gateway), p.join("c1", cluster.Collector)
	conn := p.dial(gateway, cluster.Storage, storage.address)
	post := func(n *node, target string) (int, string, error) {
		transport := n.Transport(target)
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Post("https://"+storage.address+"/api/v1/query", "text/plain", strings.NewReader("up"))
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return res.StatusCode, string(body), err
	}
	for range 2 {
		_, _, err := p.call(conn)
		must(t, err)
		code, body, err := post(gateway, cluster.Storage)
		if err != nil || code != http.StatusOK || body != "s1 g1/gateway HTTP/1.1 up" {
			t.Fatalf("%d %q, %v", code, body, err)
		}
	}
	if code, body, err := post(collector, cluster.Storage); err != nil || code != http.StatusForbidden || !strings.Contains(body, "c1") {
		t.Errorf("a collector: %d %q, %v", code, body, err)
	}
	_, _, err := post(gateway, cluster.Collector)
	wantText(t, err, "may run storage, not collector")
}

func TestWithoutCertificateOnlyJoin(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	conn := p.bare(p.control.address, p.anonymous())
	_, err := clusterv1.NewNodeServiceClient(conn).Join(t.Context(), &clusterv1.JoinRequest{Token: "x"})
	wantFault(t, err, fault.Unauthenticated, "node_token_malformed")
	_, err = clusterv1.NewNodeServiceClient(conn).Renew(t.Context(), &clusterv1.RenewRequest{})
	wantFault(t, err, fault.Unauthenticated, mtls.ReasonMissing)
	_, _, err = p.call(conn)
	wantFault(t, err, fault.Unauthenticated, mtls.ReasonMissing)
	_, err = healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	wantFault(t, err, fault.Unauthenticated, mtls.ReasonMissing)
	stream, err := healthv1.NewHealthClient(conn).Watch(t.Context(), &healthv1.HealthCheckRequest{})
	must(t, err)
	_, err = stream.Recv()
	wantFault(t, err, fault.Unauthenticated, mtls.ReasonMissing)

	config := p.anonymous()
	config.NextProtos = []string{"http/1.1"}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("https://" + p.control.address + "/")
	must(t, err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized || p.control.service.calls.Load() != 0 {
		t.Errorf("HTTP: %s", res.Status)
	}

	// Where nobody can join there is nothing for such a client.
	storage := p.serve(p.join("s1", cluster.Storage))
	config = mtls.NodeClientConfig(cluster.Storage, mtls.Options{Roots: p.authority.Roots, Now: p.clock.Now})
	_, err = clusterv1.NewNodeServiceClient(p.bare(storage.address, config)).Join(t.Context(), &clusterv1.JoinRequest{})
	wantFault(t, err, fault.Unavailable, "unavailable")
	eventually(t, "the refusal is counted", func() bool {
		return metric(t, storage.metrics, "connections_refused_total", mtls.ReasonHandshake)+
			metric(t, storage.metrics, "connections_refused_total", mtls.ReasonMissing) > 0
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	storage := p.run(p.join("s1", cluster.Storage), listen(t), func(c *cluster.Config) { c.MaxConnections = 2 })
	gateway := p.join("g1", cluster.Gateway)
	config := gateway.ClientTLS(cluster.Storage)
	var open []net.Conn
	for range 2 {
		conn, err := tls.Dial("tcp", storage.address, config)
		must(t, err)
		open = append(open, conn)
	}
	if conn, err := tls.Dial("tcp", storage.address, config); err == nil {
		_ = conn.Close()
		t.Fatal("a third connection was accepted")
	}
	if got := metric(t, storage.metrics, "connections_refused_total", "too_many_connections"); got != 1 {
		t.Errorf("%v counted", got)
	}
	_ = open[0].Close()
	eventually(t, "the place is free again", func() bool { return metric(t, storage.metrics, "connections", "") == 1 })
	conn, err := tls.Dial("tcp", storage.address, config)
	must(t, err)
	for _, c := range []net.Conn{conn, open[1]} {
		_ = c.Close()
	}
}

// Callers without a certificate cannot take the places of nodes.
func TestAnonymousConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	gateway := p.join("g1", cluster.Gateway)
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for i := 0; ; i++ {
		conn, err := tls.Dial("tcp", p.control.address, p.anonymous())
		must(t, err)
		open = append(open, conn)
		if metric(t, p.control.metrics, "connections_refused_total", "too_many_without_certificate") > 0 {
			break
		}
		if i > 1000 {
			t.Fatal("there is no bound")
		}
	}
	_, _, err := p.call(p.dial(gateway, cluster.Control, p.control.address))
	must(t, err)
}

func TestHandshakeHasATimeout(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	storage := p.run(p.join("s1", cluster.Storage), listen(t), func(c *cluster.Config) { c.HandshakeTimeout = time.Second })
	conn, err := net.Dial("tcp", storage.address)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	if _, err := conn.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("a silent connection: %v", err)
	}
}
