package control_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc/peer"

	agentsv1 "github.com/esolutions/esmon/gen/go/esmon/agents/v1"
	enrolv1 "github.com/esolutions/esmon/gen/go/esmon/enrol/v1"
	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
	"github.com/esolutions/esmon/services/control"
	"github.com/esolutions/esmon/services/db/sqlite"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/mtls"
	"github.com/esolutions/esmon/services/pki"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is a registry over a database and an authority of its own. The embedded
// registry is the running one; restart replaces it.
type rig struct {
	*testing.T
	*control.Registry
	cfg       control.Config
	shared    control.Deps // what is set of Shared, Leases and Node
	store     *faultyStore
	authority *pki.Authority
	now       func() time.Time
	reg       *prometheus.Registry
	log       *slog.Logger
}

func newRig(t *testing.T, c *clock, change func(*control.Config)) *rig {
	t.Helper()
	return newRigAt(t, c.Now, change)
}

func newRigAt(t *testing.T, now func() time.Time, change func(*control.Config)) *rig {
	t.Helper()
	return newRigOf(t, now, pki.DefaultConfig(), change)
}

func newRigOf(t *testing.T, now func() time.Time, authority pki.Config, change func(*control.Config)) *rig {
	t.Helper()
	r := &rig{T: t, cfg: control.DefaultConfig(), now: now, log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&r.cfg)
	}
	if err := r.cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "es_monitor.db"), r.log)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	r.store = &faultyStore{Store: db.Control()}
	r.authority, err = pki.Open(filepath.Join(dir, "pki"), authority, now, r.log, prometheus.NewRegistry())
	must(t, err)
	r.restart()
	return r
}

// restart opens the registry anew, as after a crash: what was not stored is gone.
func (r *rig) restart() {
	r.Helper()
	r.reg = prometheus.NewRegistry()
	var err error
	deps := r.shared
	deps.Store, deps.Authority, deps.Now = r.store, r.authority, r.now
	r.Registry, err = control.Open(r.Context(), r.cfg, deps, r.log, r.reg)
	must(r.T, err)
}

// token makes a token and returns its text.
func (r *rig) token(uses uint32) string {
	r.Helper()
	res, err := r.TokenService().CreateToken(r.Context(), &enrolv1.CreateTokenRequest{Uses: uses})
	must(r.T, err)
	return res.GetSecret()
}

// key is an agent's key; equal requests are made from it.
type key struct{ *ecdsa.PrivateKey }

func newKey(t *testing.T) key {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key{k}
}

func (k key) csr(t *testing.T) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, k.PrivateKey)
	must(t, err)
	return der
}

// request is an enrolment that nothing is wrong with.
func (r *rig) request(token string, k key) *enrolv1.EnrolRequest {
	r.Helper()
	return &enrolv1.EnrolRequest{Token: token, Csr: k.csr(r.T), HostName: "web-1", HostId: "machine-1", OsType: "linux", Arch: "amd64"}
}

// enrol enrols an agent on the host and returns its id.
func (r *rig) enrol(host string) string {
	r.Helper()
	req := r.request(r.token(1), newKey(r.T))
	req.HostName, req.HostId = host, "machine of "+host
	res, err := r.EnrolmentService().Enrol(from(r.Context(), "192.0.2.250"), req)
	must(r.T, err)
	return res.GetAgentId()
}

// from returns a context of a call from that address.
func from(ctx context.Context, address string) context.Context {
	return peer.NewContext(ctx, &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(address), Port: 4711}})
}

// as returns a context of a call that the agent makes.
func as(ctx context.Context, id string) context.Context { return mtls.WithAgent(ctx, id) }

func hello(counter uint64) *ingestv1.Hello { return &ingestv1.Hello{ConnectCounter: counter} }

// connect opens a session and checks the counter it got.
func (r *rig) connect(id string, counter, want uint64) *control.Session {
	r.Helper()
	s, err := r.Connect(r.Context(), id, hello(counter))
	must(r.T, err)
	if s.Counter() != want {
		r.Fatalf("a hello with counter %d got %d, want %d", counter, s.Counter(), want)
	}
	return s
}

// connectAll opens the first session of each agent, at the same time.
func (r *rig) connectAll(ids []string) []*control.Session {
	r.Helper()
	sessions := make([]*control.Session, len(ids))
	var group sync.WaitGroup
	for i, id := range ids {
		group.Go(func() {
			var err error
			if sessions[i], err = r.Connect(r.Context(), id, hello(0)); err != nil {
				r.Errorf("agent %s: %v", id, err)
			}
		})
	}
	group.Wait()
	return sessions
}

// agent returns the agent as the API shows it.
func (r *rig) agent(id string) *agentsv1.Agent {
	r.Helper()
	res, err := r.AgentsService().GetAgent(r.Context(), &agentsv1.GetAgentRequest{Id: id})
	must(r.T, err)
	return res.GetAgent()
}

// stored returns the agent as the database has it.
func (r *rig) stored(id string) control.Agent {
	r.Helper()
	a, err := r.store.Agent(r.Context(), id)
	must(r.T, err)
	return a
}

// enrolMany puts agents into the database as another process would, and returns
// their ids.
func (r *rig) enrolMany(n int) []string {
	r.Helper()
	now := r.now()
	must(r.T, r.store.CreateToken(r.Context(), control.Token{ID: "many", SecretHash: []byte("none"), Uses: uint32(n), Created: now, Expires: now.Add(day)}, 1000))
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("many%06d", i)
		_, _, err := r.store.Store.Enrol(r.Context(), control.Agent{
			ID: ids[i], HostName: "host-" + ids[i], OSType: "linux", TokenID: "many", KeyHash: []byte(ids[i]),
			Enrolled: now, CertificateEnd: now.Add(30 * day),
		}, math.MaxInt)
		must(r.T, err)
	}
	return ids
}

// refusals returns how often the reason was counted.
func (r *rig) refusals(reason string) float64 {
	r.Helper()
	return r.metric("esmon_agent_refusals_total", "reason", reason)
}

// metric returns the value of a counter or gauge, of the one with that label if
// there are several; -1 if there is none.
func (r *rig) metric(name string, label ...string) float64 {
	r.Helper()
	families, err := r.reg.Gather()
	must(r.T, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName(), l.GetValue())
			}
			if slices.Equal(labels, label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

func (r *rig) update(id string, tags map[string]string, targets ...string) error {
	_, err := r.AgentsService().UpdateAgent(r.Context(), &agentsv1.UpdateAgentRequest{Id: id, Tags: tags, Targets: targets})
	return err
}

func (r *rig) revoke(id string) error {
	_, err := r.AgentsService().RevokeAgent(r.Context(), &agentsv1.RevokeAgentRequest{Id: id})
	return err
}

// over tells whether the session has ended, and why.
func over(s *control.Session) (bool, error) {
	select {
	case <-s.Superseded():
		return true, s.Cause()
	default:
		return false, s.Cause()
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantFault checks kind and reason, and that the message has all the texts: what
// is wrong, where, and what to do.
func wantFault(t *testing.T, err error, kind fault.Kind, reason string, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, want %s", reason)
	}
	if fault.KindOf(err) != kind || fault.ReasonOf(err) != reason {
		t.Fatalf("got %v, %s, want %v, %s: %v", fault.KindOf(err), fault.ReasonOf(err), kind, reason, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: the message %q lacks %q", reason, err, text)
		}
	}
}
