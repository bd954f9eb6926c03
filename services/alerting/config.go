package alerting

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Config are the settings of alerting.
type Config struct {
	// How long after its time a group is evaluated: data of that time is on its way
	// for so long.
	Grace time.Duration
	// How long a rule over many agents waits for those whose data is late, in
	// intervals of its group. A rule may say otherwise.
	LatenessIntervals int
	// How long nothing may come from an agent before it counts as silent.
	SilentAfter time.Duration
	// Which share of the agents must have their data there for a rule over many
	// agents to be evaluated, 0 to 1. With less its alerts are held.
	MinCoverage float64
	// For how long an agent that is silent counts among those that a rule over many
	// agents should hear of.
	CoverageWindow time.Duration
	// How far back evaluations that were missed are made up for. What is older is
	// left out, with a line in the log.
	CatchUpLimit time.Duration
	// How far back evaluations are made up for an agent that was silent and sends
	// what it has kept.
	AgentCatchUpLimit time.Duration
	// How long alerts of an agent are held that nobody knows any more.
	ForgetAgents time.Duration
	// How many groups are evaluated at the same time.
	Concurrency int
	// How long one rule may take for one time. One that takes longer has failed, and
	// is tried less and less often.
	RuleTimeout time.Duration
	// How often the database is asked whether people have changed something.
	OperatorInterval time.Duration
	// How often it is stored how each agent is, as metrics that rules can use.
	AgentInterval time.Duration
	// How long a commit may take. After one that took longer the next may take twice as
	// long, up to sixteen times that: the first alerts of a storm are many at once.
	CommitTimeout time.Duration
	// Pause before the state is read again after a commit failed. It doubles up to
	// thirty times that.
	RetryPause time.Duration
	// How long events, finished episodes and finished notifications are kept.
	HistoryRetention time.Duration
	// How long silences and overrides are kept that are over.
	SilenceRetention time.Duration
	// Samples of recording rules that are kept while they cannot be stored; further
	// ones push out the oldest.
	RecordBuffer int
	// An outside URL that is told that alerting works, so that its silence is noticed.
	Heartbeat HeartbeatConfig
}

// HeartbeatConfig says where alerting reports that it works.
type HeartbeatConfig struct {
	// The URL to which an empty POST is sent while rules are evaluated; none if
	// empty. A service there tells people when it does not come.
	URL string
	// How often.
	Interval time.Duration
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Grace: 300 * time.Millisecond, LatenessIntervals: 2, SilentAfter: 30 * time.Second,
		MinCoverage: 0.5, CoverageWindow: 24 * time.Hour,
		CatchUpLimit: time.Hour, AgentCatchUpLimit: 24 * time.Hour, ForgetAgents: 15 * time.Minute,
		Concurrency: 2, RuleTimeout: 10 * time.Second,
		OperatorInterval: time.Second, AgentInterval: 15 * time.Second,
		CommitTimeout: 30 * time.Second, RetryPause: 200 * time.Millisecond,
		HistoryRetention: 400 * 24 * time.Hour, SilenceRetention: 5 * 24 * time.Hour,
		RecordBuffer: 500_000,
		Heartbeat:    HeartbeatConfig{Interval: 30 * time.Second},
	}
}

// tickInterval returns how often it is looked at least how far the log was read: often
// enough for an agent's silence to be told from the log's.
func (c *Config) tickInterval() time.Duration { return min(5*time.Second, c.SilentAfter/3) }

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	check := func(key string, ok bool, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: must be %s", key, want))
		}
	}
	atLeast := func(key string, d, least time.Duration) { check(key, d >= least, "at least "+least.String()) }
	check("grace", c.Grace >= 0 && c.Grace <= time.Minute, "0 to 1m")
	check("lateness_intervals", c.LatenessIntervals >= 1, "at least 1")
	atLeast("silent_after", c.SilentAfter, time.Second)
	check("min_coverage", c.MinCoverage >= 0 && c.MinCoverage <= 1, "0 to 1")
	atLeast("coverage_window", c.CoverageWindow, time.Minute)
	atLeast("catch_up_limit", c.CatchUpLimit, 0)
	atLeast("agent_catch_up_limit", c.AgentCatchUpLimit, 0)
	atLeast("forget_agents", c.ForgetAgents, time.Minute)
	check("concurrency", c.Concurrency >= 1, "at least 1")
	atLeast("rule_timeout", c.RuleTimeout, 10*time.Millisecond)
	atLeast("operator_interval", c.OperatorInterval, 10*time.Millisecond)
	atLeast("agent_interval", c.AgentInterval, time.Second)
	atLeast("commit_timeout", c.CommitTimeout, 100*time.Millisecond)
	atLeast("retry_pause", c.RetryPause, time.Millisecond)
	atLeast("history_retention", c.HistoryRetention, time.Hour)
	atLeast("silence_retention", c.SilenceRetention, time.Hour)
	check("record_buffer", c.RecordBuffer >= 1, "at least 1")
	if err := c.Heartbeat.validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *HeartbeatConfig) validate() error {
	if c.Interval < time.Second {
		return errors.New("heartbeat.interval: must be at least 1s")
	}
	if c.URL == "" {
		return nil
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("heartbeat.url: must be an http or https URL with a host") // without the text: it may hold a secret
	}
	return nil
}
