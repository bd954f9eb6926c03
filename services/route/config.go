package route

import (
	"errors"
	"fmt"
	"time"
)

// Config is the settings of the way from a gateway to the storage nodes.
type Config struct {
	// For how many sessions it is remembered which storage node they use and how far
	// the answers had read that they got. The one not heard of for the longest time
	// is forgotten first; its graphs may then jump back once, when it changes to
	// another node.
	Sessions int
	// How long that is remembered of a session that asks for nothing.
	SessionTTL time.Duration
	// How long a storage node must have been well again before the sessions come
	// back that left it when it was not. A longer time spares them changes while a
	// node comes and goes; a shorter one spreads the load sooner.
	ReturnAfter time.Duration
	// How often the names of storage nodes are looked up. A node whose address is
	// not among the answers for three times that long is left.
	LookupInterval time.Duration
	// How long a storage node may take to say that it is well, before it counts as
	// one that cannot be reached.
	ConnectTimeout time.Duration
	// Largest body of a request to the Prometheus HTTP API. It is kept until the
	// answer is there, to be sent to another node if the first one dies.
	MaxBodyBytes int64
}

// DefaultConfig suits an installation with a few storage nodes.
func DefaultConfig() Config {
	return Config{
		Sessions:       10_000,
		SessionTTL:     10 * time.Minute,
		ReturnAfter:    10 * time.Minute,
		LookupInterval: 10 * time.Second,
		ConnectTimeout: 3 * time.Second,
		MaxBodyBytes:   1 << 20,
	}
}

// Validate returns every mistake in the settings.
func (c *Config) Validate() error {
	var errs []error
	if c.Sessions < 1 {
		errs = append(errs, fmt.Errorf("sessions: %d is too few; write 1 or more", c.Sessions))
	}
	if c.MaxBodyBytes < 1 {
		errs = append(errs, fmt.Errorf("max_body_bytes: %d is too few; write 1 or more", c.MaxBodyBytes))
	}
	for _, d := range []struct {
		key          string
		value, least time.Duration
	}{
		{"session_ttl", c.SessionTTL, time.Second},
		{"return_after", c.ReturnAfter, 0},
		{"lookup_interval", c.LookupInterval, 100 * time.Millisecond},
		{"connect_timeout", c.ConnectTimeout, 100 * time.Millisecond},
	} {
		if d.value < d.least {
			errs = append(errs, fmt.Errorf("%s: %s is too short; write %s or more", d.key, d.value, d.least))
		}
	}
	return errors.Join(errs...)
}

// FreshnessConfig is the settings of how a storage node treats requests of sessions
// that got an answer from a node that had read farther.
type FreshnessConfig struct {
	// How long a request waits at most until this node has read as far. Then it is
	// answered with a warning. At most half of the time that the caller gives is
	// waited.
	Wait time.Duration
}

// DefaultFreshnessConfig returns the defaults.
func DefaultFreshnessConfig() FreshnessConfig { return FreshnessConfig{Wait: 2 * time.Second} }

// Validate returns every mistake in the settings.
func (c *FreshnessConfig) Validate() error {
	if c.Wait < 0 || c.Wait > time.Minute {
		return fmt.Errorf("wait: %s is out of range; write 0s to 1m", c.Wait)
	}
	return nil
}
