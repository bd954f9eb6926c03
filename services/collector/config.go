package collector

import (
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/metric"
)

// Config are the settings of the collector.
type Config struct {
	// Limits are what a single definition or sample may be. What is beyond them is
	// refused by itself; the rest of its batch is stored. How old a sample may be is
	// tsdb.retention.
	Limits metric.Limits `yaml:"limits"`

	// MaxEntities is how many entities (hosts, disks, processes) one agent may have
	// in use at a time. Samples of further ones are refused.
	MaxEntities int `yaml:"max_entities"`
	// MaxSchemas is how many schemas (lists of metrics that are sent together) one
	// agent may define while it is connected. Samples of further ones are refused.
	MaxSchemas int `yaml:"max_schemas"`
	// MaxSeries is how many series one agent, or one program that pushes, may have
	// in use at a time. Samples of further ones are refused.
	MaxSeries int `yaml:"max_series"`
	// IdleAfter is how long a series or an entity must not have been sent to count
	// no longer against collector.max_series and collector.max_entities.
	IdleAfter time.Duration `yaml:"idle_after"`
	// SamplesPerSecond is how many samples a second one agent, or one program that
	// pushes, may send for long. What is beyond is put off; agents send it again by
	// themselves.
	SamplesPerSecond int `yaml:"samples_per_second"`
	// BurstSamples is how many samples one agent may send at once after a time of
	// silence, as it does when it catches up.
	BurstSamples int `yaml:"burst_samples"`

	// Window is how many batches an agent may send ahead, without having them
	// acknowledged. More speed up catching up over slow lines.
	Window uint32 `yaml:"window"`
	// MaxBatchBytes is the largest batch that an agent may send, uncompressed; at
	// most 8MiB. Agents are told and split what is larger; a connection that sends
	// more is ended.
	MaxBatchBytes int `yaml:"max_batch_bytes"`
	// HelloTimeout is how long an agent that has connected may take to say who it is.
	HelloTimeout time.Duration `yaml:"hello_timeout"`

	// MinGap is the shortest time for which batches of all agents are gathered
	// before they are written to the ingest log together. The time grows with the
	// load, up to collector.max_gap.
	MinGap time.Duration `yaml:"min_gap"`
	// MaxGap is the longest time for which batches are gathered: so much longer an
	// acknowledgement takes under load.
	MaxGap time.Duration `yaml:"max_gap"`
	// RecordBytes is how much is gathered, uncompressed, before it is written to the
	// ingest log at once, without waiting; at most 16MiB.
	RecordBytes int `yaml:"record_bytes"`
	// Publishing is how many writes to the ingest log may be under way at a time.
	Publishing int `yaml:"publishing"`
	// PublishTimeout is how long a write to the ingest log may take. After that the
	// agents concerned connect again and send once more.
	PublishTimeout time.Duration `yaml:"publish_timeout"`
	// FullPause is how long nothing is taken from agents after the ingest log was
	// full; they are asked to send again after twice that.
	FullPause time.Duration `yaml:"full_pause"`
	// RedefineAfter is how often the definition of a series in use is written to the
	// ingest log again, so that the log can be read from any later place.
	RedefineAfter time.Duration `yaml:"redefine_after"`

	// MaxPushes is how many requests of programs that push samples are worked on at
	// a time; further ones wait.
	MaxPushes int `yaml:"max_pushes"`
	// DrainTimeout is how long the server, when it stops, waits for what it received
	// to become durable and to be acknowledged. What is not comes again at the next
	// start.
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
	atLeast("burst_samples", c.BurstSamples >= c.leastBurst(), fmt.Sprintf("%d: a batch of collector.max_batch_bytes, or a whole push, would never pass", c.leastBurst()))
	atLeast("window", c.Window >= 1, 1)
	atLeast("max_batch_bytes", c.MaxBatchBytes >= 64<<10, "64KiB")
	atLeast("hello_timeout", c.HelloTimeout >= time.Second, time.Second)
	atLeast("min_gap", c.MinGap >= 0, 0)
	atLeast("max_gap", c.MaxGap >= c.MinGap, fmt.Sprintf("collector.min_gap, which is %s", c.MinGap))
	atLeast("record_bytes", c.RecordBytes >= 4<<10, "4KiB")
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
		errs = append(errs, fmt.Errorf("record_bytes: must be at most %dMiB", maxRecordBytes>>20))
	}
	if c.MaxBatchBytes > maxBatchBytes {
		errs = append(errs, fmt.Errorf("max_batch_bytes: must be at most %dMiB", maxBatchBytes>>20))
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
