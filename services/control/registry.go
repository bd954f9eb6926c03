package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/pki"
)

// Authority issues certificates; *pki.Authority is one.
type Authority interface {
	IssueAgent(id string, request []byte) (*pki.Issued, error)
	RootsDER() [][]byte
	Fingerprint() [32]byte
}

// Deps is what a registry stands on.
type Deps struct {
	Store     Store
	Authority Authority
	Now       func() time.Time // time.Now if nil
}

// Registry is the registry of agents. It holds them in memory: a connect looks
// at one entry and reads nothing from the database.
type Registry struct {
	cfg       Config
	store     Store
	authority Authority
	now       func() time.Time
	log       *slog.Logger
	metrics   *metrics
	connects  batcher
	failures  *limiter // of enrolments, by address

	mu     sync.RWMutex // guards agents
	agents map[string]*entry

	dirtyMu sync.Mutex // guards dirty
	dirty   []*entry   // entries whose acknowledgements are not stored yet
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
	connecting sync.Mutex // held through one connect, its write included
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
		cfg: cfg, store: deps.Store, authority: deps.Authority, now: deps.Now, log: log,
		failures: newLimiter(cfg.EnrolFailures, cfg.EnrolPause),
		agents:   make(map[string]*entry),
	}
	r.connects.save = r.store.SaveConnects
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	var err error
	r.metrics, err = newMetrics(reg, r)
	return r, err
}

func (r *Registry) load(ctx context.Context) error {
	for after := ""; ; {
		page, err := r.store.ScanAgents(ctx, after, loadPage)
		if err != nil {
			return fmt.Errorf("read the registry of agents: %w", err)
		}
		for i := range page {
			r.add(page[i])
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

// lookup returns the entry of an agent; one that another process enrolled is
// read from the store.
func (r *Registry) lookup(ctx context.Context, id string) (*entry, error) {
	r.mu.RLock()
	e, ok := r.agents[id]
	r.mu.RUnlock()
	if ok {
		return e, nil
	}
	var a Agent
	err := ErrNotFound
	if storable(id) {
		a, err = r.store.Agent(ctx, id)
	}
	if errors.Is(err, ErrNotFound) {
		return nil, fault.New(fault.NotFound, "agent_unknown", "no agent %q is in the registry: `esmon agents` lists them; an agent that was removed must enrol anew", clip(id))
	}
	if err != nil {
		return nil, fmt.Errorf("look up agent %s: %w", id, err)
	}
	return r.add(a), nil
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

// snapshot returns the agent as it is now, and whether its stream is open.
func (e *entry) snapshot() (a Agent, connected bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a = e.rec
	a.LastAck, a.SkewMS, a.Confirmed = fromMilli(e.lastAck.Load()), e.skewMS.Load(), e.confirmed.Load()
	return a, e.session != nil
}

// Counts returns how many agents are enrolled and not revoked, and how many of
// them are connected.
func (r *Registry) Counts() (enrolled, connected int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, e := range r.agents {
		e.mu.Lock()
		if e.rec.Revoked.IsZero() {
			enrolled++
			if e.session != nil {
				connected++
			}
		}
		e.mu.Unlock()
	}
	return enrolled, connected
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
