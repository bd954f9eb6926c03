package sqlite

import (
	"errors"
	"fmt"
	"time"
)

// Config says how large the log may grow.
type Config struct {
	// MaxBytes bounds the records that storage has not released yet. Beyond it
	// Publish returns bus.ErrFull. Default 4 GiB.
	MaxBytes int64 `yaml:"max_bytes"`
	// MaxAge bounds how old the oldest record that is not released may become.
	// Beyond it Publish returns bus.ErrFull. Default 24 h.
	MaxAge time.Duration `yaml:"max_age"`
	// TailBytes is how much of what was published lately stays in memory for
	// readers that are up to date. Default 4 MiB.
	TailBytes int `yaml:"tail_bytes"`
	// CheckpointBytes is how much is written before it is moved from the
	// write-ahead log into the file. Default 8 MiB.
	CheckpointBytes int64 `yaml:"checkpoint_bytes"`
	// FreeBytes is how much released space the file keeps for later records;
	// what is beyond is given back to the file system. Default 64 MiB.
	FreeBytes int64 `yaml:"free_bytes"`
	// MinFreeBytes is how much space the file system must have left. Below it
	// Publish returns bus.ErrFull: what is left belongs to the cuts and to dropping
	// old data. Default 256 MiB.
	MinFreeBytes int64 `yaml:"min_free_bytes"`
	// Free returns how much space is left; if nil, the file system is asked.
	Free func() (int64, error) `yaml:"-"`
	// Now is the clock; time.Now if nil.
	Now func() time.Time `yaml:"-"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{MaxBytes: 4 << 30, MaxAge: 24 * time.Hour, TailBytes: 4 << 20, CheckpointBytes: 8 << 20, FreeBytes: 64 << 20, MinFreeBytes: 256 << 20, Now: time.Now}
}

// Validate returns what is wrong, each with what would be right.
func (c *Config) Validate() error {
	var errs []error
	atLeast := func(key string, ok bool, least any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: must be at least %v", key, least))
		}
	}
	atLeast("max_bytes", c.MaxBytes >= 1<<20, 1<<20)
	atLeast("max_age", c.MaxAge >= time.Minute, time.Minute)
	atLeast("tail_bytes", c.TailBytes >= 0, 0)
	atLeast("checkpoint_bytes", c.CheckpointBytes >= 64<<10, 64<<10)
	atLeast("free_bytes", c.FreeBytes >= 0, 0)
	atLeast("min_free_bytes", c.MinFreeBytes >= 0, 0)
	return errors.Join(errs...)
}
