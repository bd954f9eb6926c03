package query

import (
	"errors"
	"fmt"
	"time"
)

// Config bounds what queries may cost. The names in messages are the settings'
// names in the configuration file.
type Config struct {
	// How long a query may take, the wait for its turn included.
	Timeout time.Duration
	// How far back a query looks for the last sample of a series before it counts as
	// having none.
	Lookback time.Duration
	// How many samples one query may hold in memory at once, at 16 bytes each.
	MaxSamples int
	// How many series one query may touch, counted over all its selectors.
	MaxSeries int
	// How many steps a range query may have: the points of one line of a graph.
	MaxPoints int
	// How many queries may run at the same time; further ones wait.
	MaxConcurrent int
	// How many queries may wait for their turn; further ones are refused.
	MaxQueued int
	// How long an expression may be, and all selectors of a request together.
	MaxExprBytes int
	// How large the regular expressions of a query's selectors may be together,
	// counted in states: x{1000} has a thousand.
	MaxRegexSize int
	// How large the regular expressions of label_replace may be together, counted in
	// states. The limit is lower, because they cannot be interrupted while they work
	// through the series.
	MaxReplaceRegexSize int
	// How many steps the subqueries of a query may have together.
	MaxSubquerySteps int
	// How long a label's value may become by label_replace and label_join, reckoned
	// as if every label had a value of 1,024 bytes.
	MaxLabelBytes int
	// The step of a subquery that names none, such as max_over_time(x[1h:]).
	SubqueryStep time.Duration
	// Version of the platform, told to clients.
	Version string `yaml:"-"`
}

// DefaultConfig returns limits that suit a server with a few gigabytes of memory.
func DefaultConfig() Config {
	return Config{
		Timeout:       2 * time.Minute,
		Lookback:      5 * time.Minute,
		MaxSamples:    20_000_000,
		MaxSeries:     200_000,
		MaxPoints:     11_000,
		MaxConcurrent: 8,
		MaxQueued:     64,
		MaxExprBytes:  128 << 10,
		MaxRegexSize:  150_000,

		MaxReplaceRegexSize: 2_000,
		MaxSubquerySteps:    1_000_000,
		MaxLabelBytes:       32 << 10,

		SubqueryStep: time.Minute,
	}
}

// Validate names every setting that cannot work.
func (c *Config) Validate() error {
	var errs []error
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"timeout", c.Timeout}, {"lookback", c.Lookback}, {"subquery_step", c.SubqueryStep}} {
		if d.value < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s: %s is too short; give at least 1ms", d.name, d.value))
		}
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"max_samples", c.MaxSamples},
		{"max_series", c.MaxSeries},
		{"max_points", c.MaxPoints},
		{"max_concurrent", c.MaxConcurrent},
		{"max_expr_bytes", c.MaxExprBytes},
		{"max_regex_size", c.MaxRegexSize},
		{"max_replace_regex_size", c.MaxReplaceRegexSize},
		{"max_subquery_steps", c.MaxSubquerySteps},
		{"max_label_bytes", c.MaxLabelBytes},
	} {
		if n.value < 1 {
			errs = append(errs, fmt.Errorf("%s: %d is no limit; give at least 1", n.name, n.value))
		}
	}
	if c.MaxQueued < 0 {
		errs = append(errs, fmt.Errorf("max_queued: %d is negative; 0 lets no query wait", c.MaxQueued))
	}
	return errors.Join(errs...)
}
