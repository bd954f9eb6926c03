package alerting

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are alerting's own.
type metrics struct {
	rounds        prometheus.Counter
	duration      prometheus.Histogram
	lag           prometheus.Gauge
	held          *prometheus.GaugeVec // by reason
	failing       prometheus.Gauge
	commits       *prometheus.CounterVec // by outcome
	commitTime    prometheus.Histogram
	fenced        prometheus.Counter
	missed        prometheus.Counter
	notifications prometheus.Counter
	planFailures  prometheus.Counter
	recorded      prometheus.Counter
	recordDropped prometheus.Counter
	catchUps      prometheus.Counter
	caughtUp      prometheus.Counter
	corrected     prometheus.Counter
	heartbeats    *prometheus.CounterVec // by outcome
}

func newMetrics(reg prometheus.Registerer, a *Alerting) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "esmon_alerting", Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "esmon_alerting", Name: name, Help: help})
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "esmon_alerting", Name: name, Help: help}, []string{label})
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "esmon_alerting", Name: name, Help: help, Buckets: []float64{.005, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		})
	}
	m := &metrics{
		rounds:        counter("rounds_total", "Times that rule groups were evaluated at."),
		duration:      seconds("round_duration_seconds", "How long bringing a rule group up to date took."),
		lag:           gauge("data_lag_seconds", "How far what rules are evaluated on is behind the clock."),
		failing:       gauge("rules_failing", "Rules that cannot be evaluated."),
		commits:       vec("commits_total", "Changes of alerts' states that were stored, by outcome.", "outcome"),
		commitTime:    seconds("commit_duration_seconds", "How long storing a change of alerts' states took."),
		fenced:        counter("fenced_total", "Times that another process had taken over the evaluation of rules."),
		missed:        counter("rounds_missed_total", "Times of rule groups that were never evaluated, because it was too late for them."),
		notifications: counter("notifications_total", "Notifications that were decided on."),
		planFailures:  counter("plan_failures_total", "Times that it could not be worked out what people are told."),
		recorded:      counter("samples_recorded_total", "Samples of recording rules, alerts and agents that were stored."),
		recordDropped: counter("samples_dropped_total", "Samples of recording rules, alerts and agents that could not be stored in time."),
		catchUps:      counter("catch_ups_total", "Times that agents whose data came late were brought level with the others of a rule group."),
		caughtUp:      counter("agents_caught_up_total", "Agents that were brought level with the others of a rule group, once a group."),
		corrected:     counter("episodes_corrected_total", "Episodes of alerts that data that came late made, changed or unmade."),
		heartbeats:    vec("heartbeats_total", "Heartbeats to the outside, by outcome.", "outcome"),
		held: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "esmon_alerting", Name: "alerts_held", Help: "Alerts that cannot be decided, by reason.",
		}, []string{"reason"}),
	}
	for _, outcome := range []string{"done", "failed"} {
		m.commits.WithLabelValues(outcome) // 0 is worth seeing
		m.heartbeats.WithLabelValues(outcome)
	}
	for _, reason := range holdReasons {
		m.held.WithLabelValues(string(reason))
	}
	leader := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "esmon_alerting", Name: "leader", Help: "1 if this process evaluates the rules, 0 if another one does.",
	}, func() float64 { return truth(a.Leads()) })
	for _, c := range []prometheus.Collector{
		m.rounds, m.duration, m.lag, m.held, m.failing, m.commits, m.commitTime, m.fenced, m.missed, m.notifications,
		m.planFailures, m.recorded, m.recordDropped, m.catchUps, m.caughtUp, m.corrected, m.heartbeats, leader,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of alerting: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) heartbeat(ok bool) {
	outcome := "failed"
	if ok {
		outcome = "done"
	}
	m.heartbeats.WithLabelValues(outcome).Inc()
}
