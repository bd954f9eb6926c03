package control

import (
	"errors"
	"fmt"
	"time"
)

// Config are the settings of the registry.
type Config struct {
	// MaxAgents is how many agents may be enrolled at a time; further ones are
	// refused.
	MaxAgents int `yaml:"max_agents"`
	// MaxTokens is how many enrolment tokens there may be at a time, used up ones
	// included.
	MaxTokens int `yaml:"max_tokens"`
	// MaxTokenLife is the longest time that an enrolment token may be valid.
	MaxTokenLife time.Duration `yaml:"max_token_life"`
	// FlushInterval is how often the time of the last acknowledgement and the clock
	// skew of connected agents are written to the database. A crash loses what is
	// newer.
	FlushInterval time.Duration `yaml:"flush_interval"`
	// EnrolFailures is how many enrolments one address may fail at once; after that
	// it may try once every control.enrol_pause. Enrolments that succeed do not
	// count.
	EnrolFailures int `yaml:"enrol_failures"`
	// EnrolPause is how long an address that failed too often must wait before it
	// may try once more.
	EnrolPause time.Duration `yaml:"enrol_pause"`
	// ForgetAfter is how long an agent stays in the registry after its certificate
	// ended, and a token in the list after it ended.
	ForgetAfter time.Duration `yaml:"forget_after"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		MaxAgents: 100_000, MaxTokens: 10_000, MaxTokenLife: 30 * 24 * time.Hour,
		FlushInterval: 5 * time.Second, EnrolFailures: 20, EnrolPause: 5 * time.Second, ForgetAfter: 90 * 24 * time.Hour,
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
	atLeast("max_agents", c.MaxAgents >= 1, 1)
	atLeast("max_tokens", c.MaxTokens >= 1, 1)
	atLeast("max_token_life", c.MaxTokenLife >= time.Minute, time.Minute)
	atLeast("flush_interval", c.FlushInterval >= 100*time.Millisecond, 100*time.Millisecond)
	atLeast("enrol_failures", c.EnrolFailures >= 1, 1)
	atLeast("enrol_pause", c.EnrolPause >= time.Millisecond, time.Millisecond)
	atLeast("forget_after", c.ForgetAfter >= time.Hour, time.Hour)
	return errors.Join(errs...)
}
