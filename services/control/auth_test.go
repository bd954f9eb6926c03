package control_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

// A certificate that the transport did not verify proves nothing.
func TestUnverifiedCertificate(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	leaf, err := x509.ParseCertificate(identity(t, r.authority, r.enrol("web-1")).Certificate[0])
	must(t, err)
	call := func(state tls.ConnectionState) error {
		ctx := peer.NewContext(t.Context(), &peer.Peer{AuthInfo: credentials.TLSInfo{State: state}})
		_, err := r.UnaryAgentAuth(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/x/Y"}, func(context.Context, any) (any, error) { return nil, nil })
		return err
	}
	seen := []*x509.Certificate{leaf}
	wantFault(t, call(tls.ConnectionState{PeerCertificates: seen}), fault.Unauthenticated, "certificate_missing")
	must(t, call(tls.ConnectionState{PeerCertificates: seen, VerifiedChains: [][]*x509.Certificate{seen}}))
}

// The whole way of an agent: it enrols without a certificate, calls and streams
// with the one it got, renews it and goes on with the new one.
func TestWayOfAnAgent(t *testing.T) {
	t.Parallel()
	p := newPort(t)
	token, k := p.token(1), newKey(t)
	parsed, err := mtls.ParseToken(token)
	must(t, err)
	plain := p.dialWith(mtls.PinnedClientConfig(parsed.Fingerprint, mtls.Options{Now: p.clock.Now}))
	enrolled, err := enrolv1.NewEnrolmentServiceClient(plain).Enrol(t.Context(), p.request(token, k))
	must(t, err)
	id := enrolled.GetAgentId()

	conn := p.dial(&tls.Certificate{Certificate: enrolled.GetChain(), PrivateKey: k.PrivateKey})
	if got, err := p.push(conn); err != nil || got != id {
		t.Fatalf("the call is of %q: %v", got, err)
	}
	welcome, err := p.stream(conn, 0).Recv()
	if err != nil || welcome.GetWelcome().GetConnectCounter() != 1 {
		t.Fatalf("%v, %v", welcome, err)
	}
	next := newKey(t)
	renewed, err := enrolv1.NewEnrolmentServiceClient(conn).Renew(t.Context(), &enrolv1.RenewRequest{Csr: next.csr(t)})
	must(t, err)
	if got, err := p.push(p.dial(&tls.Certificate{Certificate: renewed.GetChain(), PrivateKey: next.PrivateKey})); err != nil || got != id {
		t.Errorf("with the renewed certificate the call is of %q: %v", got, err)
	}
	if got, err := p.push(conn); err != nil || got != id {
		t.Errorf("with the one before the call is of %q: %v", got, err)
	}
}

// Without a certificate there is enrolment and nothing else.
func TestWithoutCertificate(t *testing.T) {
	t.Parallel()
	p := newPort(t)
	conn := p.dial(nil)
	missing := func(err error) {
		t.Helper()
		wantFault(t, err, fault.Unauthenticated, "certificate_missing", "this port is for enrolled agents", "enrol first (esmon token create, esmon-agent enroll)")
	}
	_, err := p.push(conn)
	missing(err)
	_, err = p.stream(conn, 0).Recv()
	missing(fault.FromGRPC(err))
	_, err = enrolv1.NewEnrolmentServiceClient(conn).Renew(t.Context(), &enrolv1.RenewRequest{Csr: newKey(t).csr(t)})
	missing(fault.FromGRPC(err))
	if got := p.refusals("certificate_missing"); got != 3 {
		t.Errorf("counted %v times, want 3", got)
	}
	_, err = enrolv1.NewEnrolmentServiceClient(conn).Enrol(t.Context(), p.request(p.token(1), newKey(t)))
	must(t, err)
}

func TestRefusedHandshakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		cert   func(p *port) *tls.Certificate
		reason string
		texts  []string
	}{
		{"wrong CA", func(p *port) *tls.Certificate {
			foreign, err := pki.Open(filepath.Join(p.TempDir(), "pki"), pki.DefaultConfig(), p.now, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
			must(p.T, err)
			return identity(p.T, foreign, p.enrol("web-1"))
		}, "certificate_unknown_ca", []string{"was not issued by this platform's CA", "enrol the agent with a token of this server"}},
		{"made by itself", func(p *port) *tls.Certificate { return selfSigned(p.T, p.enrol("web-1")) },
			"certificate_unknown_ca", []string{"this platform's CA"}},
		{"expired", func(p *port) *tls.Certificate {
			cert := identity(p.T, p.authority, p.enrol("web-1"))
			p.clock.Add(31 * day)
			return cert
		}, "certificate_expired", []string{"ended at 2026-12-24T12:00:00Z, it is now 2026-12-25T12:00:00Z here", "enrol the agent anew"}},
		{"not yet valid", func(p *port) *tls.Certificate {
			cert := identity(p.T, p.authority, p.enrol("web-1"))
			p.clock.Add(-2 * day)
			return cert
		}, "certificate_not_yet", []string{"is valid from 2026-11-23T12:00:00Z only", "set the clock"}},
		{"a server's", func(p *port) *tls.Certificate {
			cert, err := p.authority.ServerCertificate()
			must(p.T, err)
			return cert
		}, "certificate_wrong_usage", []string{"an agent needs an agent's certificate"}},
		{"revoked", func(p *port) *tls.Certificate {
			id := p.enrol("web-1")
			must(p.T, p.revoke(id))
			return identity(p.T, p.authority, id)
		}, "identity_revoked", []string{"was revoked at 2026-11-24T12:00:00Z", "enrol it anew (esmon token create, esmon-agent enroll)"}},
		{"unknown", func(p *port) *tls.Certificate { return identity(p.T, p.authority, "ghost") },
			"agent_unknown", []string{`no agent "ghost" is in the registry`, "must enrol anew"}},
		{"the database is away", func(p *port) *tls.Certificate {
			id := p.enrolMany(1)[0] // by another process: it is not in memory
			p.store.set(func(string, int) error { return errors.New("disk full") })
			return identity(p.T, p.authority, id)
		}, "registry_unavailable", []string{"agent many000000 cannot be looked up right now", "it tries again by itself", "disk full"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPort(t)
			if _, err := p.push(p.dial(c.cert(p))); fault.KindOf(err) != fault.Unavailable {
				t.Errorf("the client got %v", err)
			}
			got := <-p.refused
			if got.reason != c.reason {
				t.Errorf("reason %s, want %s: %s", got.reason, c.reason, got.message)
			}
			for _, text := range c.texts {
				if !strings.Contains(got.message, text) {
					t.Errorf("the message %q lacks %q", got.message, text)
				}
			}
			if n := p.refusals(c.reason); n < 1 { // the client may have tried again
				t.Errorf("%s was counted %v times", c.reason, n)
			}
		})
	}
}

