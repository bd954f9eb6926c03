package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/esolutions/esmon/services/mtls"
)

func TestRefusedClients(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	times := func(c *x509.Certificate, from, to time.Duration) *x509.Certificate {
		c.NotBefore, c.NotAfter = now.Add(from), now.Add(to)
		return c
	}
	twoNames := agentTemplate("abc")
	twoNames.URIs = append(twoNames.URIs, mtls.AgentURI("def"))
	noName := agentTemplate("abc")
	noName.URIs = nil
	serverName := agentTemplate("abc")
	serverName.URIs = []*url.URL{mtls.ServerURI()}
	for _, c := range []struct {
		name           string
		cert           *tls.Certificate
		server, client string // reasons
	}{
		{"wrong CA", other.agent(t, "abc"), mtls.ReasonUnknownCA, mtls.ReasonUnknownCA},
		{"expired", ca.issue(t, times(agentTemplate("abc"), -2*time.Hour, -time.Minute)), mtls.ReasonExpired, mtls.ReasonExpired},
		{"not yet valid", ca.issue(t, times(agentTemplate("abc"), time.Minute, time.Hour)), mtls.ReasonNotYetValid, mtls.ReasonExpired},
		{"a server's", ca.server(t), mtls.ReasonUsage, mtls.ReasonRejected},
		{"a server's name in a client's", ca.issue(t, serverName), mtls.ReasonIdentity, mtls.ReasonRejected},
		{"no name", ca.issue(t, noName), mtls.ReasonIdentity, mtls.ReasonRejected},
		{"two names", ca.issue(t, twoNames), mtls.ReasonIdentity, mtls.ReasonRejected},
		{"revoked", ca.agent(t, "gone"), mtls.ReasonRevoked, mtls.ReasonRejected},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := ca.options(ca.server(t))
			o.CheckPeer = func(leaf *x509.Certificate) error {
				if id, _ := mtls.AgentID(leaf); id == "gone" {
					return &mtls.Refusal{Reason: mtls.ReasonRevoked, Message: "agent gone was revoked; enrol it anew with a new token"}
				}
				return nil
			}
			out := connect(t, mtls.ServerConfig(o), mtls.ClientConfig(ca.options(c.cert)))
			wantRefusal(t, "server", out.server, c.server)
			wantRefusal(t, "client", out.client, c.client)
		})
	}
}

func TestRefusedServers(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	expired, early, nameless := serverTemplate(), serverTemplate(), serverTemplate()
	expired.NotBefore, expired.NotAfter = now.Add(-time.Hour), now.Add(-time.Minute)
	early.NotBefore, early.NotAfter = now.Add(time.Minute), now.Add(time.Hour)
	nameless.URIs = nil
	for _, c := range []struct {
		name, reason, serverName string
		cert                     *tls.Certificate
	}{
		{"wrong CA", mtls.ReasonUnknownCA, "", other.server(t)},
		{"expired", mtls.ReasonExpired, "", ca.issue(t, expired)},
		{"not yet valid", mtls.ReasonNotYetValid, "", ca.issue(t, early)},
		{"an agent's", mtls.ReasonUsage, "", ca.agent(t, "abc")},
		{"not of the platform", mtls.ReasonIdentity, "", ca.issue(t, nameless)},
		{"another name", mtls.ReasonName, "esmon.example", ca.server(t)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := ca.options(ca.agent(t, "abc"))
			o.ServerName = c.serverName
			out := connect(t, mtls.ServerConfig(ca.options(c.cert)), mtls.ClientConfig(o))
			wantRefusal(t, "client", out.client, c.reason)
		})
	}
}

func TestServerNameIsCheckedIfAsked(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	o := ca.options(ca.agent(t, "abc"))
	o.ServerName = "localhost"
	if out := connect(t, mtls.ServerConfig(ca.options(ca.server(t))), mtls.ClientConfig(o)); out.client != nil || out.server != nil {
		t.Error(out.client, out.server)
	}
}

