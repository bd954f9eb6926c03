package control

import (
	"errors"
	"fmt"
	"time"
)

// Config are the settings of the registry.
type Config struct {
	// MaxAgents is how many agents may be enrolled at a time.
	MaxAgents int `yaml:"max_agents"`
	// MaxTokens is how many enrolment tokens may be kept, used up ones included.
	MaxTokens int `yaml:"max_tokens"`
	// MaxTokenLife is the longest time that an enrolment token may be valid.
	MaxTokenLife time.Duration `yaml:"max_token_life"`
	// FlushInterval is how often the time of the last acknowledgement and the clock
	// skew of connected agents are written to the database. A crash loses what is
	// newer.
	FlushInterval time.Duration `yaml:"flush_interval"`
	// EnrolFailures is how many failed enrolments one address may make at once;
	// after that one more is possible every EnrolPause. Enrolments that succeed do
	// not count.
	EnrolFailures int `yaml:"enrol_failures"`
	// EnrolPause is how long an address waits for one more failed enrolment.
	EnrolPause time.Duration `yaml:"enrol_pause"`
	// ForgetAfter is how long after its certificate ended an agent stays in the
	// registry, and an ended token in the list.
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
