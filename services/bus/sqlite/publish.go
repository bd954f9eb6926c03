package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/esolutions/esmon/services/bus"
)

// groupBytes bounds what one commit takes together.
const groupBytes = 8 << 20

// request is a record that waits to be written.
type request struct {
	record []byte
	// wake gets true when the request is to write the next group, its own record
	// first, and false when the record is written or failed.
	wake    chan bool
	leading bool // was told to write; guarded by Log.mu
	err     error
}

// Publish implements bus.Log. The first caller writes; who comes meanwhile waits
// and is written together with the others by one of them: no goroutine of its
// own, and one sync for all.
func (l *Log) Publish(ctx context.Context, partition int, record []byte) error {
	if err := checkPartition(partition); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	r := &request{record: record, wake: make(chan bool, 1)}
	first, err := l.enqueue(r)
	if err != nil {
		return err
	}
	if first || l.await(ctx, r) {
		l.writeGroup()
	}
	return r.err
}

// enqueue puts r in line and tells whether it is to write at once.
func (l *Log) enqueue(r *request) (first bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false, bus.ErrClosed
	}
	if err := l.roomLocked(int64(len(r.record))); err != nil {
		l.metrics.full.Inc()
		return false, err
	}
	l.queue = append(l.queue, r)
	l.queuedBytes += int64(len(r.record))
	if l.writing {
		return false, nil
	}
	l.writing, r.leading = true, true
	return true, nil
}

func (l *Log) roomLocked(size int64) error {
	if kept := l.bytes + l.queuedBytes; kept > 0 && kept+size > l.cfg.MaxBytes {
		return fmt.Errorf("%w: %d bytes wait to be stored, the limit is %d (bus.max_bytes)", bus.ErrFull, kept, l.cfg.MaxBytes)
	}
	if age := l.cfg.Now().Sub(l.oldest); l.first < l.next && age > l.cfg.MaxAge {
		return fmt.Errorf("%w: the oldest record waits since %s, the limit is %s (bus.max_age)", bus.ErrFull, age.Round(time.Second), l.cfg.MaxAge)
	}
	if free, low := l.space.low(&l.cfg); low {
		return fmt.Errorf("%w: the file system has %d bytes left, the least is %d (bus.min_free_bytes)", bus.ErrFull, free, l.cfg.MinFreeBytes)
	}
	return nil
}

// await returns true when r must write the next group, and false when r is done.
func (l *Log) await(ctx context.Context, r *request) bool {
	select {
	case lead := <-r.wake:
		return lead
	case <-ctx.Done():
	}
	if l.withdraw(r) {
		r.err = fmt.Errorf("publish: %w", ctx.Err())
		return false
	}
	return <-r.wake // being written, or its turn to write has come: finish it
}

// withdraw takes r out of the line, if nobody is at work on it.
func (l *Log) withdraw(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.queue, r)
	if i < 0 || r.leading {
		return false
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	l.queuedBytes -= int64(len(r.record))
	return true
}

// writeGroup writes what waits, as far as one commit takes it, and hands the
// file on to the next in line.
func (l *Log) writeGroup() {
	group, next, err := l.takeGroup()
	at := l.cfg.Now()
	if err == nil {
		err = l.commit(group, next, at)
	}
	if err != nil {
		err = fmt.Errorf("publish: %w", err)
		if isCode(err, sqlite3.SQLITE_FULL) {
			err = fmt.Errorf("%w: %w", bus.ErrFull, err) // the disk is: only freed space helps
		}
	} else {
		l.metrics.observe(group, l.cfg.Now().Sub(at))
	}
	l.finishGroup(group, next, at, err)
}

// takeGroup returns the records to write and the offset of the first.
func (l *Log) takeGroup() ([]*request, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && (n == 0 || size+len(l.queue[n].record) <= groupBytes) {
		size += len(l.queue[n].record)
		n++
	}
	group := slices.Clone(l.queue[:n])
	l.queue = slices.Delete(l.queue, 0, n)
	if !l.unsure {
		return group, l.next, nil
	}
	// After a failed commit only the file knows what it holds.
	next, err := nextOffset(context.Background(), l.writer)
	if err != nil {
		return group, 0, err
	}
	l.next, l.unsure = next, false
	if err := l.measure(context.Background()); err != nil {
		l.unsure = true
		return group, 0, err
	}
	return group, next, nil
}

// commit is not bound to a caller's context: the callers are many, and a commit
// cut off half way would leave open what is in the log.
func (l *Log) commit(group []*request, next int64, at time.Time) (err error) {
	ctx := context.Background()
	if len(group) == 1 {
		_, err = l.insert.ExecContext(ctx, next, at.UnixMilli(), group[0].record)
		return err //nolint:wrapcheck // the caller adds what was attempted
	}
	tx, err := l.writer.BeginTx(ctx, nil)
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	insert := tx.StmtContext(ctx, l.insert)
	for i, r := range group {
		if _, err := insert.ExecContext(ctx, next+int64(i), at.UnixMilli(), r.record); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit() //nolint:wrapcheck // likewise
}

// finishGroup makes the records visible, tells their callers, and wakes the next
// writer.
func (l *Log) finishGroup(group []*request, next int64, at time.Time, err error) {
	copies := l.copyForReaders(group, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range group {
		l.queuedBytes -= int64(len(r.record))
		r.err = err
		if err == nil {
			l.appendedLocked(next+int64(i), at, len(r.record))
		}
		if i < len(copies) {
			l.tail.add(bus.Record{Offset: next + int64(i), Time: at, Payload: copies[i]})
		}
	}
	l.unsure = l.unsure || err != nil
	if err == nil && !l.closed {
		close(l.wake)
		l.wake = make(chan struct{})
		l.tidyLocked()
	}
	for _, r := range group {
		if !r.leading {
			r.wake <- false
		}
	}
	if len(l.queue) > 0 {
		l.queue[0].leading = true
		l.queue[0].wake <- true
		return
	}
	l.writing = false
	l.idleCond.Broadcast()
}

func (l *Log) appendedLocked(offset int64, at time.Time, size int) {
	if l.first == l.next { // it was empty
		l.first, l.oldest = offset, at
	}
	l.next = offset + 1
	l.bytes += int64(size)
	l.written += int64(size) + pageSize
}

func (l *Log) copyForReaders(group []*request, err error) [][]byte {
	if err != nil || l.readers.Load() == 0 {
		return nil
	}
	out := make([][]byte, len(group))
	for i, r := range group {
		out[i] = slices.Clone(r.record)
	}
	return out
}
