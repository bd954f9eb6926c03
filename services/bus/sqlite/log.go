package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/esolutions/esmon/services/bus"
)

// Log is the embedded ingest log.
type Log struct {
	cfg     Config
	id      string
	log     *slog.Logger
	metrics *metrics

	writer *sql.DB // one connection
	reader *sql.DB
	insert *sql.Stmt
	page   *sql.Stmt

	readers atomic.Int32 // open readers: without any, the tail is not kept
	upkeep  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	closed bool
	first  int64     // oldest offset kept
	next   int64     // offset of the next record
	bytes  int64     // payload kept
	oldest time.Time // when the first record was published
	space  space
	wake   chan struct{}
	tail   tail

	queue       []*request
	queuedBytes int64
	writing     bool // a Publish is at work on the file
	unsure      bool // a commit failed: next must be read from the file again

	written  int64 // since the last checkpoint
	tidying  bool  // a checkpoint is under way
	idleCond *sync.Cond
}

// Open opens the log, or makes it if it is not there.
func Open(ctx context.Context, path string, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Log, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of the ingest log: %w", err)
	}
	if cfg.Free == nil {
		dir := filepath.Dir(path)
		cfg.Free = func() (int64, error) { return freeBytes(dir) }
	}
	l := &Log{cfg: cfg, log: log, wake: make(chan struct{}), tail: tail{limit: cfg.TailBytes}}
	l.idleCond = sync.NewCond(&l.mu)
	if err := l.open(ctx, path); err != nil {
		return nil, errors.Join(explain(path, err), l.closeFiles())
	}
	var err error
	if l.metrics, err = newMetrics(reg, l); err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	return l, nil
}

func (l *Log) open(ctx context.Context, path string) error {
	if err := createPrivate(path); err != nil {
		return err
	}
	var err error
	if l.writer, err = openPool(path, 1, writerPragmas()); err != nil {
		return err
	}
	if l.id, err = prepareSchema(ctx, l.writer); err != nil {
		return err
	}
	if l.reader, err = openPool(path, 4, readerPragmas()); err != nil {
		return err
	}
	if l.insert, err = l.writer.PrepareContext(ctx, `INSERT INTO records (offset, published_ms, payload) VALUES (?, ?, ?)`); err != nil {
		return fmt.Errorf("prepare insert: %w", err)
	}
	if l.page, err = l.reader.PrepareContext(ctx, `SELECT offset, published_ms, payload FROM records WHERE offset >= ? ORDER BY offset LIMIT ?`); err != nil {
		return fmt.Errorf("prepare page: %w", err)
	}
	if l.next, err = nextOffset(ctx, l.writer); err != nil {
		return err
	}
	return l.measure(ctx)
}

// measure reads what the file holds.
func (l *Log) measure(ctx context.Context) error {
	var first, bytes, oldest sql.NullInt64
	row := l.writer.QueryRowContext(ctx, `SELECT min(offset), sum(length(payload)), (SELECT published_ms FROM records ORDER BY offset LIMIT 1) FROM records`)
	if err := row.Scan(&first, &bytes, &oldest); err != nil {
		return fmt.Errorf("measure the log: %w", err)
	}
	l.first, l.bytes, l.oldest = l.next, bytes.Int64, time.Time{}
	if first.Valid {
		l.first, l.oldest = first.Int64, time.UnixMilli(oldest.Int64)
	}
	return nil
}

// Partitions implements bus.Log: there is one.
func (l *Log) Partitions() []int { return []int{0} }

// Readable implements bus.Log.
func (l *Log) Readable() []int { return l.Partitions() }

// Bounds implements bus.Log.
func (l *Log) Bounds(_ context.Context, partition int) (bus.Bounds, error) {
	if err := checkPartition(partition); err != nil {
		return bus.Bounds{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return bus.Bounds{}, bus.ErrClosed
	}
	return bus.Bounds{LogID: l.id, First: l.first, Next: l.next, Bytes: l.bytes, Oldest: l.oldest}, nil
}

// Close waits for what is under way and closes the file. Readers and later calls
// get bus.ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.wake)
	for l.writing {
		l.idleCond.Wait()
	}
	l.mu.Unlock()
	l.upkeep.Wait()
	return l.closeFiles()
}

func (l *Log) closeFiles() error {
	var errs []error
	for _, s := range []*sql.Stmt{l.insert, l.page} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	// The writer last: SQLite then moves the write-ahead log into the file.
	for _, db := range []*sql.DB{l.reader, l.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close ingest log: %w", err)
	}
	return nil
}

func checkPartition(p int) error {
	if p != 0 {
		return fmt.Errorf("%w: the embedded one has partition 0 only, not %d", bus.ErrNoPartition, p)
	}
	return nil
}
