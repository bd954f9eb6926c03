package control

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/lease"
	"github.com/esolutions/esmon/services/pki"
)

// Authority issues certificates; *pki.Authority is one.
type Authority interface {
	IssueAgent(id string, request []byte) (*pki.Issued, error)
	Roots() *x509.CertPool // that are accepted now
	RootsDER() [][]byte
	Fingerprint() [32]byte
}

// Deps is what a registry stands on.
type Deps struct {
	Store     Store
	Authority Authority        // nil where its key is not: enrolment is refused there
	Now       func() time.Time // time.Now if nil

	// Shared tells that other processes use the same database: collectors, or
	// control nodes. What they change is then looked for every second. Leases must
	// be set.
	Shared bool
	Leases lease.Store // tells which nodes are there
	// Node is the name under which agents that are connected here are shown, such as
	// the host's. Empty where agents do not connect.
	Node string
}

// Registry is the registry of agents. It holds them in memory: alone over its
// database, a connect looks at one entry and reads nothing from the database.
// shared.go says what is different when it is not alone.
type Registry struct {
	cfg       Config
	store     Store
	authority Authority // may be nil
	node      string
	now       func() time.Time
	log       *slog.Logger
	metrics   *metrics
	connects  batcher
	failures  *limiter // of enrolments, by address

	mu     sync.RWMutex // guards agents
	agents map[string]*entry

	shared *shared // nil if no other process uses the database

	dirtyMu    sync.Mutex // guards what follows
	dirty      []*entry   // entries whose acknowledgements are not stored yet
	confirming []*entry   // shared: those of which the first of their session is not
	closed     []Closed   // shared: sessions whose end is not stored yet
}

// entry is an agent in memory.
type entry struct {
	id    string
	facts atomic.Pointer[facts]

	lastAck   atomic.Int64 // Unix milliseconds
	skewMS    atomic.Int64
	confirmed atomic.Uint64
	dirty     atomic.Bool // it is in the registry's list of dirty entries

	pace       *rate.Limiter // of connects
	renewals   *rate.Limiter
	connecting sync.Mutex // held through one connect, its write included; guards unsure
	unsure     bool       // a connect failed: the row may not be as it is known here
	updating   sync.Mutex // held through one change by the operator, its write included

	mu      sync.Mutex // guards what follows
	rec     Agent      // as stored; LastAck, SkewMS and Confirmed are those above
	session *Session   // nil while not connected
}

// loadPage is how many agents are read from the store at a time.
const loadPage = 5000

// Open reads the registry from the store.
func Open(ctx context.Context, cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Registry, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	r := &Registry{
		cfg: cfg, store: deps.Store, authority: deps.Authority, node: deps.Node, now: deps.Now, log: log,
		failures: newLimiter(cfg.EnrolFailures, cfg.EnrolPause),
		agents:   make(map[string]*entry),
	}
	r.connects.save = r.store.SaveConnects
	if err := r.load(ctx, deps); err != nil {
		return nil, err
	}
	var err error
	r.metrics, err = newMetrics(reg, r)
	return r, err
}

func (r *Registry) load(ctx context.Context, deps Deps) error {
	if !deps.Shared {
		return r.scan(ctx, func(a Agent) error { r.add(a); return nil })
	}
	var err error
	if r.shared, err = newShared(deps); err != nil {
		return err
	}
	return r.resync(ctx)
}

// scan calls use with each agent in the store.
func (r *Registry) scan(ctx context.Context, use func(Agent) error) error {
	for after := ""; ; {
		page, err := r.store.ScanAgents(ctx, after, loadPage)
		if err != nil {
			return fmt.Errorf("read the registry of agents: %w", err)
		}
		for i := range page {
			if err := use(page[i]); err != nil {
				return err
			}
		}
		if len(page) < loadPage {
			return nil
		}
		after = page[len(page)-1].ID
	}
}

// add puts an agent into memory, if it is not there yet, and returns its entry.
func (r *Registry) add(a Agent) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.agents[a.ID]; ok {
		return e
	}
	e := &entry{
		id: a.ID, rec: a,
		pace:     rate.NewLimiter(rate.Every(connectPause), connectBurst),
		renewals: rate.NewLimiter(rate.Every(renewPause), renewBurst),
	}
	e.facts.Store(factsOf(&a))
	e.lastAck.Store(milli(a.LastAck))
	e.skewMS.Store(a.SkewMS)
	e.confirmed.Store(a.Confirmed)
	r.agents[a.ID] = e
	return e
}

// known returns the entry of an agent that is in memory.
func (r *Registry) known(id string) (*entry, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e, ok := r.agents[id]
	return e, ok
}

// lookup returns the entry of an agent; one that another process enrolled is
// read from the store.
func (r *Registry) lookup(ctx context.Context, id string) (*entry, error) {
	if e, ok := r.known(id); ok {
		return e, nil
	}
	a, err := r.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.add(a), nil
}

// read returns an agent as the store has it.
func (r *Registry) read(ctx context.Context, id string) (Agent, error) {
	a, err := Agent{}, ErrNotFound
	if storable(id) {
		a, err = r.store.Agent(ctx, id)
	}
	if errors.Is(err, ErrNotFound) {
		return a, fault.New(fault.NotFound, "agent_unknown", "no agent %q is in the registry: `esmon agents` lists them; an agent that was removed must enrol anew", clip(id))
	}
	if err != nil {
		return a, fmt.Errorf("look up agent %s: %w", id, err)
	}
	return a, nil
}

// remove forgets an agent that is not in the store any more.
func (r *Registry) remove(e *entry) {
	r.mu.Lock()
	delete(r.agents, e.id)
	r.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session != nil {
		e.session.finish(forgotten(e))
		e.session = nil
	}
}

// active returns nil if the agent is known and not revoked.
func (r *Registry) active(ctx context.Context, id string) error {
	e, err := r.lookup(ctx, id)
	if err != nil {
		return err
	}
	return e.revoked()
}

// revoked returns the fault of a revoked agent, or nil.
func (e *entry) revoked() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.revokedLocked()
}

// revokedLocked returns the fault of a revoked agent, or nil. e.mu is held.
func (e *entry) revokedLocked() error {
	if e.rec.Revoked.IsZero() {
		return nil
	}
	return fault.New(fault.Denied, "identity_revoked", "agent %s was revoked at %s: if that was right, remove the agent from the host; if not, enrol it anew (esmon token create, esmon-agent enroll)",
		e.id, e.rec.Revoked.UTC().Format(time.RFC3339))
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
