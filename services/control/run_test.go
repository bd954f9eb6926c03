package control_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

// shortLife is how long certificates of agents are valid here: each minute of it is
// one in which Run has work.
const shortLife = 2 * time.Hour

// running runs the test beside a running registry, in a time of its own. stop ends
// the registry and returns what Run returned.
func running(t *testing.T, change func(*control.Config), test func(t *testing.T, r *rig, stop func() error)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		authority := pki.DefaultConfig()
		authority.AgentLife = shortLife
		r := newRigOf(t, time.Now, authority, change)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Registry.Run(ctx) }()
		stop := sync.OnceValue(func() error {
			cancel()
			return <-done
		})
		test(t, r, stop)
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// pass lets time pass, and what is due by then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestFlush(t *testing.T) {
	running(t, nil, func(t *testing.T, r *rig, stop func() error) {
		id, idle := r.enrol("web-1"), r.enrol("web-2")
		s := r.connect(id, 0, 1)
		r.connect(idle, 0, 1)
		acked := time.Now()
		s.Acked(acked, -250)
		if a := r.stored(id); !a.LastAck.IsZero() {
			t.Error("an acknowledgement was written at once")
		}
		if a := r.agent(id); !a.GetLastAckTime().AsTime().Equal(acked) || a.GetClockSkewMs() != -250 {
			t.Errorf("shown: %v, skew %d", a.GetLastAckTime().AsTime(), a.GetClockSkewMs())
		}
		pass(r.cfg.FlushInterval)
		if a := r.stored(id); !a.LastAck.Equal(acked) || a.SkewMS != -250 || a.Confirmed != 1 {
			t.Errorf("stored: %v, skew %d, confirmed %d", a.LastAck, a.SkewMS, a.Confirmed)
		}
		if a := r.stored(idle); !a.LastAck.IsZero() || a.Confirmed != 0 {
			t.Errorf("an agent without an acknowledgement: %v, confirmed %d", a.LastAck, a.Confirmed)
		}
		var writes int
		r.store.set(func(string, int) error { writes++; return nil })
		pass(3 * r.cfg.FlushInterval)
		if writes != 0 {
			t.Errorf("%d writes though nothing happened", writes)
		}
		r.store.set(nil)
		s.Acked(time.Now(), 3)
		last := time.Now()
		if err := stop(); err != nil { // what is not written yet is written at the end
			t.Fatal(err)
		}
		if a := r.stored(id); !a.LastAck.Equal(last) || a.SkewMS != 3 {
			t.Errorf("after the end: %v, skew %d", a.LastAck, a.SkewMS)
		}
	})
}

// A flush that fails loses nothing: what it took is written with the next one,
// once, and with what came meanwhile.
func TestFlushThatFails(t *testing.T) {
	running(t, nil, func(t *testing.T, r *rig, _ func() error) {
		ids := r.enrolMany(control.FlushMost + 5)
		sessions := r.connectAll(ids)
		var mu sync.Mutex
		var rows []int
		broken := true
		r.store.set(func(_ string, n int) error {
			mu.Lock()
			defer mu.Unlock()
			rows = append(rows, n)
			if broken { // one that was taken acknowledges again, as does one that was not
				sessions[0].Acked(time.Now(), 2)
				sessions[control.FlushMost].Acked(time.Now(), 2)
				return errors.New("disk full")
			}
			return nil
		})
		for _, s := range sessions {
			s.Acked(time.Now(), 1)
		}
		pass(r.cfg.FlushInterval)
		mu.Lock()
		if !slices.Equal(rows, []int{control.FlushMost}) {
			t.Errorf("a flush that fails wrote %v", rows)
		}
		rows, broken = nil, false
		mu.Unlock()
		pass(r.cfg.FlushInterval)
		mu.Lock()
		if !slices.Equal(rows, []int{control.FlushMost, 5}) { // each once
			t.Errorf("the next one wrote %v", rows)
		}
		mu.Unlock()
		for i, id := range ids {
			want := int64(1)
			if i == 0 || i == control.FlushMost {
				want = 2
			}
			if a := r.stored(id); a.SkewMS != want || a.Confirmed != 1 {
				t.Fatalf("agent %d: skew %d, confirmed %d, want %d and 1", i, a.SkewMS, a.Confirmed, want)
			}
		}
	})
}

func TestLastFlushThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRigAt(t, time.Now, nil)
		s := r.connect(r.enrol("web-1"), 0, 1)
		s.Acked(time.Now(), 1)
		r.store.set(func(string, int) error { return errors.New("disk full") })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Registry.Run(ctx); err == nil || err.Error() != "disk full" {
			t.Errorf("Run: %v", err)
		}
	})
}

