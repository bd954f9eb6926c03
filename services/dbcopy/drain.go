package dbcopy

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/bus"
	"github.com/esolutions/esmon/services/storage"
	"github.com/esolutions/esmon/services/tsdb"
)

// Source is what a server of one process keeps data in.
type Source struct {
	Log     bus.Log
	Chunks  tsdb.Store
	TSDB    tsdb.Config
	Storage storage.Config
}

const (
	// drainLook is how often it is looked whether all was read.
	drainLook = 20 * time.Millisecond
	// lastCutTimeout bounds the storing of what is in memory when all was read, on
	// however slow a disk.
	lastCutTimeout = time.Hour
	// ever is longer than anybody keeps anything: no row is refused here for its age,
	// which whoever acknowledged it has looked at, and nothing is dropped.
	ever = 100 * 365 * 24 * time.Hour
)

// Drain stores all that the ingest log holds and nobody has stored, as the server
// would have done, and returns how many records that were. Nothing is merged or
// dropped. Nobody may publish meanwhile.
func Drain(ctx context.Context, s Source, log *slog.Logger, reg prometheus.Registerer) (records int64, err error) {
	s.TSDB.Retention, s.TSDB.Future = ever, ever
	s.Storage.StopTimeout, s.Storage.FollowInterval = lastCutTimeout, drainLook
	db, err := tsdb.Open(ctx, s.TSDB, s.Chunks, log, reg)
	if err != nil {
		return 0, err
	}
	leases := func(name string) storage.Lease { return lease{name != storage.UpkeepLease} }
	st, err := storage.New(s.Storage, storage.Deps{Log: s.Log, DB: db, Leases: leases}, log, reg)
	if err != nil {
		return 0, err
	}
	before := map[int]tsdb.Position{}
	for _, p := range s.Log.Readable() {
		before[p] = db.Position(p)
	}
	if err := runUntilRead(ctx, st, s.Log); err != nil {
		return 0, fmt.Errorf("store what is left in the ingest log: %w", err)
	}
	for _, p := range s.Log.Readable() {
		n, err := drained(ctx, s.Log, db.Position(p), before[p], p)
		if err != nil {
			return 0, err
		}
		records += n
	}
	return records, nil
}

// runUntilRead runs storage until it has read everything and stored it.
func runUntilRead(ctx context.Context, st *storage.Storage, log bus.Log) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- st.Run(running) }()
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	for {
		all, err := allRead(running, st, log)
		if err != nil || all {
			stop()
			if ended := <-done; err == nil {
				err = ended
			}
			return err
		}
		select {
		case <-tick.C:
		case err := <-done:
			if err == nil {
				err = ctx.Err()
			}
			return err
		}
	}
}

// allRead tells whether everything was read and is about to be stored here.
func allRead(ctx context.Context, st *storage.Storage, log bus.Log) (bool, error) {
	for _, p := range log.Readable() {
		b, err := log.Bounds(ctx, p)
		if err != nil {
			return false, err
		}
		at, err := st.Progress(ctx, p)
		if err != nil {
			return false, err
		}
		if !st.Leads(p) || at.Head < b.Next {
			return false, nil
		}
	}
	return true, nil
}

// drained returns how many records were stored between two positions; it is an
// error if the log holds more.
func drained(ctx context.Context, log bus.Log, now, before tsdb.Position, partition int) (int64, error) {
	b, err := log.Bounds(ctx, partition)
	if err != nil {
		return 0, err
	}
	if now.LogID != b.LogID || now.Offset < b.Next {
		return 0, fmt.Errorf("partition %d of the ingest log is stored up to record %d and ends with %d: the log says why", partition, now.Offset-1, b.Next-1)
	}
	if before.LogID != now.LogID {
		before.Offset = b.First
	}
	return now.Offset - before.Offset, nil
}

// lease is one that nobody else asks for.
type lease struct{ held bool }

// Run implements storage.Lease.
func (lease) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Held implements storage.Lease.
func (l lease) Held() bool { return l.held }
