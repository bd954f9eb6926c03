package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/notify"
	"github.com/esolutions/esmon/services/query"
	"github.com/esolutions/esmon/services/rule"
	"github.com/esolutions/esmon/services/rule/eval"
)

// LeaseName is who evaluates the rules.
const LeaseName = "alerting/leader"

// Store keeps the state; what its methods promise is said at those of package alert.
type Store interface {
	alert.StateStore

	Version(ctx context.Context) (int64, error)
	Operator(ctx context.Context) (alert.Operator, int64, error)
	External(ctx context.Context, limit int) ([]alert.ExternalAlert, error)
	DoneExternal(ctx context.Context, tokens []int64) error
	PurgeSilences(ctx context.Context, before int64) error
	PurgeOverrides(ctx context.Context, before int64) error
	Episodes(ctx context.Context, page alert.EpisodePage) ([]alert.Episode, error)
	PurgeHistory(ctx context.Context, before int64, limit int) (more bool, err error)
}

// Queries evaluates the expressions of rules over the platform's data.
type Queries interface {
	eval.Querier
	// Only returns a querier that sees the series of some agents and no others.
	Only(series AgentSeries) eval.Querier
	// Round returns a querier that may read once what several expressions need at
	// times from one to another, and what ends it.
	Round(ctx context.Context, from, to time.Time) (eval.Querier, func())
	// Recorded has queries see samples before they come back from the ingest log.
	Recorded(samples []query.Sample)
}

// Planner decides who is told what. Its methods are called one at a time.
type Planner interface {
	// Restore forgets everything and starts from what is stored. The error only says
	// what could not be read of it.
	Restore(groups []alert.Group, alerts []alert.Alert, op alert.Operator) error
	Update(changed []alert.Alert, forgotten []alert.Key)
	Operator(op alert.Operator)
	// Plan returns what is to be committed now; the planner goes on as if it were.
	Plan(now time.Time) (notify.Plan, error)
}

// Rules are the rules to evaluate.
type Rules interface {
	// Current returns the groups, and false as long as none could be read. Groups and
	// rules are not changed once they were returned.
	Current() ([]*rule.Group, bool)
	// Changed receives after Current changed; as [Data]'s.
	Changed() <-chan struct{}
}

// Lease tells whether this process should lead; *lease.Keeper is one. It saves work:
// what keeps two from committing is the epoch in the database.
type Lease interface {
	// Run takes the lease whenever it is free and keeps it, until ctx ends.
	Run(ctx context.Context) error
	// Held tells whether this process has it.
	Held() bool
}

// Recorder stores samples that alerting makes: of recording rules, of alerts, and of
// how agents are. It may be given the same ones again.
type Recorder func(ctx context.Context, samples []query.Sample) error

// Deps is what alerting stands on.
type Deps struct {
	Store    Store
	Queries  Queries
	Data     Data
	Planner  Planner
	Rules    Rules
	Recorder Recorder // nil: what rules record is seen by other rules only
	Lease    Lease    // nil if no other process shares the database
	Holder   string   // names this process among those that may lead
	// Eval are the settings of evaluation.
	Eval eval.Options
	// Enrich adds to notifications what only queries know, such as sparklines, shortly
	// before they are committed; nil adds nothing.
	Enrich func(ctx context.Context, ns []alert.Notification)
	HTTP   *http.Client     // for the heartbeat; one with a timeout if nil
	Now    func() time.Time // time.Now if nil
}

// Alerting evaluates rules and decides who is told what.
type Alerting struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	record  *recorder
	wake    chan struct{}
	asked   atomic.Bool // somebody changed something: see Wake
	// commitTimeout grows when commits take long; the leader's goroutine has it.
	commitTimeout time.Duration
	// unstored is late data that no leader has committed yet; theirs, too.
	unstored []Span

	planning sync.Mutex // guards the planner
	status   statusBoard
	pulse    pulse
}

// New makes an alerting. It starts nothing before Run.
func New(cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Alerting, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of alerting: %w", err)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Lease == nil {
		deps.Lease = alone{}
	}
	if deps.HTTP == nil {
		deps.HTTP = &http.Client{Timeout: heartbeatTimeout}
	}
	deps.Eval.Series = true
	a := &Alerting{cfg: cfg, deps: deps, log: log, wake: make(chan struct{}, 1)}
	var err error
	if a.metrics, err = newMetrics(reg, a); err != nil {
		return nil, err
	}
	a.record = newRecorder(cfg.RecordBuffer, deps.Recorder, log, a.metrics)
	return a, nil
}

// Run evaluates rules whenever this process leads, until ctx ends.
func (a *Alerting) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	// The lease outlives the last commit, so that the next leader does not fence it.
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	var lease sync.WaitGroup
	var leaseErr error
	lease.Go(func() { leaseErr = a.deps.Lease.Run(held) })
	wg.Go(func() { a.record.run(ctx) })
	wg.Go(func() { a.heartbeat(ctx) })
	wg.Go(func() { a.purge(ctx) })
	wg.Go(func() { a.lead(ctx) })
	wg.Wait()
	release()
	lease.Wait()
	if leaseErr != nil && !errors.Is(leaseErr, context.Canceled) {
		return fmt.Errorf("keep the lease of alerting: %w", leaseErr)
	}
	return nil
}

// Wake has it looked at once what people changed, instead of within a second.
func (a *Alerting) Wake() {
	a.asked.Store(true)
	select {
	case a.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Planning calls f while nothing else uses the planner. It is for changes of its
// settings and for questions to it; call [Alerting.Wake] after a change.
func (a *Alerting) Planning(f func()) {
	a.planning.Lock()
	defer a.planning.Unlock()
	f()
}

// Leads tells whether this process evaluates the rules.
func (a *Alerting) Leads() bool { return a.pulse.leading.Load() }

// alone is the lease of a process that shares its database with no other.
type alone struct{}

func (alone) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (alone) Held() bool { return true }
