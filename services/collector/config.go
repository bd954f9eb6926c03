package collector

import (
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// Config are the settings of the collector.
type Config struct {
	// Limits bound single definitions and frames. Past is the retention.
	Limits metric.Limits `yaml:"limits"`

	// MaxEntities is how many entities of one agent may be in use at a time.
	MaxEntities int `yaml:"max_entities"`
	// MaxSchemas is how many schemas one agent may define on a stream.
	MaxSchemas int `yaml:"max_schemas"`
	// MaxSeries is how many series of one agent may be in use at a time.
	MaxSeries int `yaml:"max_series"`
	// IdleAfter is how long a series is not sent before it no longer counts.
	IdleAfter time.Duration `yaml:"idle_after"`
	// SamplesPerSecond is how many samples a second one agent may send for long.
	SamplesPerSecond int `yaml:"samples_per_second"`
	// BurstSamples is how many samples one agent may send at once.
	BurstSamples int `yaml:"burst_samples"`

	// Window is how many unacknowledged batches an agent is told it may have.
	Window uint32 `yaml:"window"`
	// MaxBatchBytes is the largest encoded batch an agent is told it may send.
	MaxBatchBytes int `yaml:"max_batch_bytes"`
	// HelloTimeout is how long a new stream may take to say hello.
	HelloTimeout time.Duration `yaml:"hello_timeout"`

	// MinGap and MaxGap bound how long a record is gathered. The gap is short
	// while waiting would gather nothing more, and grows with the load.
	MinGap time.Duration `yaml:"min_gap"`
	// MaxGap is the upper bound.
	MaxGap time.Duration `yaml:"max_gap"`
	// RecordBytes is how large a record becomes before it is published at once,
	// uncompressed.
	RecordBytes int `yaml:"record_bytes"`
	// Publishing is how many records may be under way to the log at a time.
	Publishing int `yaml:"publishing"`
	// PublishTimeout is how long the log may take to confirm a record.
	PublishTimeout time.Duration `yaml:"publish_timeout"`
	// FullPause is how long nothing is read after the log said it is full.
	FullPause time.Duration `yaml:"full_pause"`
	// RedefineAfter is how long after it was confirmed a definition in use rides
	// along again.
	RedefineAfter time.Duration `yaml:"redefine_after"`

	// MaxPushes is how many Push calls are worked on at a time; more wait.
	MaxPushes int `yaml:"max_pushes"`
	// DrainTimeout is how long a shutdown waits for what was received to become
	// durable and to be acknowledged.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Limits:      metric.DefaultLimits(),
		MaxEntities: 10_000, MaxSchemas: 1_000, MaxSeries: 100_000, IdleAfter: time.Hour,
		SamplesPerSecond: 250_000, BurstSamples: 2_500_000,
		Window: 64, MaxBatchBytes: 1 << 20, HelloTimeout: 10 * time.Second,
		MinGap: 5 * time.Millisecond, MaxGap: 50 * time.Millisecond, RecordBytes: 256 << 10, Publishing: 2,
		PublishTimeout: 30 * time.Second, FullPause: time.Second, RedefineAfter: 10 * time.Minute,
		MaxPushes: 64, DrainTimeout: 5 * time.Second,
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
	atLeast("max_entities", c.MaxEntities >= 1, 1)
	atLeast("max_schemas", c.MaxSchemas >= 1, 1)
	atLeast("max_series", c.MaxSeries >= 1, 1)
	atLeast("idle_after", c.IdleAfter >= time.Minute, time.Minute)
	atLeast("samples_per_second", c.SamplesPerSecond >= 1, 1)
	atLeast("burst_samples", c.BurstSamples >= c.leastBurst(), fmt.Sprintf("%d: a batch of max_batch_bytes, or a whole push, would never pass", c.leastBurst()))
	atLeast("window", c.Window >= 1, 1)
	atLeast("max_batch_bytes", c.MaxBatchBytes >= 64<<10, 64<<10)
	atLeast("hello_timeout", c.HelloTimeout >= time.Second, time.Second)
	atLeast("min_gap", c.MinGap >= 0, 0)
	atLeast("max_gap", c.MaxGap >= c.MinGap, "min_gap")
	atLeast("record_bytes", c.RecordBytes >= 4<<10, 4<<10)
	atLeast("publishing", c.Publishing >= 1, 1)
	atLeast("publish_timeout", c.PublishTimeout >= time.Second, time.Second)
	atLeast("full_pause", c.FullPause >= time.Millisecond, time.Millisecond)
	atLeast("redefine_after", c.RedefineAfter >= time.Second, time.Second)
	atLeast("max_pushes", c.MaxPushes >= 1, 1)
	atLeast("drain_timeout", c.DrainTimeout >= 0, 0)
	if err := c.Limits.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("limits: %w", err))
	}
	if c.RecordBytes > maxRecordBytes {
		errs = append(errs, fmt.Errorf("record_bytes: must be at most %d MiB", maxRecordBytes>>20))
	}
	if c.MaxBatchBytes > maxBatchBytes {
		errs = append(errs, fmt.Errorf("max_batch_bytes: must be at most %d MiB", maxBatchBytes>>20))
	}
	return errors.Join(errs...)
}

// A record that a reader refuses would be data lost after it was acknowledged.
// The largest that can come about is one that is about to be full, a batch, which
// takes at most twice its size there, and all definitions of its sender.
const (
	maxRecordBytes = 16 << 20
	maxBatchBytes  = 8 << 20
)

// leastBurst returns how many samples the largest message can carry.
func (c *Config) leastBurst() int { return max(maxPoints, (c.MaxBatchBytes+envelope)/8) }
