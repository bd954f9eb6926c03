package control_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
)

func TestRevocationAcrossProcesses(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, c *member) {
		id, kept := a.enrol("web-1"), a.enrol("web-2")
		s, other := a.connects(id, 0), a.connects(kept, 0)
		pass(control.PollEvery)
		must(t, c.revoke(id))
		_, err := b.Connect(t.Context(), id, hello(1)) // at once: a connect reads the row
		wantFault(t, err, fault.Denied, "identity_revoked")
		pass(control.PollEvery)
		_, cause := over(s)
		wantFault(t, cause, fault.Denied, "identity_revoked", id)
		var refusal *mtls.Refusal
		if err := a.CheckPeer(a.leaf(id)); !errors.As(err, &refusal) || refusal.Reason != "identity_revoked" {
			t.Errorf("a handshake: %v", err)
		}
		if done, cause := over(other); done {
			t.Errorf("another agent's session ended: %v", cause)
		}
		if enrolled, connected := b.Counts(); enrolled != 1 || connected != 1 {
			t.Errorf("%d enrolled, %d connected, want 1 and 1", enrolled, connected)
		}
	})
}

func TestTagsReachOtherCollectors(t *testing.T) {
	cluster(t, func(t *testing.T, a, _, c *member) {
		id := a.enrol("web-1")
		s := a.connects(id, 0)
		pass(3 * control.PollEvery)
		if n := len(s.Changed()); n != 0 {
			t.Errorf("%d notices of its own connect", n)
		}
		must(t, c.update(id, map[string]string{"site": "north"}, "db2:sales"))
		pass(control.PollEvery)
		if n := len(s.Changed()); n != 1 {
			t.Fatalf("%d notices, want 1", n)
		}
		<-s.Changed()
		wantLabels(t, s.Labels(), "host_id=machine of web-1 host_name=web-1 os_type=linux site=north")
		if _, ok := s.TargetLabels("db2:sales"); !ok {
			t.Error("the new target is not known")
		}
		must(t, a.update(id, map[string]string{"site": "south"}))
		<-s.Changed()
		pass(2 * control.PollEvery)
		if n := len(s.Changed()); n != 0 {
			t.Error("a change of this process' own was told again")
		}
		must(t, c.store.SetCertificateEnd(t.Context(), id, time.Now().Add(30*day)))
		pass(control.PollEvery)
		if n := len(s.Changed()); n != 0 {
			t.Error("a change of no label was told")
		}
		if done, cause := over(s); done {
			t.Errorf("a change of tags ended the session: %v", cause)
		}
	})
}

func TestDeletedElsewhere(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, _ *member) {
		id, idle := a.enrol("web-1"), a.enrol("web-2")
		s := a.connects(id, 0)
		pass(control.PollEvery)
		_, err := b.store.PurgeAgents(t.Context(), time.Now().Add(365*day), 10)
		must(t, err)
		_, err = b.Connect(t.Context(), idle, hello(0)) // at once
		wantFault(t, err, fault.NotFound, "agent_unknown")
		pass(control.RescanEvery + control.PollEvery)
		if enrolled, _ := a.Counts(); enrolled != 0 {
			t.Errorf("%d agents are left in memory", enrolled)
		}
		_, cause := over(s)
		wantFault(t, cause, fault.NotFound, "agent_unknown", id)
		if err := a.CheckPeer(a.leaf(id)); err == nil {
			t.Error("its certificate passes")
		}
	})
}

func TestEnrolledElsewhere(t *testing.T) {
	cluster(t, func(t *testing.T, a, b, _ *member) {
		id := a.enrol("web-1")
		must(t, b.CheckPeer(b.leaf(id))) // at once
		a.enrol("web-2")
		pass(control.PollEvery)
		if enrolled, connected := b.Counts(); enrolled != 2 || connected != 0 {
			t.Errorf("%d enrolled, %d connected, want 2 and 0", enrolled, connected)
		}
	})
}

// In a process without the authority's key, agents connect, but nothing is issued.
func TestWithoutAuthority(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := newRigAt(t, time.Now, nil)
		id := base.enrol("web-1")
		deps := control.Deps{Store: base.store, Shared: true, Leases: &leases{by: make(map[string]held)}, Node: "a"}
		r, err := control.Open(t.Context(), base.cfg, deps, base.log, prometheus.NewRegistry())
		must(t, err)
		_, err = r.Connect(t.Context(), id, hello(0))
		must(t, err)
		_, err1 := r.EnrolmentService().Enrol(t.Context(), base.request(base.token(1), newKey(t)))
		_, err2 := r.EnrolmentService().Renew(mtls.WithAgent(t.Context(), id), nil)
		_, err3 := r.TokenService().CreateToken(t.Context(), nil)
		for _, err := range []error{err1, err2, err3} {
			wantFault(t, err, fault.Unavailable, "authority_elsewhere", "does not have the certificate authority's key", "target control")
		}
	})
}

func TestSharedSettings(t *testing.T) {
	t.Parallel()
	base := newRig(t, newClock(), nil)
	open := func(deps control.Deps) error {
		deps.Store, deps.Shared = base.store, true
		_, err := control.Open(context.Background(), base.cfg, deps, base.log, prometheus.NewRegistry())
		return err
	}
	all := &leases{by: make(map[string]held)}
	for want, deps := range map[string]control.Deps{
		"needs leases":               {Node: "a"},
		`name of the node "a/b"`:     {Leases: all, Node: "a/b"},
		`without control characters`: {Leases: all, Node: "a\n"},
		"use 1 to 200 bytes":         {Leases: all, Node: strings.Repeat("x", 201)},
	} {
		if err := open(deps); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	must(t, open(control.Deps{Leases: all, Node: "Köln 1"}))
}
