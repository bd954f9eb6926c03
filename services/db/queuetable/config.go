package queuetable

import (
	"errors"
	"fmt"
	"time"
)

// Config says how a queue behaves.
type Config struct {
	// Hold is how long a worker may keep a message before another gets it, because the
	// worker must be dead. Nothing takes that long.
	Hold time.Duration
	// Poll is how often is looked for messages that other processes put and for those
	// whose time has come.
	Poll time.Duration
	// KeepDead is how many messages that were given up are kept, the last ones.
	KeepDead int
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Hold: 5 * time.Minute, Poll: 200 * time.Millisecond, KeepDead: 1000}
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	if c.Hold < time.Second {
		errs = append(errs, fmt.Errorf("hold: must be at least %s", time.Second))
	}
	if c.Poll < time.Millisecond {
		errs = append(errs, fmt.Errorf("poll: must be at least %s", time.Millisecond))
	}
	if c.KeepDead < 1 {
		errs = append(errs, errors.New("keep_dead: must be at least 1"))
	}
	return errors.Join(errs...)
}
