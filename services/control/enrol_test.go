package control_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

func TestEnrol(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	k := newKey(t)
	res, err := r.EnrolmentService().Enrol(t.Context(), r.request(r.token(1), k))
	must(t, err)
	leaf, err := x509.ParseCertificate(res.GetChain()[0])
	must(t, err)
	if id, ok := mtls.AgentID(leaf); !ok || id != res.GetAgentId() || len(id) != 26 {
		t.Errorf("agent %q, the certificate names %q, %v", res.GetAgentId(), id, ok)
	}
	if !k.PublicKey.Equal(leaf.PublicKey) {
		t.Error("the certificate is not for the agent's key")
	}
	if len(res.GetRoots()) != 1 || !bytes.Equal(res.GetRoots()[0], r.authority.RootsDER()[0]) {
		t.Error("the roots are not the authority's")
	}
	for range 2 {
		a := r.agent(res.GetAgentId())
		if a.GetHostName() != "web-1" || a.GetHostId() != "machine-1" || a.GetOsType() != "linux" || a.GetArch() != "amd64" ||
			a.GetState().String() != "AGENT_STATE_ENROLLED" || !a.GetEnrolTime().AsTime().Equal(c.Now()) ||
			!a.GetCertificateExpireTime().AsTime().Equal(leaf.NotAfter) {
			t.Errorf("got %v", a)
		}
		r.restart()
	}
}

// uses returns how many uses of the only token are left.
func (r *rig) usesLeft() uint32 {
	r.Helper()
	res, err := r.TokenService().ListTokens(r.Context(), &enrolv1.ListTokensRequest{})
	must(r.T, err)
	if len(res.GetTokens()) != 1 {
		r.Fatalf("%d tokens, want 1", len(res.GetTokens()))
	}
	return res.GetTokens()[0].GetUsesLeft()
}

func TestEnrolAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after func(r *rig, c *clock, token string) // what happens before the agent asks again
	}{
		{"at once", func(*rig, *clock, string) {}},
		{"after a restart", func(r *rig, _ *clock, _ string) { r.restart() }},
		{"after the token expired", func(_ *rig, c *clock, _ string) { c.Add(2 * time.Hour) }},
		{"after the token was revoked", func(r *rig, _ *clock, token string) {
			_, err := r.TokenService().RevokeToken(r.Context(), &enrolv1.RevokeTokenRequest{Id: strings.Split(token, ".")[1]})
			must(r.T, err)
		}},
		{"after another took the last use", func(r *rig, _ *clock, token string) {
			_, err := r.EnrolmentService().Enrol(r.Context(), r.request(token, newKey(r.T)))
			must(r.T, err)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clk := newClock()
			r := newRig(t, clk, nil)
			token, k := r.token(2), newKey(t)
			first, err := r.EnrolmentService().Enrol(t.Context(), r.request(token, k))
			must(t, err)
			c.after(r, clk, token)
			before, enrolled := r.usesLeft(), r.metric("esmon_agents_enrolled_total")
			second, err := r.EnrolmentService().Enrol(t.Context(), r.request(token, k))
			must(t, err)
			if second.GetAgentId() != first.GetAgentId() {
				t.Errorf("another identity: %s, then %s", first.GetAgentId(), second.GetAgentId())
			}
			leaf, err := x509.ParseCertificate(second.GetChain()[0])
			must(t, err)
			if id, _ := mtls.AgentID(leaf); id != first.GetAgentId() || !k.PublicKey.Equal(leaf.PublicKey) {
				t.Errorf("the certificate names %q", id)
			}
			if got := r.usesLeft(); got != before {
				t.Errorf("uses left %d, before %d", got, before)
			}
			if got := r.metric("esmon_agents_enrolled_total"); got != enrolled {
				t.Errorf("counted as another agent: %v, before %v", got, enrolled)
			}
			if a := r.agent(first.GetAgentId()); !a.GetCertificateExpireTime().AsTime().Equal(leaf.NotAfter) {
				t.Errorf("the registry has the end %v, the certificate %v", a.GetCertificateExpireTime().AsTime(), leaf.NotAfter)
			}
		})
	}
	t.Run("after the answer of the database was lost", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, newClock(), nil)
		token, k := r.token(1), newKey(t)
		r.store.set(func(string, int) error { return errors.New("connection lost") })
		_, err := r.EnrolmentService().Enrol(t.Context(), r.request(token, k))
		wantFault(t, err, fault.Internal, "internal", "store the enrolled agent", "connection lost")
		r.store.set(nil)
		res, err := r.EnrolmentService().Enrol(t.Context(), r.request(token, k))
		must(t, err)
		r.connect(res.GetAgentId(), 0, 1)
	})
	t.Run("with another key", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, newClock(), nil)
		token := r.token(2)
		first, err := r.EnrolmentService().Enrol(t.Context(), r.request(token, newKey(t)))
		must(t, err)
		second, err := r.EnrolmentService().Enrol(t.Context(), r.request(token, newKey(t)))
		must(t, err)
		if first.GetAgentId() == second.GetAgentId() {
			t.Error("two keys have one identity")
		}
	})
}

func TestEnrolRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(r *rig, c *clock, req *enrolv1.EnrolRequest)
		kind   fault.Kind
		reason string
		texts  []string
	}{
		{"no token", func(_ *rig, _ *clock, q *enrolv1.EnrolRequest) { q.Token = "" },
			fault.Unauthenticated, "token_malformed", []string{"token: this is not an enrolment token", "copy the whole line"}},
		{"half a token", func(_ *rig, _ *clock, q *enrolv1.EnrolRequest) { q.Token = q.GetToken()[:40] },
			fault.Unauthenticated, "token_malformed", []string{"from esmon1 to its end"}},
		{"token of another server", func(r *rig, _ *clock, q *enrolv1.EnrolRequest) { q.Token = otherToken(r, nil) },
			fault.Unauthenticated, "token_unknown", []string{"token: this server does not know it", "esmon token create"}},
		{"wrong secret", func(r *rig, _ *clock, q *enrolv1.EnrolRequest) { q.Token = otherToken(r, &q.Token) },
			fault.Unauthenticated, "token_unknown", []string{"token: this server does not know it", "esmon token create"}},
		{"used up", func(r *rig, _ *clock, q *enrolv1.EnrolRequest) {
			_, err := r.EnrolmentService().Enrol(r.Context(), r.request(q.GetToken(), newKey(r.T)))
			must(r.T, err)
		}, fault.Unauthenticated, "token_used_up", []string{"was made for 1 enrolments and all are used", "esmon token create", "--uses for several agents"}},
		{"expired", func(_ *rig, c *clock, _ *enrolv1.EnrolRequest) { c.Add(time.Hour) },
			fault.Unauthenticated, "token_expired", []string{"expired at 2026-11-24T13:00:00Z", "it is now 2026-11-24T13:00:00Z on the server", "esmon token create"}},
		{"revoked", func(r *rig, c *clock, q *enrolv1.EnrolRequest) {
			r.revokeToken(q.GetToken())
			c.Add(time.Minute)
		}, fault.Unauthenticated, "token_revoked", []string{"was revoked at 2026-11-24T12:00:00Z", "esmon token create"}},
		{"revoked and expired", func(r *rig, c *clock, q *enrolv1.EnrolRequest) {
			r.revokeToken(q.GetToken())
			c.Add(2 * time.Hour)
		}, fault.Unauthenticated, "token_revoked", nil},
		{"no host name", func(_ *rig, _ *clock, q *enrolv1.EnrolRequest) { q.HostName = "" },
			fault.Invalid, "host_name_empty", []string{"host_name: it is empty", "send the name that the operating system gives"}},
		{"long host name", func(_ *rig, _ *clock, q *enrolv1.EnrolRequest) { q.HostName = strings.Repeat("x", 256) },
			fault.Invalid, "host_name_too_long", []string{"host_name: 256 bytes, the limit is 255", "shorten"}},
		{"long machine id", func(_ *rig, _ *clock, q *enrolv1.EnrolRequest) { q.HostId = strings.Repeat("x", 129) },
			fault.Invalid, "host_id_too_long", []string{"host_id: 129 bytes, the limit is 128"}},
		{"strange system", func(_ *rig, _ *clock, q *enrolv1.EnrolRequest) { q.OsType = "lin\x00ux" },
			fault.Invalid, "os_type_invalid", []string{"os_type: use UTF-8 text"}},
		{"strange architecture", func(_ *rig, _ *clock, q *enrolv1.EnrolRequest) { q.Arch = "\x7f" },
			fault.Invalid, "arch_invalid", []string{"arch: use UTF-8 text"}},
		{"no request", func(_ *rig, _ *clock, q *enrolv1.EnrolRequest) { q.Csr = nil },
			fault.Invalid, "csr_malformed", []string{"csr: this is no PKCS #10", "openssl req"}},
		{"revoked agent", func(r *rig, _ *clock, q *enrolv1.EnrolRequest) {
			res, err := r.EnrolmentService().Enrol(r.Context(), q)
			must(r.T, err)
			must(r.T, r.revoke(res.GetAgentId()))
		}, fault.Denied, "identity_revoked", []string{"the agent with this key was revoked", "remove its state directory and enrol with a new token"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clk := newClock()
			r := newRig(t, clk, nil)
			token := r.token(1)
			req := r.request(token, newKey(t))
			c.change(r, clk, req)
			before := r.refusals(c.reason)
			_, err := r.EnrolmentService().Enrol(t.Context(), req)
			wantFault(t, err, c.kind, c.reason, c.texts...)
			if secret := strings.Split(token, ".")[2]; strings.Contains(err.Error(), secret) {
				t.Error("the message shows the secret")
			}
			if got := r.refusals(c.reason); got != max(before, 0)+1 {
				t.Errorf("%s was counted %v times, before %v", c.reason, got, before)
			}
		})
	}
	t.Run("too many agents", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, newClock(), func(c *control.Config) { c.MaxAgents = 2 })
		r.enrol("web-1")
		r.enrol("web-2")
		token := r.token(1)
		_, err := r.EnrolmentService().Enrol(t.Context(), r.request(token, newKey(t)))
		wantFault(t, err, fault.Exhausted, "agents_too_many", "2 agents are enrolled, which is the limit", "raise control.max_agents")
	})
}

// otherToken returns the text of a token with another secret; that of the one
// given, or one of another server.
func otherToken(r *rig, of *string) string {
	r.Helper()
	other := mtls.NewToken(bytes.Repeat([]byte{7}, mtls.TokenRandom), r.authority.Fingerprint())
	if of != nil {
		parsed, err := mtls.ParseToken(*of)
		must(r.T, err)
		other.ID = parsed.ID
	}
	return other.String()
}

func (r *rig) revokeToken(text string) {
	r.Helper()
	_, err := r.TokenService().RevokeToken(r.Context(), &enrolv1.RevokeTokenRequest{Id: strings.Split(text, ".")[1]})
	must(r.T, err)
}
