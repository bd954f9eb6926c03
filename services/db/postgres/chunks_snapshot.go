package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/tsdb"
)

// snapshot is one transaction that reads. It implements tsdb.Snapshot.
type snapshot struct {
	ctx    context.Context //nolint:containedctx // the snapshot ends with it
	unbind func() bool     // from ctx

	mu     sync.Mutex // guards what follows: a transaction runs one statement at a time
	tx     pgx.Tx     // nil once it ended
	blocks map[blockRange][]storedBlock
	read   int // tables read since their locks were let go
}

// blockRange is what a list of blocks was asked for by.
type blockRange struct {
	partition   int
	first, last int64
}

const (
	// mostIdle is how long a snapshot whose context has no deadline may wait for
	// the next call before the server ends it.
	mostIdle = 10 * time.Minute
	// locksHeld is after how many tables their locks are let go. Each takes a few
	// places in a table that all connections share, and a query of a month may
	// read thousands.
	locksHeld = 16
)

// beginSnapshot begins a transaction whose state of the database is that of now,
// not of the first read, and which the server gives up when its client has said
// nothing for too long. The server has no statistics of the tables and would take
// searches in them for more than they are: the settings keep it from reading whole
// tables and from compiling statements instead.
func beginSnapshot(ctx context.Context) pgx.TxOptions {
	idle := mostIdle
	if end, ok := ctx.Deadline(); ok {
		idle = max(time.Until(end), 0) + time.Second
	}
	return pgx.TxOptions{BeginQuery: fmt.Sprintf(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
		SET LOCAL idle_in_transaction_session_timeout = %d;
		SET LOCAL enable_seqscan = off; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0;
		SELECT 1; SAVEPOINT tables`, min(idle.Milliseconds(), math.MaxInt32))}
}

// Snapshot implements tsdb.Store. The snapshot ends with ctx, too.
func (c *Chunks) Snapshot(ctx context.Context) (tsdb.Snapshot, error) {
	tx, err := c.db.snapshots.BeginTx(ctx, beginSnapshot(ctx))
	if err != nil {
		return nil, chunksError(err, "open a snapshot of the chunks")
	}
	s := &snapshot{ctx: ctx, tx: tx, blocks: map[blockRange][]storedBlock{}}
	s.unbind = context.AfterFunc(ctx, func() { _ = s.end() }) // nobody would hear of an error
	return s, nil
}

// Close implements tsdb.Snapshot.
func (s *snapshot) Close() error {
	s.unbind()
	return chunksError(s.end(), "close a snapshot of the chunks")
}

// end gives the connection back. If that fails, it is closed, and the transaction
// ended all the same.
func (s *snapshot) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx == nil {
		return nil
	}
	closed := s.tx.Conn().IsClosed() // as a call that was cancelled leaves it
	err := s.tx.Rollback(context.WithoutCancel(s.ctx))
	s.tx = nil
	if closed {
		return nil
	}
	return err
}

// Chunks implements tsdb.Snapshot.
func (s *snapshot) Chunks(ctx context.Context, w *tsdb.Want, f func(tsdb.Chunk) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)() // it does not outlast the snapshot
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.chunks(ctx, w, f)
	if ended := s.ctx.Err(); err != nil && ended != nil {
		return fmt.Errorf("the snapshot has ended: %w: %w", ended, err)
	}
	return err
}

// chunks needs mu.
func (s *snapshot) chunks(ctx context.Context, w *tsdb.Want, f func(tsdb.Chunk) error) error {
	if s.tx == nil {
		return errors.New("read chunks: the snapshot is closed")
	}
	pairs := possible(w.Pairs)
	if len(pairs) == 0 {
		return nil
	}
	blocks, err := s.blocksOf(ctx, w)
	if err != nil {
		return chunksError(err, "read which chunks there are of partition %d", w.Partition)
	}
	for i := range blocks {
		b := &blocks[i]
		if err = s.block(ctx, b, w, pairs, f); err != nil {
			err = chunksError(err, "read block %d of partition %d", b.block, b.partition)
			break
		}
	}
	// Also after an error: unless it was the connection's, the snapshot can be used
	// further.
	if again := s.letGo(context.WithoutCancel(ctx)); err == nil {
		err = chunksError(again, "read chunks of partition %d", w.Partition)
	}
	return err
}

// blocksOf returns the blocks that may have what is wanted.
func (s *snapshot) blocksOf(ctx context.Context, w *tsdb.Want) ([]storedBlock, error) {
	first := w.MinT
	if length := tsdb.BlockLength.Milliseconds(); first > math.MinInt64+length {
		first -= length - 1
	}
	key := blockRange{w.Partition, first, w.MaxT}
	if blocks, ok := s.blocks[key]; ok {
		return blocks, nil
	}
	blocks, err := readBlocks(ctx, s.tx, w.Partition, first, w.MaxT)
	if err == nil {
		s.blocks[key] = blocks
	}
	return blocks, err
}

func (s *snapshot) block(ctx context.Context, b *storedBlock, w *tsdb.Want, pairs []int64, f func(tsdb.Chunk) error) error {
	r := blockReader{s.tx, b, w, pairs, f}
	if b.merged > 0 {
		if err := r.merged(ctx); err != nil {
			return err
		}
		s.read++
	}
	wanted := func(k *storedCut) bool { return k.cut < w.BeforeCut && k.minT <= w.MaxT && k.maxT >= w.MinT }
	err := b.cutsIn(wanted, func(table string, cuts []*storedCut) error {
		s.read++
		return r.small(ctx, table, cuts)
	})
	if err == nil && s.read >= locksHeld {
		err = s.letGo(ctx)
	}
	return err
}

// letGo lets go of the locks on the tables that were read, without which they can
// be dropped when they are out of use, and of an error within the transaction.
func (s *snapshot) letGo(ctx context.Context) error {
	s.read = 0
	_, err := s.tx.Exec(ctx, "ROLLBACK TO SAVEPOINT tables")
	return err
}

// possible returns those of the ascending pairs whose ids can be. Others would
// run into the rest of a chunk's.
func possible(pairs []int64) []int64 {
	from, _ := slices.BinarySearch(pairs, 1)
	to, _ := slices.BinarySearch(pairs, maxPair+1)
	return pairs[from:to]
}