// A copy that one flush would have shown is not forgotten by a restart after it.
func TestConfirmationSurvivesARestart(t *testing.T) {
	running(t, nil, func(t *testing.T, r *rig, stop func() error) {
		id := r.enrol("web-1")
		r.connect(id, 0, 1).Acked(time.Now(), 0)
		r.connect(id, 1, 2).Acked(time.Now(), 0)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		r.restart()
		_, err := r.Connect(t.Context(), id, hello(1))
		wantFault(t, err, fault.Denied, "identity_cloned", "counter 1, but 2 was given out")
	})
}

// certified returns the context of a stream whose connection showed an agent's
// certificate.
func (r *rig) certified(id string) (context.Context, time.Time) {
	r.Helper()
	leaf, err := x509.ParseCertificate(identity(r.T, r.authority, id).Certificate[0])
	must(r.T, err)
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
	return peer.NewContext(r.Context(), &peer.Peer{AuthInfo: credentials.TLSInfo{State: state}}), leaf.NotAfter
}

// A stream lives no longer than the certificate it was opened with.
func TestSessionEndsWithItsCertificate(t *testing.T) {
	running(t, nil, func(t *testing.T, r *rig, _ func() error) {
		old, fresh := r.enrol("web-1"), r.enrol("web-2")
		ctx, end := r.certified(old)
		ending, err := r.Connect(ctx, old, hello(0))
		must(t, err)
		pass(time.Hour)
		ctx, _ = r.certified(fresh)
		staying, err := r.Connect(ctx, fresh, hello(0))
		must(t, err)
		time.Sleep(time.Until(end))
		synctest.Wait()
		if done, cause := over(ending); done {
			t.Errorf("over in the last moment of the certificate: %v", cause)
		}
		pass(control.SweepEvery)
		_, cause := over(ending)
		wantFault(t, cause, fault.Unauthenticated, "certificate_expired", old, "opened this stream with ended at "+end.UTC().Format(time.RFC3339), "renew it and connect again")
		if done, cause := over(staying); done {
			t.Errorf("another one ended, too: %v", cause)
		}
	})
}

// Through a relay the connection shows another certificate than the agent's.
func TestSessionThroughARelayEndsWithTheAgentsCertificate(t *testing.T) {
	running(t, nil, func(t *testing.T, r *rig, _ func() error) {
		id := r.enrol("web-1")
		ctx, end := r.certified(id)
		end = end.Add(time.Hour)
		s, err := r.Connect(mtls.WithCertificateEnd(ctx, end), id, hello(0))
		must(t, err)
		time.Sleep(time.Until(end))
		synctest.Wait()
		if done, cause := over(s); done {
			t.Errorf("over in the last moment of the agent's certificate: %v", cause)
		}
		pass(control.SweepEvery)
		_, cause := over(s)
		wantFault(t, cause, fault.Unauthenticated, "certificate_expired", "ended at "+end.UTC().Format(time.RFC3339))
	})
}

// What ended long ago is forgotten, in memory as in the database, and makes room.
func TestPurge(t *testing.T) {
	change := func(c *control.Config) { c.ForgetAfter, c.MaxAgents, c.MaxTokens = time.Hour, 2, 2 }
	running(t, change, func(t *testing.T, r *rig, _ func() error) {
		id := r.enrol("web-1")
		pass(time.Hour)
		kept := r.enrol("web-2")
		pass(shortLife - time.Minute) // the first one's end was an hour ago in a minute
		token := r.token(1)           // there is room: that of the first is forgotten
		if got := r.agent(id).GetHostName(); got != "web-1" {
			t.Errorf("host %q", got)
		}
		_, err := r.EnrolmentService().Enrol(t.Context(), r.request(token, newKey(t)))
		wantFault(t, err, fault.Exhausted, "agents_too_many")

		pass(3 * time.Minute)
		_, err = r.Connect(t.Context(), id, hello(0))
		wantFault(t, err, fault.NotFound, "agent_unknown")
		if n, _ := r.Counts(); n != 1 || r.agent(kept).GetHostName() != "web-2" {
			t.Errorf("%d agents are left, want the second one", n)
		}
		_, err = r.EnrolmentService().Enrol(t.Context(), r.request(token, newKey(t)))
		must(t, err)

		pass(2*time.Hour + time.Minute)
		res, err := r.TokenService().ListTokens(t.Context(), &enrolv1.ListTokensRequest{})
		must(t, err)
		if n := len(res.GetTokens()); n != 0 {
			t.Errorf("%d ended tokens are left", n)
		}
	})
}

// An agent that the database forgot, but memory not yet, is refused like one that
// nobody knows.
func TestForgottenByTheDatabase(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRig(t, c, nil)
	id := r.enrol("web-1")
	_, err := r.store.PurgeAgents(t.Context(), c.Now().Add(365*day), 10)
	must(t, err)
	for _, err := range []error{r.revoke(id), r.update(id, nil)} {
		wantFault(t, err, fault.NotFound, "agent_unknown", id, "no longer in the registry", "its certificate ended long ago", "`esmon agents` lists")
	}
}
