package sqlite

import (
	"fmt"
	"time"
)

// Config says how large the log may grow.
type Config struct {
	// MaxBytes bounds the records that storage has not released yet. Beyond it
	// Publish returns bus.ErrFull. Default 4 GiB.
	MaxBytes int64
	// MaxAge bounds how old the oldest record that is not released may become.
	// Beyond it Publish returns bus.ErrFull. Default 24 h.
	MaxAge time.Duration
	// TailBytes is how much of what was published lately stays in memory for
	// readers that are up to date. Default 4 MiB.
	TailBytes int
	// CheckpointBytes is how much is written before it is moved from the
	// write-ahead log into the file. Default 8 MiB.
	CheckpointBytes int64
	// FreeBytes is how much released space the file keeps for later records;
	// what is beyond is given back to the file system. Default 64 MiB.
	FreeBytes int64
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{MaxBytes: 4 << 30, MaxAge: 24 * time.Hour, TailBytes: 4 << 20, CheckpointBytes: 8 << 20, FreeBytes: 64 << 20, Now: time.Now}
}

// Validate names the first setting that is wrong.
func (c *Config) Validate() error {
	switch {
	case c.MaxBytes < 1<<20:
		return fmt.Errorf("ingest log: MaxBytes is %d: give at least 1 MiB", c.MaxBytes)
	case c.MaxAge < time.Minute:
		return fmt.Errorf("ingest log: MaxAge is %s: give at least 1m", c.MaxAge)
	case c.TailBytes < 0:
		return fmt.Errorf("ingest log: TailBytes is %d: give 0 or more", c.TailBytes)
	case c.CheckpointBytes < 64<<10:
		return fmt.Errorf("ingest log: CheckpointBytes is %d: give at least 64 KiB", c.CheckpointBytes)
	case c.FreeBytes < 0:
		return fmt.Errorf("ingest log: FreeBytes is %d: give 0 or more", c.FreeBytes)
	}
	return nil
}
