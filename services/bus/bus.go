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
// Each partition has a log ID: random, made with the partition. A position of
// another ID means nothing. A broker's partition that is deleted and made anew
// while everything runs has another ID from then on; whoever reads it gets an
// error and asks Bounds where to begin.
//
// Offsets in a partition begin with 1, grow with each record, and never start
// again within the life of a log ID. So a reader that wants to begin with 1 and
// cannot knows that records are gone. They grow by one, except where a log uses
// a number for itself: nothing was ever published under that one, readers pass
// over it, and it is no gap.
type Log interface {
	// Partitions returns the numbers of the partitions to publish to, ascending, at
	// least one. They stay the same while the log is open.
	Partitions() []int
	// Readable returns the numbers of all partitions to follow, ascending: those to
	// publish to, and older ones, of a time when there were more or fewer, which may
	// still hold records. An older one may vanish while the log is open.
	Readable() []int
	// Publish appends one record and returns once it is durable. It does not
	// keep record after it returns. Calls may run at the same time; their order
	// among each other is not defined. An error means the record may or may not
	// be in the log: publishing it again must be harmless.
	// ErrFull says that storage must catch up first: what it has not stored yet is
	// nearly all that the log may hold. The record is surely not in the log then.
	Publish(ctx context.Context, partition int, record []byte) error
	// Read opens a reader at the offset. If the record there is gone already
	// (or was never there: beyond next), the error is a *GapError. If the partition
	// is not there, it is ErrNoPartition, from Bounds, too.
	Read(ctx context.Context, partition int, from int64) (Reader, error)
	// Bounds returns what the partition holds, all of one moment.
	Bounds(ctx context.Context, partition int) (Bounds, error)
	// Release says that everything before the position is stored for good. The
	// embedded log deletes it, and deletes nothing before. A broker follows its own
	// retention; to it this only says how much is not stored yet, which it may also
	// learn from where positions are kept, because storage may be another process.
	// A position of another log ID does nothing.
	Release(ctx context.Context, stored Position) error
}

// Reader follows one partition from where it was opened. It is used by one
// goroutine.
type Reader interface {
	// LogID returns the ID of the log the reader was opened on. All its records are
	// of that one.
	LogID() string
	// Next returns the next record, waiting for it until ctx ends. The payload
	// belongs to the caller. Where records are gone it returns a *GapError; where
	// another log took the place of the one it was opened on, ErrReplaced. A reader
	// stays usable only after the end of ctx.
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
	LogID       string    // of the log there is now
	First, Next int64     // oldest offset kept; offset the next record gets, at least
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

// ErrNoPartition is returned for a partition that is not there: it never was, or
// it is an older one that was removed.
var ErrNoPartition = errors.New("the ingest log has no such partition")

// ErrReplaced is returned by a reader whose log was removed and made anew.
var ErrReplaced = errors.New("another log took the place of the one that was read")

// ErrClosed is returned by a log or a queue that was closed.
var ErrClosed = errors.New("it was closed")

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
