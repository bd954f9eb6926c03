package control_test

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

func TestRenew(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	id := r.enrol("web-1")
	c.Add(20 * day)
	k := newKey(t) // a new one, as an agent may take
	res, err := r.EnrolmentService().Renew(as(t.Context(), id), &enrolv1.RenewRequest{Csr: k.csr(t)})
	must(t, err)
	leaf, err := x509.ParseCertificate(res.GetChain()[0])
	must(t, err)
	if got, _ := mtls.AgentID(leaf); got != id || !k.PublicKey.Equal(leaf.PublicKey) || !leaf.NotAfter.Equal(c.Now().Add(30*day)) {
		t.Errorf("certificate of %s until %v", got, leaf.NotAfter)
	}
	if len(res.GetRoots()) != 1 || r.metric("esmon_agent_certificates_renewed_total") != 1 {
		t.Errorf("%d roots, counted %v", len(res.GetRoots()), r.metric("esmon_agent_certificates_renewed_total"))
	}
	for range 2 {
		if got := r.agent(id).GetCertificateExpireTime().AsTime(); !got.Equal(leaf.NotAfter) {
			t.Errorf("the registry has the end %v", got)
		}
		r.restart()
	}
}

// A clock that was set back must not make the registry forget the later end.
func TestRenewWithTheClockSetBack(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	id := r.enrol("web-1")
	end := r.agent(id).GetCertificateExpireTime().AsTime()
	c.Add(-2 * time.Hour)
	_, err := r.EnrolmentService().Renew(as(t.Context(), id), &enrolv1.RenewRequest{Csr: newKey(t).csr(t)})
	must(t, err)
	for range 2 {
		if got := r.agent(id).GetCertificateExpireTime().AsTime(); !got.Equal(end) {
			t.Errorf("end %v, want %v", got, end)
		}
		r.restart()
	}
}

func TestRenewRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, newClock(), nil)
	renew := func(ctx context.Context, csr []byte) error {
		_, err := r.EnrolmentService().Renew(ctx, &enrolv1.RenewRequest{Csr: csr})
		return err
	}
	good := newKey(t).csr(t)
	t.Run("nobody", func(t *testing.T) {
		wantFault(t, renew(t.Context(), good), fault.Unauthenticated, "certificate_missing", "only an enrolled agent can renew", "enrol first")
	})
	t.Run("unknown", func(t *testing.T) {
		wantFault(t, renew(as(t.Context(), "nobody"), good), fault.NotFound, "agent_unknown", `"nobody"`, "must enrol anew")
	})
	t.Run("malformed request", func(t *testing.T) {
		wantFault(t, renew(as(t.Context(), r.enrol("web-1")), []byte("x")), fault.Invalid, "csr_malformed", "csr:")
	})
	t.Run("bad proof", func(t *testing.T) {
		_, err := r.EnrolmentService().Renew(as(t.Context(), r.enrol("web-5")), &enrolv1.RenewRequest{Csr: good, Chain: [][]byte{good}, Signature: good})
		wantFault(t, err, fault.Invalid, "renewal_unproven", "itself asks", "relay")
	})
	t.Run("revoked", func(t *testing.T) {
		id := r.enrol("web-2")
		must(t, r.revoke(id))
		wantFault(t, renew(as(t.Context(), id), good), fault.Denied, "identity_revoked", id, "enrol it anew")
	})
	t.Run("too often", func(t *testing.T) {
		c := newClock()
		r := newRig(t, c, nil)
		id, other := r.enrol("web-3"), r.enrol("web-4")
		renew := func(id string) error {
			_, err := r.EnrolmentService().Renew(as(t.Context(), id), &enrolv1.RenewRequest{Csr: good})
			return err
		}
		for range control.RenewBurst {
			must(t, renew(id))
		}
		wantFault(t, renew(id), fault.Exhausted, "renew_rate_limited", id, "too often", "wait 1m0s")
		must(t, renew(other))
		c.Add(control.RenewPause)
		must(t, renew(id))
	})
}
