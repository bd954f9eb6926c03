package storage

import (
	"context"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// retainEvery is how often old blocks are looked for.
const retainEvery = 10 * time.Minute

// upkeep looks after the stored blocks until ctx ends.
func (s *Storage) upkeep(ctx context.Context) {
	tick := time.NewTicker(s.cfg.UpkeepInterval)
	defer tick.Stop()
	var retained time.Time
	for ctx.Err() == nil {
		s.deps.DB.Trim()
		due := s.deps.Now().Sub(retained) >= retainEvery
		if due {
			retained = s.deps.Now()
		}
		if s.keep(ctx, due) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// keep does one round and tells whether there is more to do at once.
func (s *Storage) keep(ctx context.Context, retain bool) (more bool) {
	if !s.keeping.Held() {
		if retain {
			s.deps.DB.Prune() // of what another process drops
		}
		return false
	}
	if retain {
		s.retain(ctx)
	}
	more = s.mergeOne(ctx)
	s.sweep(ctx)
	return more
}

func (s *Storage) sweep(ctx context.Context) {
	if err := s.deps.DB.Sweep(ctx, s.cfg.SweepAfter); err != nil && ctx.Err() == nil {
		s.failed("sweep", "freeing space failed, will try again", err)
	}
}

func (s *Storage) retain(ctx context.Context) {
	dropped, err := s.deps.DB.Retain(ctx)
	if err != nil && ctx.Err() == nil {
		s.failed("retain", "dropping what is older than the retention failed, will try again", err)
	}
	for _, b := range dropped {
		s.metrics.dropped.Inc()
		s.log.Info("block dropped at the end of its retention", "block", time.UnixMilli(b.Start).UTC().Format(time.RFC3339), "partition", b.Partition, "chunks", b.Chunks, "bytes", b.Bytes)
	}
}

// makeRoom drops what may go when the disk is full, without waiting for its turn.
func (s *Storage) makeRoom(ctx context.Context) {
	s.retain(ctx)
	s.sweep(ctx)
}

// mergeOne merges the oldest block whose time has come, and tells whether there
// may be another. One at a time: after an outage many are due, and what they
// replace must be swept meanwhile, or it takes as much space again as all of them.
func (s *Storage) mergeOne(ctx context.Context) (more bool) {
	blocks, err := s.deps.DB.Blocks(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.failed("list", "listing the stored blocks failed, will try again", err)
		}
		return false
	}
	for _, b := range blocks {
		if !s.mergeIsDue(b) || ctx.Err() != nil {
			continue
		}
		start := s.deps.Now()
		err := s.deps.DB.Merge(ctx, b.Partition, b.Start)
		if err == nil {
			s.log.Debug("block merged", "block", time.UnixMilli(b.Start).UTC().Format(time.RFC3339), "partition", b.Partition, "cuts", b.Cuts, "took", s.deps.Now().Sub(start).String())
			return true
		}
		if ctx.Err() == nil { // the others are merged all the same
			s.failed("merge", "merging a block failed, will try again", err)
		}
	}
	return false
}

func (s *Storage) mergeIsDue(b tsdb.BlockInfo) bool {
	ended := time.UnixMilli(b.Start).Add(tsdb.BlockLength)
	switch {
	case s.deps.Now().Sub(ended) < s.cfg.MergeAfter:
		return false
	case b.Merged:
		return b.Cuts >= s.cfg.LateCuts
	}
	return b.Cuts > 1
}

func (s *Storage) failed(what, message string, err error) {
	s.metrics.upkeepFailures.WithLabelValues(what).Inc()
	s.log.Error(message, "error", err, "after", s.cfg.UpkeepInterval) //nolint:sloglint // each caller's message is constant
}
