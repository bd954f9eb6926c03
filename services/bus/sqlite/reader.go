package sqlite

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/bus"
)

// A page read from the file is bounded by both, so that no read holds up a
// checkpoint for long and a reader's memory has a limit.
const (
	pageRows  = 256
	pageBytes = 1 << 20
)

// reader implements bus.Reader.
type reader struct {
	l      *Log
	next   int64 // offset to return next
	page   []bus.Record
	owned  bool // the page's payloads are not shared with the tail
	closed bool
}

// Read implements bus.Log.
func (l *Log) Read(_ context.Context, partition int, from int64) (bus.Reader, error) {
	if err := checkPartition(partition); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, bus.ErrClosed
	}
	if from < l.first || from > l.next {
		return nil, l.gapLocked(from)
	}
	l.readers.Add(1)
	return &reader{l: l, next: from}, nil
}

func (l *Log) gapLocked(wanted int64) error {
	return &bus.GapError{Wanted: wanted, First: l.first, Next: l.next}
}

// LogID implements bus.Reader.
func (r *reader) LogID() string { return r.l.id }

// Next implements bus.Reader.
func (r *reader) Next(ctx context.Context) (bus.Record, error) {
	for len(r.page) == 0 {
		if err := r.fill(ctx); err != nil {
			return bus.Record{}, err
		}
	}
	rec := r.page[0]
	r.page[0] = bus.Record{}
	r.page = r.page[1:]
	if !r.owned {
		rec.Payload = slices.Clone(rec.Payload)
	}
	r.next = rec.Offset + 1
	return rec, nil
}

// Close implements bus.Reader.
func (r *reader) Close() error {
	if !r.closed {
		r.closed, r.page = true, nil
		r.l.readers.Add(-1)
	}
	return nil
}

// fill gets the next page, from memory if it is still there, or waits once for
// something to come.
func (r *reader) fill(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read ingest log: %w", err)
	}
	l := r.l
	l.mu.Lock()
	wake := l.wake
	switch {
	case l.closed || r.closed:
		l.mu.Unlock()
		return bus.ErrClosed
	case r.next < l.first:
		defer l.mu.Unlock()
		return l.gapLocked(r.next)
	case r.next >= l.next:
		l.mu.Unlock()
		select {
		case <-wake:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("read ingest log: %w", ctx.Err())
		}
	}
	r.page, r.owned = l.tail.from(r.next, r.page[:0]), false
	l.mu.Unlock()
	if len(r.page) > 0 {
		return nil
	}
	return r.readPage(ctx)
}

// readPage reads from the file. The rows are in memory when it returns: no
// transaction stays open while the caller works on them.
func (r *reader) readPage(ctx context.Context) error {
	rows, err := r.l.page.QueryContext(ctx, r.next, pageRows)
	if err != nil {
		return fmt.Errorf("read ingest log at offset %d: %w", r.next, err)
	}
	defer rows.Close() //nolint:errcheck // read errors are in rows.Err
	r.owned = true
	for size := 0; size < pageBytes && rows.Next(); {
		var rec bus.Record
		var at int64
		if err := rows.Scan(&rec.Offset, &at, &rec.Payload); err != nil {
			return fmt.Errorf("read ingest log at offset %d: %w", r.next, err)
		}
		rec.Time = time.UnixMilli(at)
		size += len(rec.Payload)
		r.page = append(r.page, rec)
	}
	if err := rows.Err(); err != nil {
		r.page = r.page[:0]
		return fmt.Errorf("read ingest log at offset %d: %w", r.next, err)
	}
	if len(r.page) > 0 && r.page[0].Offset != r.next {
		// Released while the page was being read, or a row that is gone without
		// having been released: either way records are missing.
		r.page = r.page[:0]
		r.l.mu.Lock()
		defer r.l.mu.Unlock()
		return r.l.gapLocked(r.next)
	}
	return nil
}

// tail keeps the records published last. Payloads in it are never changed.
type tail struct {
	limit   int
	bytes   int
	records []bus.Record
}

// add appends a record and drops old ones beyond the limit. A hole (no reader
// was open for a while) empties it first.
func (t *tail) add(rec bus.Record) {
	if n := len(t.records); n > 0 && t.records[n-1].Offset+1 != rec.Offset {
		t.clear()
	}
	t.records = append(t.records, rec)
	t.bytes += len(rec.Payload)
	drop := 0
	for t.bytes > t.limit && drop < len(t.records) {
		t.bytes -= len(t.records[drop].Payload)
		drop++
	}
	t.records = slices.Delete(t.records, 0, drop)
}

// from appends to dst the records from the offset on, none if the first of them
// is not kept any more.
func (t *tail) from(offset int64, dst []bus.Record) []bus.Record {
	if len(t.records) == 0 || offset < t.records[0].Offset {
		return dst
	}
	i := min(offset-t.records[0].Offset, int64(len(t.records)))
	return append(dst, t.records[i:]...)
}

func (t *tail) clear() {
	clear(t.records)
	t.records, t.bytes = t.records[:0], 0
}
