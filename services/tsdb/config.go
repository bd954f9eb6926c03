//go:build server

package tsdb

import (
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
	// Retention is how long samples are kept. Older rows are refused.
	Retention time.Duration
	// Future is how far ahead of the clock a row's timestamp may be.
	Future time.Duration
	// HeadBytes bounds the rows that are not stored yet. At the limit storage
	// stops reading the ingest log until a cut made room.
	HeadBytes int64
	// CutEvery is the longest time rows stay unstored.
	CutEvery time.Duration
	// CutRows is the average number of rows a pair of entity and schema has when
	// a cut is made earlier.
	CutRows int
	// RecentFor and RecentBytes bound the stored chunks that are kept in memory,
	// so that queries of the last minutes touch no database.
	RecentFor   time.Duration
	RecentBytes int64
	// QueryBytes bounds the chunks that one query holds in memory at a time. A
	// query that needs more reads some of them twice.
	QueryBytes int64
	// Now is the clock.
	Now func() time.Time
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

// Validate returns the first setting that makes no sense.
func (c *Config) Validate() error {
	switch {
	case c.Retention < BlockLength:
		return fmt.Errorf("retention: %s is shorter than a block of %s", c.Retention, BlockLength)
	case c.Future <= 0:
		return fmt.Errorf("future: %s must be positive", c.Future)
	case c.HeadBytes < 1<<20:
		return fmt.Errorf("head_bytes: %d is less than 1 MiB", c.HeadBytes)
	case c.CutEvery < time.Second:
		return fmt.Errorf("cut_every: %s is shorter than 1s", c.CutEvery)
	case c.CutRows < 1:
		return fmt.Errorf("cut_rows: %d must be positive", c.CutRows)
	case c.RecentFor < 0 || c.RecentBytes < 0:
		return fmt.Errorf("recent_for, recent_bytes: %s, %d must not be negative", c.RecentFor, c.RecentBytes)
	case c.QueryBytes < 1<<20:
		return fmt.Errorf("query_bytes: %d is less than 1 MiB", c.QueryBytes)
	case c.Now == nil:
		return fmt.Errorf("now: a clock is needed")
	}
	return nil
}