func selfSigned(t *testing.T, id string) *tls.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	now := newClock().Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id}, NotBefore: now.Add(-day), NotAfter: now.Add(day),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	template.URIs = append(template.URIs, mtls.AgentURI(id))
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	must(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
}

// A connection that is open does not outlive the identity: neither its streams nor
// its calls.
func TestRevokedWhileConnected(t *testing.T) {
	t.Parallel()
	p := newPort(t)
	id := p.enrol("web-1")
	conn := p.dial(identity(t, p.authority, id))
	s := p.stream(conn, 0)
	_, err := s.Recv()
	must(t, err)

	must(t, p.revoke(id))
	revoked := func(err error) {
		t.Helper()
		wantFault(t, err, fault.Denied, "identity_revoked", id, "was revoked at", "remove the agent from the host", "enrol it anew")
	}
	_, err = s.Recv()
	revoked(fault.FromGRPC(err))
	_, err = p.push(conn)
	revoked(err)
	_, err = p.stream(conn, 1).Recv()
	revoked(fault.FromGRPC(err))
	_, err = enrolv1.NewEnrolmentServiceClient(conn).Renew(t.Context(), &enrolv1.RenewRequest{Csr: newKey(t).csr(t)})
	revoked(fault.FromGRPC(err))
}

func TestCertificateEndsWhileConnected(t *testing.T) {
	t.Parallel()
	p := newPort(t)
	id := p.enrol("web-1")
	conn := p.dial(identity(t, p.authority, id))
	if _, err := p.push(conn); err != nil {
		t.Fatal(err)
	}
	p.clock.Add(30 * day) // its last moment
	if _, err := p.push(conn); err != nil {
		t.Fatal(err)
	}
	p.clock.Add(1)
	_, err := p.push(conn)
	wantFault(t, err, fault.Unauthenticated, "certificate_expired", "the certificate of this connection ended at 2026-12-24T12:00:00Z", "renew it and connect again")
	_, err = p.stream(conn, 0).Recv()
	wantFault(t, fault.FromGRPC(err), fault.Unauthenticated, "certificate_expired")
}

func TestNewestStreamWinsOnThePort(t *testing.T) {
	t.Parallel()
	p := newPort(t)
	cert := identity(t, p.authority, p.enrol("web-1"))
	first := p.stream(p.dial(cert), 0)
	_, err := first.Recv()
	must(t, err)
	second := p.stream(p.dial(cert), 1)
	_, err = second.Recv()
	must(t, err)
	_, err = first.Recv()
	wantFault(t, fault.FromGRPC(err), fault.Conflict, "superseded", "opened a newer stream")
}

// Refused handshakes are logged five times a second; all are counted.
func TestRefusedHandshakesAreLoggedSparsely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRigAt(t, time.Now, nil)
		logged := make(chan refusal, 20)
		r.log = slog.New(refusals{logged})
		r.restart()
		creds := r.ServerCredentials(r.authority, mtls.ChaCha20)
		cert := identity(t, r.authority, "ghost")
		for range 12 {
			handshake(t, creds.Clone(), mtls.ClientConfig(mtls.Options{ // a clone has the same bound
				Roots: r.authority.Roots, Certificate: func() (*tls.Certificate, error) { return cert, nil },
			}))
		}
		if n := r.refusals("agent_unknown"); n != 12 {
			t.Errorf("counted %v times, want 12", n)
		}
		if n := len(logged); n != 5 {
			t.Errorf("logged %d times, want 5", n)
		}
	})
}
