package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/record"
	"github.com/esolutions/esmon/services/tsdb"
)

// Deps is what storage stands on.
type Deps struct {
	Log bus.Log
	DB  *tsdb.DB
	// Leases returns the lease of the name where several processes share the
	// database; nil if this is the only one.
	Leases func(name string) Lease
	// Watcher is told what queries see; it may be nil.
	Watcher Watcher
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Watcher is told what queries see, by one goroutine a partition.
type Watcher interface {
	// Begun says that the partition is read from the stored position on: at the start,
	// and when memory was given up for what the database has.
	Begun(partition int)
	// Appended hands over a record once queries see it. It may be used until Appended
	// returns.
	Appended(partition int, r *record.Record)
}

// Storage follows the ingest log into the time series database.
type Storage struct {
	cfg       Config
	deps      Deps
	log       *slog.Logger
	metrics   *metrics
	followers []*follower // one a partition
	keeping   Lease       // who has it merges and drops blocks
}

// New makes a storage. It reads nothing before Run runs.
func New(cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Storage, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of storage: %w", err)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s := &Storage{cfg: cfg, deps: deps, log: log}
	s.keeping = s.lease(UpkeepLease)
	for _, p := range deps.Log.Readable() {
		s.followers = append(s.followers, newFollower(s, p))
	}
	var err error
	s.metrics, err = newMetrics(reg, s)
	return s, err
}

// Run follows all partitions until ctx ends, then stores what is in memory. It
// returns early with an error only if the log or the database cannot be used at
// all.
func (s *Storage) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// Leases are given up when the last cut is stored: nobody else has to read then
	// what this process is about to store.
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	leases := s.holdLeases(held)
	defer func() { release(); leases.Wait() }()
	var wg sync.WaitGroup
	errs := make([]error, len(s.followers))
	for i, f := range s.followers {
		wg.Go(func() {
			defer stop() // one that failed ends the others
			errs[i] = f.run(ctx)
		})
	}
	wg.Go(func() { s.upkeep(ctx) })
	wg.Wait()
	return errors.Join(errs...)
}

// holdLeases keeps the leases that are free until ctx ends.
func (s *Storage) holdLeases(ctx context.Context) *sync.WaitGroup {
	var wg sync.WaitGroup
	wg.Go(func() { s.hold(ctx, s.keeping, func() bool { return true }) })
	for _, f := range s.followers {
		wg.Go(func() { s.hold(ctx, f.lead.lease, f.canRead) })
	}
	return &wg
}

// hold keeps a lease as long as this process can do what it is for, and gives it up
// to others while it cannot.
func (s *Storage) hold(ctx context.Context, l Lease, able func() bool) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		if able() {
			s.holdWhile(ctx, l, able, tick.C)
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (s *Storage) holdWhile(ctx context.Context, l Lease, able func() bool, tick <-chan time.Time) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	for able() && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick:
		case err := <-ended:
			if err != nil {
				s.log.Error("keeping a lease failed, will try again", "error", err)
			}
			return
		}
	}
	stop()
	if err := <-ended; err != nil {
		s.log.Error("giving a lease up failed; it runs out", "error", err)
	}
}

// Progress is how far storage is in a partition.
type Progress struct {
	Head      int64 // offset of the next record to be taken into the head
	Committed int64 // offset up to which all is in the database
	Lag       time.Duration
}

// Progress returns how far storage is in the partition. The lag is the age of
// the oldest record that is not in the head.
func (s *Storage) Progress(ctx context.Context, partition int) (Progress, error) {
	b, err := s.deps.Log.Bounds(ctx, partition)
	if err != nil {
		return Progress{}, fmt.Errorf("read the bounds of partition %d: %w", partition, err)
	}
	_, head := s.deps.DB.Next(partition)
	p := Progress{Head: head, Committed: s.deps.DB.Position(partition).Offset}
	if f := s.follower(partition); f != nil && head < b.Next && b.First < b.Next {
		p.Lag = s.deps.Now().Sub(f.behind(b.Oldest))
	}
	return p, nil
}

func (s *Storage) follower(partition int) *follower {
	for _, f := range s.followers {
		if f.partition == partition {
			return f
		}
	}
	return nil
}

// Positions returns how far each partition is read: what queries see.
func (s *Storage) Positions() []bus.Position {
	all := make([]bus.Position, 0, len(s.followers))
	for _, f := range s.followers {
		id, next := s.deps.DB.Next(f.partition)
		all = append(all, bus.Position{LogID: id, Partition: f.partition, Offset: next})
	}
	return all
}

// Leads tells whether this process cuts the partition.
func (s *Storage) Leads(partition int) bool {
	f := s.follower(partition)
	return f != nil && f.leading.Load()
}

// maxLag is how far behind storage may be before it says that it is not ready:
// graphs would show the past as the present.
const maxLag = time.Minute

// Ready returns why storage cannot do its work, nil if it can.
func (s *Storage) Ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), boundsTimeout)
	defer cancel()
	for _, f := range s.followers {
		if err := f.trouble(); err != nil {
			return err
		}
		p, err := s.Progress(ctx, f.partition)
		if err != nil {
			return err
		}
		if p.Lag > maxLag {
			return fmt.Errorf("partition %d of the ingest log is read with a lag of %s; queries do not see what came later", f.partition, p.Lag.Round(time.Second))
		}
	}
	return nil
}
