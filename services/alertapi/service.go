package alertapi

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	alertv1 "github.com/esolutions/esmon/gen/go/esmon/alert/v1"
	"github.com/esolutions/esmon/services/alert"
	"github.com/esolutions/esmon/services/alertconfig"
	"github.com/esolutions/esmon/services/alerting"
	"github.com/esolutions/esmon/services/dispatch/receiver"
	"github.com/esolutions/esmon/services/fault"
	"github.com/esolutions/esmon/services/notify"
	"github.com/esolutions/esmon/services/query"
)

// Configuration is what alerting is configured with; *alertconfig.Directory is one.
type Configuration interface {
	// Current returns what is in force, nil if nothing is.
	Current() *alertconfig.Loaded
	// Problems returns what is wrong with the files as they are.
	Problems() []alert.Problem
}

// Rules is the process that evaluates rules, as far as this one knows.
type Rules interface {
	// Rules returns how the rules are; nil if another process evaluates them.
	Rules() []alerting.RuleStatus
	// Leads tells whether this process evaluates them.
	Leads() bool
}

// Dispatch is what delivers; *dispatch.Dispatch is one.
type Dispatch interface {
	// Test sends a message at once. An error says that it could not be tried.
	Test(ctx context.Context, receiver string, m *alert.Message) (alert.Attempt, error)
	// Breakers returns the receivers that are not tried for a moment, and why.
	Breakers() map[string]string
}

// Deps is what the service stands on.
type Deps struct {
	Store     alert.Store
	Config    Configuration
	Receivers func() *receiver.Set // those that could be made; nil if there are none
	Rules     Rules
	Leader    *Leader // nil if no other process evaluates rules
	Dispatch  Dispatch
	Querier   *query.Evaluator
	// Unit returns the unit of a metric, "" if it is not known.
	Unit func(metric string) string
	// Links tells whether the signatures of links are good; nil if none are signed.
	Links *Links
	// Changed is called after people changed something, so that it counts at once; it
	// may be nil.
	Changed func()
	Planner notify.Options
	Now     func() time.Time
}

// Service implements the services.
type Service struct {
	alertv1.UnimplementedAlertServiceServer
	alertv1.UnimplementedRuleServiceServer
	alertv1.UnimplementedSilenceServiceServer
	alertv1.UnimplementedDeliveryServiceServer

	deps  Deps
	log   *slog.Logger
	views *views
	turns chan struct{} // one for each backtest or test that may run
}

// maxTrials is how many backtests and tests of rules run at the same time: they take
// whole processors, and evaluation needs some.
const maxTrials = 2

// inTurn waits for the turn of a backtest or a test; leave gives it back.
func (s *Service) inTurn(ctx context.Context) (leave func(), err error) {
	select {
	case s.turns <- struct{}{}:
		return func() { <-s.turns }, nil
	case <-ctx.Done():
		return nil, fault.New(fault.Exhausted, "too_many_trials", "%d backtests or tests run already, the most that do at a time; try again in a moment", maxTrials)
	}
}

// New returns the service.
func New(deps Deps, log *slog.Logger) *Service {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Changed == nil {
		deps.Changed = func() {}
	}
	return &Service{deps: deps, log: log, views: newViews(&deps), turns: make(chan struct{}, maxTrials)}
}

// Register registers the services.
func (s *Service) Register(to grpc.ServiceRegistrar) {
	alertv1.RegisterAlertServiceServer(to, s)
	alertv1.RegisterRuleServiceServer(to, s)
	alertv1.RegisterSilenceServiceServer(to, s)
	alertv1.RegisterDeliveryServiceServer(to, s)
}

// changed makes what people changed count at once.
func (s *Service) changed() {
	s.views.forget()
	s.deps.Changed()
}
