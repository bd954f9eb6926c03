package live

import (
	"errors"
	"fmt"
	"time"
)

// Config bounds what watching may cost. The names in messages are the settings'
// names in the configuration file.
type Config struct {
	// How long samples are gathered before they are sent to a watching client
	// together.
	Interval time.Duration
	// How many watches may be open at the same time; further ones are refused.
	MaxWatches int
	// How many selectors one watch may have.
	MaxSelectors int
	// How many series one watch may cover.
	MaxSeries int
	// How many samples are kept for a client that is slow, for each watch; further
	// ones are dropped, and the client is told how many.
	MaxBuffered int
	// For how many things one watch remembers whether its selectors match them. A
	// lower number saves memory; a higher one saves work where many things report.
	MaxJudged int
}

// DefaultConfig returns limits for a few hundred open dashboards.
func DefaultConfig() Config {
	return Config{
		Interval:     200 * time.Millisecond,
		MaxWatches:   500,
		MaxSelectors: 50,
		MaxSeries:    10_000,
		MaxBuffered:  100_000,
		MaxJudged:    50_000,
	}
}

// Validate names every setting that cannot work.
func (c *Config) Validate() error {
	var errs []error
	if c.Interval < time.Millisecond || c.Interval > time.Minute {
		errs = append(errs, fmt.Errorf("interval: %s is out of range; give 1ms to 1m", c.Interval))
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"max_watches", c.MaxWatches},
		{"max_selectors", c.MaxSelectors},
		{"max_series", c.MaxSeries},
		{"max_buffered", c.MaxBuffered},
		{"max_judged", c.MaxJudged},
	} {
		if n.value < 1 {
			errs = append(errs, fmt.Errorf("%s: %d is no limit; give at least 1", n.name, n.value))
		}
	}
	return errors.Join(errs...)
}
