// Package bus declares what moves data between the platform's parts: the ingest
// log. Package bustest defines what a correct implementation is, by tests; the
// packages named after their technology implement it.
package bus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Log is a durable, replayable log with many readers, in partitions. The
// embedded one is a SQLite file; RabbitMQ streams fit the same contract, which
// is why Publish returns no offset (a broker's confirm carries none) and why a
// reader's position is kept by the reader.
//
// Offsets in a partition begin with 1, grow by one a record, and never start
// again within the life of a log ID. So a reader that wants to begin with 1 and
// cannot knows that records are gone.
type Log interface {
	// ID is random, made with the log. A position of another ID means nothing
	// here.
	ID() string
	// Partitions returns how many partitions can be published to.
	Partitions() int
	// Publish appends one record and returns once it is durable. It does not
	// keep record after it returns. Calls may run at the same time; their order
	// among each other is not defined. An error means the record may or may not
	// be in the log: publishing it again must be harmless.
	// ErrFull says that storage must catch up first: what it has not stored yet is
	// nearly all that the log may hold. The record is surely not in the log then.
	Publish(ctx context.Context, partition int, record []byte) error
	// Read opens a reader at the offset. If the record there is gone already
	// (or was never there: beyond next), the error is a *GapError.
	Read(ctx context.Context, partition int, from int64) (Reader, error)
	// Bounds returns what the partition holds.
	Bounds(ctx context.Context, partition int) (Bounds, error)
	// Release says that everything before the offset is stored for good. The
	// embedded log deletes it, and deletes nothing before. A broker follows its own
	// retention; to it this only says how much is not stored yet, which it may also
	// learn from where positions are kept, because storage may be another process.
	Release(ctx context.Context, partition int, before int64) error
}

// Reader follows one partition from where it was opened. It is used by one
// goroutine.
type Reader interface {
	// Next returns the next record, waiting for it until ctx ends. The payload
	// belongs to the caller.
	Next(ctx context.Context) (Record, error)
	// Close frees what the reader holds.
	Close() error
}

// Record is one record of a log.
type Record struct {
	Offset  int64
	Time    time.Time // when it was published
	Payload []byte
}

// Bounds are the limits of a partition.
type Bounds struct {
	First, Next int64     // oldest offset kept; offset the next record gets
	Bytes       int64     // size of what is kept; 0 where the log cannot tell
	Oldest      time.Time // when the record at First was published; zero if there is none
}

// Position is a place in a log: everything before Offset was read.
type Position struct {
	LogID     string
	Partition int
	Offset    int64
}

// ErrFull is returned by Publish when the log may not grow any further.
var ErrFull = errors.New("the ingest log is full: storage has not caught up")

// ErrClosed is returned by a log that was closed.
var ErrClosed = errors.New("the ingest log is closed")

// GapError says that records a reader asked for are not there.
type GapError struct {
	Partition   int
	Wanted      int64 // offset asked for
	First, Next int64 // what there is
}

// Error says what is missing.
func (e *GapError) Error() string {
	return fmt.Sprintf("ingest log partition %d: asked for offset %d, kept are %d to %d", e.Partition, e.Wanted, e.First, e.Next-1)
}
