package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// Lease tells whether this process may do what one process at a time should do;
// *lease.Keeper is one. It saves work and prevents nothing: the position in the
// database is the fence.
type Lease interface {
	// Run takes the lease whenever it is free and keeps it, until ctx ends.
	Run(ctx context.Context) error
	// Held tells whether this process has it.
	Held() bool
}

const (
	// UpkeepLease is who merges and drops blocks. Who is not given it only stores.
	UpkeepLease = "storage/upkeep"
	// patience is how long a follower may be behind what is stored before it skips
	// what it has not read.
	patience = 10 * time.Second
)

// cutLease is who cuts the partition.
func cutLease(partition int) string { return fmt.Sprintf("storage/cut/%d", partition) }

// alone is the lease of a process that shares its database with no other.
type alone struct{}

func (alone) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (alone) Held() bool { return true }

func (s *Storage) lease(name string) Lease {
	if s.deps.Leases == nil {
		return alone{}
	}
	return s.deps.Leases(name)
}

// lead is what a follower knows about who cuts its partition. Its goroutine is the
// follower's.
type lead struct {
	lease     Lease
	standings chan *tsdb.Standing
	behind    time.Time // since when more is stored than was read; zero if it is not
}

// watch asks the database every now and then how far the partition is stored, while
// another process cuts it.
func (f *follower) watch(ctx context.Context) {
	tick := time.NewTicker(f.s.cfg.FollowInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if f.leading.Load() {
			continue
		}
		s, err := f.s.deps.DB.Standing(ctx, f.partition)
		f.database.note(err, f.s.deps.Now())
		if err != nil {
			continue // readiness tells
		}
		select {
		case f.lead.standings <- s:
		case <-ctx.Done():
			return
		}
	}
}

// follow takes note of what another process has stored, and takes the partition
// over when there is none.
func (f *follower) follow(ctx context.Context, s *tsdb.Standing) error {
	if f.leading.Load() {
		return nil // it was asked for before
	}
	found := f.s.deps.DB.Follow(f.partition, s)
	if found != tsdb.Behind {
		f.lead.behind = time.Time{}
	}
	switch found {
	case tsdb.Sealed:
		f.committer.wake()
		return nil
	case tsdb.Astray:
		f.s.log.Warn("the stored position is another than was followed; starting again from what is stored", "partition", f.partition)
		return errAgain
	case tsdb.Behind:
		return f.bePatient()
	case tsdb.Level:
	}
	if !f.lead.lease.Held() {
		return nil
	}
	return f.takeOver(ctx)
}

// bePatient skips what others have stored, if reading does not catch up with them.
func (f *follower) bePatient() error {
	now := f.s.deps.Now()
	if f.lead.behind.IsZero() {
		f.lead.behind = now
	}
	if now.Sub(f.lead.behind) < patience {
		return nil
	}
	f.lead.behind = time.Time{}
	f.s.log.Info("reading is behind what other processes have stored; going on from there", "partition", f.partition)
	return errAgain
}

// takeOver makes this process the one that cuts.
func (f *follower) takeOver(ctx context.Context) error {
	err := f.s.deps.DB.Lead(ctx, f.partition)
	if errors.Is(err, tsdb.ErrConflict) {
		return nil // what else is stored comes with the next look
	}
	f.database.note(err, f.s.deps.Now())
	if err != nil {
		if ctx.Err() == nil {
			f.s.log.Error("taking a partition over failed, will try again", "partition", f.partition, "error", err, "after", f.s.cfg.FollowInterval)
		}
		return nil
	}
	f.leading.Store(true)
	f.lastCut = f.s.deps.Now()
	f.s.log.Info("this process cuts the partition from now on", "partition", f.partition)
	return nil
}

// canRead tells whether the partition can be read, and so be cut. Other processes may
// reach the log while this one does not.
func (f *follower) canRead() bool { return !f.source.lasts(patience, f.s.deps.Now()) }

// mayCut tells whether this process cuts the partition, and stops doing it when the
// lease is gone. What is sealed is stored all the same, if nobody was faster.
func (f *follower) mayCut() bool {
	if f.leading.Load() && !f.lead.lease.Held() {
		f.leading.Store(false)
		f.s.log.Warn("the lease of the partition is lost; another process cuts it from now on", "partition", f.partition)
	}
	return f.leading.Load()
}