func TestClientWithoutCertificatePasses(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	out := connect(t, mtls.ServerConfig(ca.options(ca.server(t))), mtls.ClientConfig(ca.options(nil)))
	if out.client != nil || out.server != nil || len(out.peer) != 0 {
		t.Error(out.client, out.server, len(out.peer))
	}
}

func TestServerWithoutCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	out := connect(t, mtls.ServerConfig(ca.options(nil)), mtls.ClientConfig(ca.options(nil)))
	if out.server == nil || !strings.Contains(out.server.Error(), "no certificate is configured") {
		t.Errorf("server: %v", out.server)
	}
}

// A revocation counts for the very next connection: nothing is resumed, so the
// certificate is shown and checked each time.
func TestNoResumption(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	var revoked atomic.Bool
	o := ca.options(ca.server(t))
	o.CheckPeer = func(*x509.Certificate) error {
		if revoked.Load() {
			return &mtls.Refusal{Reason: mtls.ReasonRevoked, Message: "agent abc was revoked; enrol it anew with a new token"}
		}
		return nil
	}
	server := mtls.ServerConfig(o)
	client := mtls.ClientConfig(ca.options(ca.agent(t, "abc")))
	client.SessionTicketsDisabled = false // a client that would like to
	client.ClientSessionCache = tls.NewLRUClientSessionCache(10)
	client.ServerName = "localhost"
	for range 2 {
		if out := connect(t, server, client); out.client != nil || out.state.DidResume {
			t.Fatalf("%v, resumed: %v", out.client, out.state.DidResume)
		}
	}
	revoked.Store(true)
	out := connect(t, server, client)
	wantRefusal(t, "server", out.server, mtls.ReasonRevoked)
}

// Certificates and roots of both sides change under running configurations.
func TestHotSwap(t *testing.T) {
	t.Parallel()
	first, second := newAuthority(t), newAuthority(t)
	both := x509.NewCertPool()
	both.AddCert(first.cert)
	both.AddCert(second.cert)
	var serverCert, clientCert atomic.Pointer[tls.Certificate]
	var serverRoots, clientRoots atomic.Pointer[x509.CertPool]
	options := func(c *atomic.Pointer[tls.Certificate], r *atomic.Pointer[x509.CertPool]) mtls.Options {
		return mtls.Options{Certificate: func() (*tls.Certificate, error) { return c.Load(), nil }, Roots: r.Load, Now: clock}
	}
	server := mtls.ServerConfig(options(&serverCert, &serverRoots))
	client := mtls.ClientConfig(options(&clientCert, &clientRoots))
	oldRoots, newRoots := first.roots(), second.roots()
	steps := []struct {
		name                   string
		server, client         *authority
		serverPool, clientPool *x509.CertPool
		ok                     bool
	}{
		{"both old", first, first, oldRoots, oldRoots, true},
		{"server trusts both", first, first, both, oldRoots, true},
		{"agent renewed", first, second, both, both, true},
		{"server renewed", second, second, both, both, true},
		{"old CA dropped", second, second, newRoots, newRoots, true},
		{"an agent that missed it", second, first, newRoots, newRoots, false},
	}
	for _, s := range steps {
		serverCert.Store(s.server.server(t))
		clientCert.Store(s.client.agent(t, "abc"))
		serverRoots.Store(s.serverPool)
		clientRoots.Store(s.clientPool)
		out := connect(t, server, client)
		if ok := out.client == nil && out.server == nil; ok != s.ok {
			t.Errorf("%s: connected %v: %v, %v", s.name, ok, out.client, out.server)
		}
	}
}

func TestExplainLeavesOtherErrorsAlone(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("connection refused")} {
		if r := mtls.Explain(err, now); r != nil {
			t.Errorf("%v became %v", err, r)
		}
	}
	odd := errors.New("tls: something new")
	if r := mtls.Explain(odd, now); r == nil || r.Reason != mtls.ReasonHandshake || !errors.Is(r, odd) {
		t.Errorf("got %+v", r)
	}
}
