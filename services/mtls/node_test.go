package mtls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/mtls"
)

func nodeID(name string, targets ...string) mtls.NodeID {
	return mtls.NodeID{Name: name, Targets: targets}
}

func nodeTemplate(id mtls.NodeID) *x509.Certificate {
	return &x509.Certificate{URIs: []*url.URL{id.URI()}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
}

func TestNode(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for text, want := range map[string]mtls.NodeID{
		"esmon://node/n1/storage":                          nodeID("n1", "storage"),
		"esmon://node/n-1.example/collector,relay":         nodeID("n-1.example", "collector", "relay"),
		"esmon://node/n/all":                               nodeID("n", "all"),
		"esmon://node/" + long + "/storage":                nodeID(long, "storage"),
		"esmon://node/" + long + "a/storage":               {},
		"esmon://node/n":                                   {},
		"esmon://node/n/":                                  {},
		"esmon://node//storage":                            {},
		"esmon://node/n/storage/x":                         {},
		"esmon://node/n/storage,collector":                 {}, // not in order
		"esmon://node/n/storage,storage":                   {},
		"esmon://node/n/storage,":                          {},
		"esmon://node/n/all,storage":                       {},
		"esmon://node/n/Storage":                           {},
		"esmon://node/N/storage":                           {},
		"esmon://node/-n/storage":                          {},
		"esmon://node/n/storage?x=1":                       {},
		"esmon://node/n/storage#x":                         {},
		"esmon://node:1/n/storage":                         {},
		"esmon://user@node/n/storage":                      {},
		"esmon://node/%6e/storage":                         {},
		"esmon://agent/n/storage":                          {},
		"esmon://agent/n":                                  {},
		"spiffe://node/n/storage":                          {},
		"esmon://node/n/" + strings.Repeat("a,", 40) + "a": {},
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for name, more := range map[string][]*url.URL{"alone": nil, "a server too": {mtls.ServerURI()}} {
			c := &x509.Certificate{URIs: append([]*url.URL{u}, more...)}
			id, ok := mtls.Node(c)
			if !reflect.DeepEqual(id, want) || ok != (want.Name != "") {
				t.Errorf("%s, %s: %v, %v", text, name, id, ok)
			}
			if agent, isAgent := mtls.AgentID(c); isAgent && want.Name != "" {
				t.Errorf("%s, %s: it is agent %s as well", text, name, agent)
			}
		}
	}
	for name, uris := range map[string][]*url.URL{
		"none":     nil,
		"server":   {mtls.ServerURI()},
		"two":      {nodeID("a", "storage").URI(), nodeID("b", "storage").URI()},
		"an agent": {nodeID("a", "storage").URI(), mtls.AgentURI("abc")},
	} {
		c := &x509.Certificate{URIs: uris}
		if id, ok := mtls.Node(c); ok {
			t.Errorf("%s: node %v", name, id)
		}
		if id, ok := mtls.AgentID(c); ok {
			t.Errorf("%s: agent %v", name, id)
		}
	}
}

func TestNodeHas(t *testing.T) {
	t.Parallel()
	if id := nodeID("n", "gateway", "storage"); !id.Has("storage") || id.Has("control") || id.Has("") {
		t.Error("targets are not what the list says")
	}
	if !nodeID("n", "all").Has("storage") {
		t.Error("all does not stand for every target")
	}
}

func TestNodesConnect(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	a, b := ca.issue(t, nodeTemplate(nodeID("a", "storage"))), ca.issue(t, nodeTemplate(nodeID("b", "gateway")))
	for _, protos := range [][]string{{"h2"}, {"http/1.1"}} {
		client := mtls.NodeClientConfig("storage", ca.options(b))
		client.NextProtos = protos
		out := connect(t, mtls.NodeServerConfig(false, ca.options(a)), client)
		if out.client != nil || out.server != nil || out.state.NegotiatedProtocol != protos[0] {
			t.Fatal(out.client, out.server, out.state.NegotiatedProtocol)
		}
		if out.state.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
			t.Errorf("negotiated %s", tls.CipherSuiteName(out.state.CipherSuite))
		}
		if id, ok := mtls.Node(out.peer[0]); !ok || id.Name != "b" {
			t.Errorf("the server sees %v, %v", id, ok)
		}
	}
}

