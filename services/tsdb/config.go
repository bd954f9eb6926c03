package tsdb

import (
	"errors"
	"fmt"
	"time"
)

// BlockLength is the time one block covers. No chunk crosses a block's border.
const BlockLength = 2 * time.Hour

const blockMS = int64(BlockLength / time.Millisecond)

// blockOf returns the start of the block that the timestamp lies in.
func blockOf(t int64) int64 {
	b := t - t%blockMS
	if t < 0 && t%blockMS != 0 {
		b -= blockMS
	}
	return b
}

// Config are the settings of a DB.
type Config struct {
	// Retention is how long samples are kept, at least 2h. Older ones are refused.
	Retention time.Duration
	// Future is how far ahead of the server's clock samples from the ingest log may
	// be. What agents send is refused earlier: see collector.limits.future.
	Future time.Duration
	// HeadBytes is how much memory samples may take that are not stored in the
	// database yet; each partition of the ingest log has an equal share. At the limit
	// reading it waits until some were.
	HeadBytes int64
	// CutEvery is the longest time until samples are stored in the database. They
	// are durable before, in the ingest log, and can be asked for at once.
	CutEvery time.Duration
	// CutRows is how many samples series must have in memory, on average, to be
	// stored earlier than that.
	CutRows int
	// RecentFor is how long samples stay in memory, compressed, after they were
	// stored, so that queries of the last minutes need no database.
	RecentFor time.Duration
	// RecentBytes is how much memory what tsdb.recent_for keeps may take; the oldest
	// goes first.
	RecentBytes int64
	// QueryBytes is how much memory one query may take for compressed samples. A
	// query that needs more reads some of them twice.
	QueryBytes int64
	// Now is the clock.
	Now func() time.Time `yaml:"-"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Retention: 30 * 24 * time.Hour, Future: time.Hour,
		HeadBytes: 512 << 20, CutEvery: 2 * time.Minute, CutRows: 30,
		RecentFor: 15 * time.Minute, RecentBytes: 128 << 20,
		QueryBytes: 64 << 20, Now: time.Now,
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
	atLeast("retention", c.Retention >= BlockLength, BlockLength)
	atLeast("future", c.Future >= time.Second, time.Second)
	atLeast("head_bytes", c.HeadBytes >= 1<<20, "1MiB")
	atLeast("cut_every", c.CutEvery >= time.Second, time.Second)
	atLeast("cut_rows", c.CutRows >= 1, 1)
	atLeast("recent_for", c.RecentFor >= 0, 0)
	atLeast("recent_bytes", c.RecentBytes >= 0, 0)
	atLeast("query_bytes", c.QueryBytes >= 1<<20, "1MiB")
	if c.Now == nil {
		errs = append(errs, errors.New("now: a clock is needed"))
	}
	return errors.Join(errs...)
}
