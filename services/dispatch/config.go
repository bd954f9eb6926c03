package dispatch

import (
	"errors"
	"fmt"
	"time"
)

// Config are the settings of delivery.
type Config struct {
	// Workers is how many notifications are worked at at the same time.
	Workers int `yaml:"workers"`
	// PerReceiver is how many are on their way to one receiver at the same time.
	PerReceiver int `yaml:"per_receiver"`
	// SendTimeout is how long one attempt may take, for receivers that have no timeout
	// of their own.
	SendTimeout time.Duration `yaml:"send_timeout"`
	// MinBackoff is the longest wait after the first failure. It doubles with each
	// further one; a random part of it is waited.
	MinBackoff time.Duration `yaml:"min_backoff"`
	// MaxBackoff is the longest wait between two attempts, if the receiver asks for
	// none that is longer.
	MaxBackoff time.Duration `yaml:"max_backoff"`
	// MaxAge is how old a notification may be that is still tried again after a
	// failure. Older ones are given up.
	MaxAge time.Duration `yaml:"max_age"`
	// BreakerFailures is after how many failures in a row a receiver is left alone for
	// dispatch.breaker_pause.
	BreakerFailures int `yaml:"breaker_failures"`
	// BreakerPause is for how long. Then one message is tried; each time that fails,
	// the pause doubles, up to dispatch.max_backoff.
	BreakerPause time.Duration `yaml:"breaker_pause"`
	// PollInterval is how often it is looked for new notifications of other processes.
	PollInterval time.Duration `yaml:"poll_interval"`
	// DrainTimeout is how long what is on its way at a stop may take. What is not
	// finished then is delivered after the next start.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Workers: 16, PerReceiver: 4, SendTimeout: 10 * time.Second,
		MinBackoff: 5 * time.Second, MaxBackoff: 10 * time.Minute, MaxAge: 24 * time.Hour,
		BreakerFailures: 5, BreakerPause: 30 * time.Second,
		PollInterval: 200 * time.Millisecond, DrainTimeout: 15 * time.Second,
	}
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	between := func(key string, ok bool, least, most any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: must be %v to %v", key, least, most))
		}
	}
	within := func(key string, d, least, most time.Duration) { between(key, d >= least && d <= most, least, most) }
	between("workers", c.Workers >= 1 && c.Workers <= 1000, 1, 1000)
	between("per_receiver", c.PerReceiver >= 1 && c.PerReceiver <= 1000, 1, 1000)
	within("send_timeout", c.SendTimeout, 100*time.Millisecond, maxTimeout)
	within("min_backoff", c.MinBackoff, 100*time.Millisecond, time.Hour)
	within("max_backoff", c.MaxBackoff, 100*time.Millisecond, 24*time.Hour)
	within("max_age", c.MaxAge, time.Minute, 30*24*time.Hour)
	between("breaker_failures", c.BreakerFailures >= 1 && c.BreakerFailures <= 1000, 1, 1000)
	within("breaker_pause", c.BreakerPause, 100*time.Millisecond, time.Hour)
	within("poll_interval", c.PollInterval, 10*time.Millisecond, time.Minute)
	within("drain_timeout", c.DrainTimeout, 0, time.Hour)
	if c.MaxBackoff < c.MinBackoff {
		errs = append(errs, fmt.Errorf("max_backoff: must be at least min_backoff, %v", c.MinBackoff))
	}
	return errors.Join(errs...)
}

// maxTimeout is the longest time an attempt may take. What a queue hands out it keeps
// for longer.
const maxTimeout = time.Minute
