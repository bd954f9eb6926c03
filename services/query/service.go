package query

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	queryv1 "github.com/esolutions/esmon/gen/go/esmon/query/v1"
)

// Service evaluates PromQL and browses series within its limits.
type Service struct {
	queryv1.UnimplementedQueryServiceServer

	cfg     Config
	source  Source
	log     *slog.Logger
	metrics *metrics
	gate    *gate
	parser  parser.Parser
	engine  *promql.Engine
	now     func() time.Time
	started time.Time
}

// New returns a service that reads the source. It starts nothing.
func New(cfg Config, source Source, log *slog.Logger, reg prometheus.Registerer) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("query settings: %w", err)
	}
	s := &Service{
		cfg:     cfg,
		source:  source,
		log:     log,
		metrics: newMetrics(reg),
		parser:  parser.NewParser(parser.Options{}),
		now:     time.Now,
		started: time.Now(),
	}
	s.gate = newGate(&s.cfg, s.metrics)
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger:                   log,
		MaxSamples:               cfg.MaxSamples,
		Timeout:                  cfg.Timeout,
		LookbackDelta:            cfg.Lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return cfg.SubqueryStep.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   s.parser,
	})
	return s, nil
}