func TestRefusedNodes(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	good := nodeID("n", "storage")
	expired := nodeTemplate(good)
	expired.NotBefore, expired.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Minute)
	clientOnly := nodeTemplate(good)
	clientOnly.ExtKeyUsage = clientOnly.ExtKeyUsage[:1]
	serverOnly := nodeTemplate(good)
	serverOnly.ExtKeyUsage = serverOnly.ExtKeyUsage[1:]
	for _, c := range []struct {
		name               string
		cert               *tls.Certificate
		asServer, asClient string // reasons; empty: accepted
	}{
		{"good", ca.issue(t, nodeTemplate(good)), "", ""},
		{"another target", ca.issue(t, nodeTemplate(nodeID("n", "gateway"))), mtls.ReasonTarget, ""},
		{"wrong CA", other.issue(t, nodeTemplate(good)), mtls.ReasonUnknownCA, mtls.ReasonUnknownCA},
		{"expired", ca.issue(t, expired), mtls.ReasonExpired, mtls.ReasonExpired},
		{"an agent's", ca.agent(t, "abc"), mtls.ReasonUsage, mtls.ReasonIdentity},
		{"a server's", ca.server(t), mtls.ReasonIdentity, mtls.ReasonUsage},
		{"for clients only", ca.issue(t, clientOnly), mtls.ReasonUsage, ""},
		{"for servers only", ca.issue(t, serverOnly), "", mtls.ReasonUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			peer := ca.options(ca.issue(t, nodeTemplate(good)))
			out := connect(t, mtls.NodeServerConfig(false, ca.options(c.cert)), mtls.NodeClientConfig("storage", peer))
			wantNodeRefusal(t, "as a server", out.client, c.asServer)
			out = connect(t, mtls.NodeServerConfig(true, peer), mtls.NodeClientConfig("storage", ca.options(c.cert)))
			wantNodeRefusal(t, "as a client", out.server, c.asClient)
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		server, client := ca.options(ca.issue(t, nodeTemplate(good))), ca.options(nil)
		out := connect(t, mtls.NodeServerConfig(true, server), mtls.NodeClientConfig("storage", client))
		if out.client != nil || out.server != nil || len(out.peer) != 0 {
			t.Error(out.client, out.server)
		}
		out = connect(t, mtls.NodeServerConfig(false, server), mtls.NodeClientConfig("storage", client))
		wantNodeRefusal(t, "where nobody can join", out.client, mtls.ReasonMissing)
	})
}

func wantNodeRefusal(t *testing.T, side string, err error, reason string) {
	t.Helper()
	if reason == "" {
		if err != nil {
			t.Errorf("%s: refused: %v", side, err)
		}
		return
	}
	r := mtls.ExplainNode(err, now)
	if r == nil || r.Reason != reason {
		t.Errorf("%s: %v is explained as %+v, want %s", side, err, r, reason)
		return
	}
	if strings.Contains(r.Message, "nrol") {
		t.Errorf("%s: message %q speaks of enrolment, which is for agents", side, r.Message)
	}
	t.Logf("%s: %s", side, r.Message)
}

func TestExplainNode(t *testing.T) {
	t.Parallel()
	if r := mtls.ExplainNode(context.Canceled, now); r != nil {
		t.Errorf("a cancelled call is explained as %v", r)
	}
	if r := mtls.ExplainNode(nil, now); r != nil {
		t.Errorf("nil is explained as %v", r)
	}
}

func TestPinnedJoin(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	control := mtls.NodeServerConfig(true, ca.options(ca.issue(t, nodeTemplate(nodeID("c", "control")))))
	pin := func(a *authority) *tls.Config {
		return mtls.PinnedNodeClientConfig("control", mtls.Fingerprint(a.cert), mtls.Options{Now: clock})
	}
	if out := connect(t, control, pin(ca)); out.client != nil || out.server != nil || len(out.peer) != 0 {
		t.Error(out.client, out.server, len(out.peer))
	}
	wantNodeRefusal(t, "another CA", connect(t, control, pin(other)).client, mtls.ReasonPin)

	// Another node of the platform, and an agent, pose as the control node.
	storage := mtls.NodeServerConfig(true, ca.options(ca.issue(t, nodeTemplate(nodeID("s", "storage")))))
	wantNodeRefusal(t, "a storage node", connect(t, storage, pin(ca)).client, mtls.ReasonTarget)
	agent := mtls.NodeServerConfig(true, ca.options(ca.agent(t, "abc")))
	wantNodeRefusal(t, "an agent", connect(t, agent, pin(ca)).client, mtls.ReasonUsage)
}

func TestNodeToken(t *testing.T) {
	t.Parallel()
	random := make([]byte, mtls.TokenRandom)
	for i := range random {
		random[i] = byte(i)
	}
	want := mtls.NewNodeToken(random, [32]byte{1, 2, 3})
	got, err := mtls.ParseNodeToken(" " + want.String() + "\n")
	if err != nil || got != want {
		t.Fatalf("got %v, %v", got, err)
	}
	agents := mtls.NewToken(random, [32]byte{1, 2, 3})
	if _, err := mtls.ParseNodeToken(agents.String()); err == nil {
		t.Error("an agent's token passes as a node's")
	}
	if _, err := mtls.ParseToken(want.String()); err == nil {
		t.Error("a node's token passes as an agent's")
	}
	for _, text := range []string{"", "esmonnode1", want.String() + "a", want.String()[1:], strings.ToUpper(want.String()), strings.Repeat("a", 10_000)} {
		if _, err := mtls.ParseNodeToken(text); err != mtls.ErrNodeToken { //nolint:errorlint // it is the only error
			t.Errorf("%.80q: %v", text, err)
		}
	}
}

func FuzzNodeToken(f *testing.F) {
	f.Add(mtls.NewNodeToken(make([]byte, mtls.TokenRandom), [32]byte{}).String())
	f.Add("esmonnode1.a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := mtls.ParseNodeToken(text)
		if err == nil && token.String() != strings.TrimSpace(text) {
			t.Errorf("%q was read as %q", text, token)
		}
	})
}
