package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/tsdb"
)

const (
	// checkEvery is how often it is looked whether a cut is due.
	checkEvery = 100 * time.Millisecond
	// readAhead is how many records are read while one is appended.
	readAhead = 16
)

// follower reads one partition. Its goroutine is the only one that appends to
// the partition's head and seals it.
type follower struct {
	s         *Storage
	partition int
	decoder   record.Decoder
	committer *committer

	read    atomic.Int64 // when the record read last was published, Unix ms
	lastCut time.Time
	leading atomic.Bool // this process cuts the partition; set by the follower's goroutine
	lead    lead

	source, database trouble // with reading the log, and with the database of one that follows
}

func newFollower(s *Storage, partition int) *follower {
	f := &follower{s: s, partition: partition}
	f.committer = newCommitter(s, partition)
	f.lead = lead{lease: s.lease(cutLease(partition)), standings: make(chan *tsdb.Standing)}
	f.leading.Store(s.deps.Leases == nil)
	return f
}

// errAgain ends one course of reading: the database's state was taken up anew.
var errAgain = errors.New("the position has moved")

// run follows the partition until ctx ends.
func (f *follower) run(ctx context.Context) error {
	err := f.course(ctx)
	for errors.Is(err, errAgain) {
		err = f.course(ctx)
	}
	if errors.Is(err, bus.ErrNoPartition) {
		f.s.log.Info("an older partition of the ingest log is gone", "partition", f.partition)
		<-ctx.Done()
	}
	if ctx.Err() == nil {
		return fmt.Errorf("follow partition %d of the ingest log: %w", f.partition, err)
	}
	return nil
}

// course reads from the stored position on until ctx ends or the database's
// state must be taken up anew.
func (f *follower) course(ctx context.Context) error {
	from, err := f.begin(ctx)
	if err != nil {
		return err
	}
	if f.s.deps.Watcher != nil {
		f.s.deps.Watcher.Begun(f.partition)
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	records := make(chan bus.Record, readAhead)
	failed := make(chan error, 1)
	go func() { failed <- f.pump(reading, from, records) }()
	defer func() { // the pump must be gone before another begins
		stop()
		for range records {
		}
	}()
	committing, stopCommits := context.WithCancel(context.WithoutCancel(ctx))
	done := f.committer.start(committing)
	var watching sync.WaitGroup
	if f.s.deps.Leases != nil {
		watching.Go(func() { f.watch(reading) })
	}
	err = f.loop(ctx, records, failed)
	stop()
	stopCommits()
	watching.Wait()
	<-done // no commit runs beside a reload
	if errors.Is(err, errAgain) {
		return f.reload(ctx)
	}
	return err
}

// loop appends records and makes cuts when they are due.
func (f *follower) loop(ctx context.Context, records <-chan bus.Record, failed <-chan error) error {
	f.lastCut = f.s.deps.Now()
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		source := records
		if f.s.deps.DB.Full(f.partition) {
			source = nil // until a cut made room
		}
		select {
		case rec, more := <-source:
			if !more {
				records = nil // why comes by the other channel
				continue
			}
			if err := f.append(rec); err != nil {
				return err
			}
			f.cutIfDue()
		case <-tick.C:
			f.cutIfDue()
		case s := <-f.lead.standings:
			if err := f.follow(ctx, s); err != nil {
				return err
			}
		case err := <-f.committer.conflict:
			f.s.log.Warn("storing a cut found another position than expected; starting again from what is stored", "partition", f.partition, "error", err)
			f.s.metrics.conflicts.Inc()
			return errAgain
		case err := <-failed:
			return f.recover(ctx, err)
		case <-ctx.Done():
			f.lastOne()
			return ctx.Err()
		}
	}
}

