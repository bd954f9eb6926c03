package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

const (
	// releaseBytes and releaseRows bound what one delete takes: appends wait
	// for it.
	releaseBytes = 2 << 20
	releaseRows  = 256
	// vacuumPages is how many pages are given back in one step.
	vacuumPages = 64
)

// Release implements bus.Log. It deletes in small steps between which appends
// get their turn, and returns when all of it is done.
func (l *Log) Release(ctx context.Context, stored bus.Position) error {
	if err := checkPartition(stored.Partition); err != nil {
		return err
	}
	before := stored.Offset
	l.mu.Lock()
	closed, next := l.closed, l.next
	if !closed {
		l.upkeep.Add(1)
	}
	l.mu.Unlock()
	if closed {
		return bus.ErrClosed
	}
	defer l.upkeep.Done()
	if stored.LogID != l.id {
		return nil
	}
	if before > next {
		return fmt.Errorf("release ingest log before offset %d: the next record gets %d", before, next)
	}
	for {
		more, err := l.releaseStep(ctx, before)
		if err != nil {
			return fmt.Errorf("release ingest log before offset %d: %w", before, err)
		}
		if !more {
			return l.giveBack(ctx)
		}
	}
}

// releaseStep deletes the oldest rows, as many as one step may take.
func (l *Log) releaseStep(ctx context.Context, before int64) (more bool, err error) {
	l.mu.Lock()
	from, closed := l.first, l.closed
	l.mu.Unlock()
	if closed {
		return false, bus.ErrClosed
	}
	if from >= before {
		return false, nil
	}
	to, size, err := l.stepEnd(ctx, from, before)
	if err != nil {
		return false, err
	}
	var oldest sql.NullInt64
	if err := l.reader.QueryRowContext(ctx, `SELECT published_ms FROM records WHERE offset >= ? ORDER BY offset LIMIT 1`, to).Scan(&oldest); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("find the oldest record left: %w", err)
	}
	if _, err := l.writer.ExecContext(ctx, `DELETE FROM records WHERE offset < ?`, to); err != nil {
		return false, fmt.Errorf("delete records: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first, l.bytes = to, l.bytes-size
	switch {
	case oldest.Valid:
		l.oldest = time.UnixMilli(oldest.Int64)
	case l.first == l.next:
		l.oldest = time.Time{}
	default: // what is left came in this moment
		l.oldest = l.cfg.Now()
	}
	l.written += size / 8 // pages of the list of free pages
	l.tidyLocked()
	return to < before, nil
}

// stepEnd returns where a delete that begins at from may end and how many bytes
// of records it takes.
func (l *Log) stepEnd(ctx context.Context, from, before int64) (to, size int64, err error) {
	rows, err := l.reader.QueryContext(ctx, `SELECT offset, length(payload) FROM records WHERE offset >= ? AND offset < ? ORDER BY offset LIMIT ?`, from, before, releaseRows)
	if err != nil {
		return 0, 0, fmt.Errorf("measure records: %w", err)
	}
	defer rows.Close() //nolint:errcheck // read errors are in rows.Err
	to = before
	for n := 1; rows.Next(); n++ {
		var offset, bytes int64
		if err := rows.Scan(&offset, &bytes); err != nil {
			return 0, 0, fmt.Errorf("measure records: %w", err)
		}
		size += bytes
		if size >= releaseBytes || n == releaseRows {
			to = offset + 1
			break
		}
	}
	if err := rows.Err(); err != nil {
		return 0, 0, fmt.Errorf("measure records: %w", err)
	}
	return to, size, nil
}

// giveBack returns to the file system what is free beyond what later records will
// soon use again.
func (l *Log) giveBack(ctx context.Context) error {
	for {
		var free int64
		if err := l.reader.QueryRowContext(ctx, `SELECT freelist_count FROM pragma_freelist_count`).Scan(&free); err != nil {
			return fmt.Errorf("count free pages: %w", err)
		}
		excess := free - l.cfg.FreeBytes/pageSize
		if excess <= 0 {
			return nil
		}
		if err := drain(ctx, l.writer, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", min(excess, vacuumPages))); err != nil {
			return fmt.Errorf("give free pages back: %w", err)
		}
		l.mu.Lock()
		l.written += vacuumPages * pageSize
		l.tidyLocked()
		l.mu.Unlock()
	}
}

// drain runs a statement that works while its rows are read.
func drain(ctx context.Context, db *sql.DB, statement string) error {
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return err //nolint:wrapcheck // the caller adds what was attempted
	}
	for rows.Next() {
		continue
	}
	return errors.Join(rows.Err(), rows.Close())
}

// tidyLocked starts a checkpoint if enough was written since the last. l.mu is
// held.
func (l *Log) tidyLocked() {
	if l.tidying || l.closed || l.written < l.cfg.CheckpointBytes {
		return
	}
	l.tidying, l.written = true, 0
	l.upkeep.Go(l.checkpoint)
}

// checkpoint moves the write-ahead log into the file: first beside the appends,
// which takes the time, then what came meanwhile in their turn, so that the
// write-ahead log is used again from its beginning and does not grow.
func (l *Log) checkpoint() {
	start := time.Now()
	ctx := context.Background()
	err := passive(ctx, l.reader)
	if err == nil {
		err = passive(ctx, l.writer)
	}
	if err != nil {
		// The next one tries again; nothing is lost but space.
		l.log.Warn("checkpoint of the ingest log failed", "error", err)
	}
	l.metrics.checkpoints.Observe(time.Since(start).Seconds())
	l.mu.Lock()
	l.tidying = false
	l.mu.Unlock()
}

func passive(ctx context.Context, db *sql.DB) error {
	return drain(ctx, db, "PRAGMA wal_checkpoint(PASSIVE)")
}
