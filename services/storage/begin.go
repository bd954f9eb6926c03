package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

// begin returns the offset to read from: the stored position, if the log has it.
func (f *follower) begin(ctx context.Context) (int64, error) {
	if pos := f.s.deps.DB.Position(f.partition); pos.LogID != "" {
		f.committer.release(ctx, pos) // a replica that lags must not pass for a loss
	}
	b, err := f.bounds(ctx)
	if err != nil {
		return 0, err
	}
	pos, id := f.s.deps.DB.Position(f.partition), b.LogID
	switch {
	case pos.Incomplete():
		return 0, errors.New("the database holds a part of a copy; run esmon copy again until it is complete, or name another database")
	case pos.LogID == "": // nothing was stored, or all of a log that was left for this one
		if b.First > 1 {
			f.lose(b, b.First, "records 1 to %d: the database has nothing of this ingest log and these are gone from it", b.First-1)
		}
	case pos.LogID != id:
		f.lose(b, pos.Offset, "records from %d on: they were in the ingest log %s, and this is another, %s", pos.Offset, pos.LogID, id)
	case pos.Offset < b.First:
		f.lose(b, b.First, "records %d to %d: they are gone from the ingest log and were not stored", pos.Offset, b.First-1)
	case pos.Offset > b.Next:
		f.lose(b, pos.Offset, "records after %d: the ingest log ends there and %d were stored, as if an old copy of it had been put back", b.Next-1, pos.Offset-1)
	default:
		f.s.deps.DB.Begin(f.partition, id, pos.Offset)
		return pos.Offset, nil
	}
	f.s.deps.DB.Begin(f.partition, id, b.First)
	return b.First, nil
}

// bounds waits until the log says what it holds.
func (f *follower) bounds(ctx context.Context) (bus.Bounds, error) {
	for wait := f.s.cfg.RetryPause; ; wait = min(2*wait, maxPauses*f.s.cfg.RetryPause) {
		b, err := f.s.deps.Log.Bounds(ctx, f.partition)
		f.source.note(err, f.s.deps.Now())
		if err == nil || errors.Is(err, bus.ErrClosed) || ctx.Err() != nil || f.isOver(err) {
			return b, err
		}
		f.s.log.Error("the ingest log does not answer, will try again", "partition", f.partition, "error", err, "after", wait)
		if err := pause(ctx, wait); err != nil {
			return b, err
		}
	}
}

// isOver tells whether the error means that the partition is an older one that was
// removed. One that is published to comes back: whoever publishes makes it anew.
func (f *follower) isOver(err error) bool {
	return errors.Is(err, bus.ErrNoPartition) && !slices.Contains(f.s.deps.Log.Partitions(), f.partition)
}

// lose raises the alarm of lost data: acknowledged records are not there to be
// stored. Reading goes on with the first that is.
func (f *follower) lose(b bus.Bounds, before int64, format string, args ...any) {
	what := fmt.Sprintf(format, args...) + f.span(b)
	f.s.metrics.lost.WithLabelValues("gap").Inc()
	f.s.log.Error("DATA LOSS: acknowledged records cannot be read any more", "partition", f.partition, "lost", what)
	f.s.deps.DB.RejectRecord(before-1, f.partition, "log_gap", errors.New(what))
}

// span says between which times the lost records were.
func (f *follower) span(b bus.Bounds) string {
	text := ""
	if newest := f.s.deps.DB.NewestStored(f.partition); !newest.IsZero() {
		text += "; stored up to samples of " + newest.UTC().Format(time.RFC3339)
	}
	if !b.Oldest.IsZero() {
		text += "; the first record is of " + b.Oldest.UTC().Format(time.RFC3339)
	}
	return text
}