// pump reads records until ctx ends or the log fails.
func (f *follower) pump(ctx context.Context, from int64, records chan<- bus.Record) error {
	defer close(records)
	reader, err := f.s.deps.Log.Read(ctx, f.partition, from)
	if err != nil {
		return err
	}
	defer reader.Close() //nolint:errcheck // it only read
	if id, _ := f.s.deps.DB.Next(f.partition); id != reader.LogID() {
		return bus.ErrReplaced
	}
	for {
		rec, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case records <- rec:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// append takes a record into the head. One that is damaged is noted, loudly, and
// passed over: those behind it are good. One that a newer program wrote is not
// damaged, and to pass over it would lose it: the error ends the server.
func (f *follower) append(rec bus.Record) error {
	f.read.Store(rec.Time.UnixMilli())
	r, err := f.decoder.Decode(rec.Payload)
	if errors.Is(err, record.ErrVersion) {
		return fmt.Errorf("record %d was written by a newer esmon: start that one again, it loses nothing: %w", rec.Offset, err)
	}
	if err != nil {
		f.s.metrics.lost.WithLabelValues("corrupt").Inc()
		f.s.log.Error("a record of the ingest log cannot be read; what it held is lost", "partition", f.partition, "offset", rec.Offset, "bytes", len(rec.Payload), "error", err)
		f.s.deps.DB.RejectRecord(rec.Offset, f.partition, "record_corrupt", err)
		return nil
	}
	f.s.deps.DB.Append(rec.Offset, f.partition, r)
	f.s.metrics.records.Inc()
	if f.s.deps.Watcher != nil {
		f.s.deps.Watcher.Appended(f.partition, r)
	}
	return nil
}

func (f *follower) cutIfDue() {
	now := f.s.deps.Now()
	if f.mayCut() && f.s.deps.DB.CutDue(f.partition, now.Sub(f.lastCut)) && f.s.deps.DB.Seal(f.partition) {
		f.lastCut = now
		f.committer.wake()
	}
}

// lastOne stores what is in the head before the process ends. Nothing is lost if
// it fails: the log has it.
func (f *follower) lastOne() {
	if !f.mayCut() {
		return // another process stores it
	}
	ctx, cancel := context.WithTimeout(context.Background(), f.s.cfg.StopTimeout)
	defer cancel()
	if err := f.committer.finish(ctx); err != nil {
		f.s.log.Warn("the last cut was not stored; the next start reads those records again", "partition", f.partition, "error", err)
	}
}

// recover deals with a log that could not be read on.
func (f *follower) recover(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		f.lastOne()
		return ctx.Err()
	}
	if gap, ok := errors.AsType[*bus.GapError](err); ok {
		// What was read is stored first: the next beginning starts behind it.
		f.lastOne()
		f.s.log.Warn("records vanished from the ingest log while it was read", "partition", f.partition, "error", gap)
		return errAgain
	}
	if errors.Is(err, bus.ErrClosed) || f.isOver(err) {
		return err
	}
	f.source.note(err, f.s.deps.Now())
	f.s.log.Error("reading the ingest log failed, will try again", "partition", f.partition, "error", err, "after", f.s.cfg.RetryPause)
	f.lastOne()
	if err := pause(ctx, f.s.cfg.RetryPause); err != nil {
		return err
	}
	return errAgain
}

// reload takes up the database's state anew, for another course.
func (f *follower) reload(ctx context.Context) error {
	for wait := f.s.cfg.RetryPause; ; wait = min(2*wait, maxPauses*f.s.cfg.RetryPause) {
		err := f.s.deps.DB.Reload(ctx, f.partition)
		if err == nil {
			return errAgain
		}
		f.s.log.Error("reading definitions and positions failed, will try again", "partition", f.partition, "error", err, "after", wait)
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// behind returns when the record that is to be read next was published, at the
// latest: not before the one read last, nor before the oldest there is.
func (f *follower) behind(oldest time.Time) time.Time {
	if read := time.UnixMilli(f.read.Load()); read.After(oldest) {
		return read
	}
	return oldest
}

// trouble returns why the partition is not followed or not stored, nil if it is.
func (f *follower) trouble() error {
	return errors.Join(
		f.source.report(fmt.Sprintf("partition %d of the ingest log cannot be read", f.partition)),
		f.committer.trouble.report(fmt.Sprintf("partition %d cannot be stored", f.partition)),
		f.database.report(fmt.Sprintf("how far partition %d is stored cannot be read from the database", f.partition)),
	)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
