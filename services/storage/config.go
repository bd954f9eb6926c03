package storage

import (
	"errors"
	"fmt"
	"time"
)

// Config are the settings of storage.
type Config struct {
	// How long after its end a block is merged. Rows that come later are merged
	// in later.
	MergeAfter time.Duration
	// How many cuts with late rows a merged block gathers before it is merged
	// again.
	LateCuts int
	// How often it is looked whether a block is to be merged or dropped.
	UpkeepInterval time.Duration
	// How long what a merge replaced is kept for queries that may read it. It must
	// be longer than any query may take.
	SweepAfter time.Duration
	// How often a process that does not store a partition itself looks how far
	// another one has. Where there is only one, it has no meaning.
	FollowInterval time.Duration
	// Pause before a cut that could not be stored is tried again. It doubles up to
	// thirty times that.
	RetryPause time.Duration
	// How long the last cut may take when the server stops. What it does not store
	// is read from the log again at the next start.
	StopTimeout time.Duration
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		MergeAfter: 15 * time.Minute, LateCuts: 30, UpkeepInterval: 30 * time.Second, SweepAfter: 5 * time.Minute,
		FollowInterval: 500 * time.Millisecond, RetryPause: time.Second, StopTimeout: 10 * time.Second,
	}
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	atLeast := func(key string, ok bool, least any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: must be at least %v", key, least))
		}
	}
	atLeast("merge_after", c.MergeAfter >= 0, 0)
	atLeast("late_cuts", c.LateCuts >= 1, 1)
	atLeast("upkeep_interval", c.UpkeepInterval >= time.Second, time.Second)
	atLeast("sweep_after", c.SweepAfter >= time.Second, time.Second)
	atLeast("follow_interval", c.FollowInterval >= 10*time.Millisecond, 10*time.Millisecond)
	atLeast("retry_pause", c.RetryPause >= 10*time.Millisecond, 10*time.Millisecond)
	atLeast("stop_timeout", c.StopTimeout >= time.Second, time.Second)
	return errors.Join(errs...)
}
