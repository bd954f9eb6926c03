package sqlite

import (
	"errors"
	"fmt"
	"time"
)

// Config says how large the log may grow.
type Config struct {
	// MaxBytes is how much the log may hold that storage has not stored yet. Beyond
	// it nothing is taken: agents keep their samples and send them later.
	MaxBytes int64 `yaml:"max_bytes"`
	// MaxAge is how long something may wait in the log to be stored. Beyond it
	// nothing is taken: agents keep their samples and send them later.
	MaxAge time.Duration `yaml:"max_age"`
	// TailBytes is how much of what was written lately stays in memory, so that
	// readers which are up to date need no disk.
	TailBytes int `yaml:"tail_bytes"`
	// CheckpointBytes is how much is written before SQLite's write-ahead log is moved
	// into the file.
	CheckpointBytes int64 `yaml:"checkpoint_bytes"`
	// FreeBytes is how much free space the file keeps for what comes later; what is
	// beyond is given back to the file system.
	FreeBytes int64 `yaml:"free_bytes"`
	// MinFreeBytes is how much space the file system must have left. Below it
	// nothing is taken, because storing what was taken before and dropping old data
	// need space too.
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
	atLeast("max_bytes", c.MaxBytes >= 1<<20, "1MiB")
	atLeast("max_age", c.MaxAge >= time.Minute, time.Minute)
	atLeast("tail_bytes", c.TailBytes >= 0, 0)
	atLeast("checkpoint_bytes", c.CheckpointBytes >= 64<<10, "64KiB")
	atLeast("free_bytes", c.FreeBytes >= 0, 0)
	atLeast("min_free_bytes", c.MinFreeBytes >= 0, 0)
	return errors.Join(errs...)
}
