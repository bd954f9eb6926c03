package uplink_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/esolutions/esmon/agent/agenttest"
	"github.com/esolutions/esmon/agent/enrol"
	"github.com/esolutions/esmon/agent/uplink"
)

func TestRenewal(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	s.Behave(agenttest.Behaviour{CertificateLife: 6 * time.Second})
	r := enrolRig(t, s, t.TempDir(), nil)
	first := r.store.Identity()
	s.Behave(agenttest.Behaviour{})
	r.run()
	r.batch(1)
	serial := func(i *enrol.Identity) string { return i.Certificate.Leaf.SerialNumber.String() }
	r.eventually("renewed and in use", func() bool { return s.Serial() != "" && s.Serial() != serial(first) })
	for range 3 {
		r.batch(1)
	}
	r.delivered()
	stored, err := enrol.OpenStore(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	i := stored.Identity()
	if i.AgentID != first.AgentID || !i.Expires().After(first.Expires()) {
		t.Errorf("stored is %s until %s, first was %s until %s", i.AgentID, i.Expires(), first.AgentID, first.Expires())
	}
	if s.Serial() != serial(i) {
		t.Errorf("the stream shows certificate %s, stored is %s", s.Serial(), serial(i))
	}
	if st := r.uplink.Stats(); st.Renewals != 1 || st.Failures != 0 {
		t.Errorf("stats %+v", st)
	}
}

// Somebody enrols the agent anew while it runs well: the renewal that falls due
// must not put the old identity back.
func TestRenewalGivesWayToANewIdentity(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	s.Behave(agenttest.Behaviour{CertificateLife: 6 * time.Second})
	r := enrolRig(t, s, t.TempDir(), nil)
	s.Behave(agenttest.Behaviour{})
	i, err := enrol.Enrol(t.Context(), direct(t), []string{s.Addr()}, s.Token, "", enrol.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	r.run()
	if err := enrol.Save(r.dir, i); err != nil {
		t.Fatal(err)
	}
	r.eventually("the new identity is in use", func() bool { return s.Serial() == i.Certificate.Leaf.SerialNumber.String() })
	stored, err := enrol.OpenStore(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	if id := stored.Identity().AgentID; id != i.AgentID || r.uplink.Stats().Renewals != 0 {
		t.Errorf("stored is %s, want %s; stats %+v", id, i.AgentID, r.uplink.Stats())
	}
	r.batch(1)
	r.delivered()
}

func TestRenewalIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	s.Behave(agenttest.Behaviour{CertificateLife: 3 * time.Second})
	r := enrolRig(t, s, t.TempDir(), nil)
	s.Behave(agenttest.Behaviour{})
	r.run()
	r.eventually("connected", func() bool { return r.uplink.Stats().Connected })
	s.Stop()
	r.eventually("renewal failed", func() bool { return strings.Contains(r.log.String(), "could not be renewed") })
	s.Start()
	r.eventually("renewed", func() bool { return r.uplink.Stats().Renewals == 1 })
	r.batch(1)
	r.delivered()
}

// A copy of the state directory, as a cloned machine has it.
func TestClone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.batch(1)
	clone := t.TempDir()
	for _, name := range []string{"identity.json"} {
		data, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(clone, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // the original goes on, and its counter with it
		r.run()
		r.batch(1)
		r.delivered()
		r.stop()
	}
	c := openRig(t, r.server, clone, nil)
	before := len(r.server.Arrivals())
	c.run()
	c.batch(1)
	c.eventually("the copy is refused", func() bool { return c.uplink.Stats().Blocked == "identity_cloned" })
	c.batch(1)
	if st := c.spool.Stats(); st.Batches != 2 {
		t.Errorf("the copy spools %d batches, want 2", st.Batches)
	}
	if n := len(r.server.Arrivals()); n != before {
		t.Errorf("the copy delivered %d batches under the other's name", n-before)
	}
	if log := c.log.String(); !strings.Contains(log, "esmon-agent enroll") || strings.Count(log, "refuses this agent's identity") != 1 {
		t.Errorf("the log does not say what to do, or says it too often:\n%s", log)
	}

	// Enrolled anew by another process, it goes on by itself.
	i, err := enrol.Enrol(t.Context(), direct(t), []string{c.server.Addr()}, c.server.Token, "", enrol.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	if err := enrol.Save(clone, i); err != nil {
		t.Fatal(err)
	}
	c.eventually("emptied", func() bool { return c.spool.Stats().Batches == 0 })
	if h := c.server.Hellos(); h[len(h)-1].GetConnectCounter() != 0 {
		t.Errorf("a new identity began with the counter of the old: %v", h[len(h)-1])
	}
}

func TestRevokedWhileStreaming(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.run()
	r.batch(1)
	r.delivered()
	r.server.Refuse(agenttest.Denied("identity_revoked", "agent agent1 was revoked: enrol it anew"))
	r.server.Stop()
	r.server.Start()
	r.eventually("refused", func() bool { return r.uplink.Stats().Blocked == "identity_revoked" })
	r.batch(1)
	if st := r.uplink.Stats(); st.Connected || st.LastError != "agent agent1 was revoked: enrol it anew" {
		t.Errorf("stats %+v", st)
	}
	r.server.Refuse(nil) // it was a mistake
	r.delivered()
}

func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	s := agenttest.New(t)
	s.Behave(agenttest.Behaviour{CertificateLife: time.Millisecond})
	r := enrolRig(t, s, t.TempDir(), nil)
	r.run()
	r.batch(1)
	r.eventually("refused", func() bool { return r.uplink.Stats().Blocked != "" })
	if st := r.uplink.Stats(); !strings.Contains(st.LastError, "enrol the agent anew") {
		t.Errorf("the message does not say what to do: %+v", st)
	}
	if r.spool.Stats().Batches != 1 {
		t.Error("the agent does not go on spooling")
	}
}

func TestServerOfAnotherCA(t *testing.T) {
	t.Parallel()
	other := agenttest.New(t)
	r := newRig(t, func(c *uplink.Config) { c.Servers = []string{other.Addr()} })
	r.run()
	r.batch(1)
	r.eventually("refused", func() bool { return r.uplink.Stats().Failures > 0 })
	if st := r.uplink.Stats(); !strings.Contains(st.LastError, "not issued by this platform's CA") {
		t.Errorf("stats %+v", st)
	}
	if len(other.Hellos()) != 0 {
		t.Error("a foreign server heard the agent")
	}
}
