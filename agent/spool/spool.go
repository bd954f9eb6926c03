package spool

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Config are the bounds of the spool.
type Config struct {
	// Path of the SQLite file.
	Path string
	// MaxBytes bounds the compressed batches that wait. The oldest fall off.
	MaxBytes int64
	// MaxAge bounds how old a waiting batch may get.
	MaxAge time.Duration
}

// DefaultConfig holds about two weeks of an ordinary host's metrics.
func DefaultConfig() Config {
	return Config{MaxBytes: 256 << 20, MaxAge: 7 * 24 * time.Hour}
}

// rowBytes is what a batch costs beside its payload.
const rowBytes = 64

// Spool is the agent's queue on disk. Its methods may be called at the same
// time; each is a short transaction.
type Spool struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	codec    *codec
	appended chan struct{}
	maxLive  int

	mu     sync.Mutex // guards everything below
	db     *sql.DB
	conn   *sql.Conn // the only connection, so that PRAGMAs stick
	id     string
	next   uint64 // sequence of the next batch
	limit  uint64 // sequences up to this one are reserved on disk
	defs   *definitions
	live   liveSet
	held   held
	damage []damage // files set aside and not reported yet
	totals Totals
	gaps   gapList
	closed bool
}

// held says what waits in the spool.
type held struct {
	batches, bytes, samples int64
	oldest                  int64 // timestamp of the oldest sample, Unix ms
	newest                  int64 // timestamp of the newest sample, Unix ms
	unknown                 bool  // the file could not be read: only newest is known
}

// Totals count since the process started.
type Totals struct {
	AppendedBatches int64 // batches put into the spool
	AppendedSamples int64 // samples in them
	AckedBatches    int64 // batches the server acknowledged
	AckedSamples    int64 // samples in them
	Corruptions     int64 // damaged files set aside
	LostSamples     map[Reason]int64
	LostBatches     map[Reason]int64
}

func (t *Totals) lose(g Gap) {
	t.LostSamples[g.Reason] += g.Samples
	t.LostBatches[g.Reason] += g.Batches
}

// Open opens the spool file, or begins a new one. A damaged file is set aside
// and what was in it is reported as a gap; Open fails only where no file can be
// written at all.
func Open(ctx context.Context, cfg Config, now func() time.Time, log *slog.Logger) (*Spool, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	s := &Spool{
		cfg: cfg, log: log, now: now, codec: c,
		appended: make(chan struct{}, 1), maxLive: maxLive,
		defs: newDefinitions(), live: liveSet{},
	}
	s.totals.LostSamples, s.totals.LostBatches = map[Reason]int64{}, map[Reason]int64{}
	if err := s.openOrReplace(ctx); err != nil {
		c.close()
		return nil, err
	}
	return s, nil
}

// ID returns the identity of the spool file. It changes when a damaged file is
// set aside.
func (s *Spool) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Appended is signalled after batches were added. It serves one receiver and
// does not count: look for more until there is none.
func (s *Spool) Appended() <-chan struct{} { return s.appended }

// Run keeps the bounds until ctx ends: batches too old are dropped, unused
// definitions forgotten, freed pages given back.
func (s *Spool) Run(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.Maintain(ctx); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "maintain the spool", "error", err)
			}
		}
	}
}

// Close checkpoints and closes the file.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.codec.close()
	return s.closeFile()
}

// ensure opens the file again where replacing a damaged one had failed. The
// caller holds mu. What is begun is ended, it takes milliseconds: a caller that
// gives up half-way must not leave a spool that is half replaced.
func (s *Spool) ensure(ctx context.Context) error {
	switch {
	case s.closed:
		return ErrClosed
	case s.conn == nil:
		return s.openOrReplace(context.WithoutCancel(ctx))
	}
	return nil
}

// transact runs f in one transaction. durable asks for an fsync at its commit.
// A file found damaged is set aside, and f runs on the new one.
// The caller holds mu.
func (s *Spool) transact(ctx context.Context, durable bool, f func(*sql.Tx) error) error {
	ctx = context.WithoutCancel(ctx) // see ensure
	err := s.tryTransact(ctx, durable, f)
	if !damaged(err) {
		return err
	}
	if rerr := s.replace(ctx, err); rerr != nil {
		return fmt.Errorf("replace the damaged spool: %w", rerr)
	}
	return s.tryTransact(ctx, true, f)
}

func (s *Spool) tryTransact(ctx context.Context, durable bool, f func(*sql.Tx) error) error {
	if err := s.ensure(ctx); err != nil {
		return err
	}
	if durable {
		if _, err := s.conn.ExecContext(ctx, "PRAGMA synchronous=FULL"); err != nil {
			return fmt.Errorf("ask for a durable write: %w", err)
		}
		defer func() { _, _ = s.conn.ExecContext(ctx, "PRAGMA synchronous=NORMAL") }() // stays stricter if it fails
	}
	tx, err := s.conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin on the spool: %w", err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error is the one to report
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit to the spool: %w", err)
	}
	return nil
}
