package tsdb

import (
	"context"
	"errors"
	"time"

	"github.com/esolutions/esmon/services/metric"
	"github.com/esolutions/esmon/services/tsdb/chunk"
)

// ErrConflict is returned by [Store.Commit] when the stored position is not the
// expected one, or a cut is not stored that must be: somebody else stored a cut, or
// the database went back in time.
var ErrConflict = errors.New("the stored position has moved")

// ErrFull is returned by a Store, wrapped, when the disk or the database is full.
var ErrFull = errors.New("no space left to store chunks")

// ErrCorrupt is what reading a chunk returns, wrapped, when its bytes are not
// what was written.
var ErrCorrupt = chunk.ErrCorrupt

// Store keeps chunks, definitions and positions. Its implementations are tested
// by dbtest.RunTSDB. All methods are safe for concurrent use, except that there
// is one caller of Commit a partition and one of BeginMerge.
//
// Blocks are named by their first millisecond. A block's chunks lie in tables of
// their own, small ones of cuts apart from merged ones, so that nothing is ever
// deleted row by row.
type Store interface {
	// Load returns everything needed to start, from one snapshot.
	Load(ctx context.Context) (*State, error)
	// Progress returns, from one snapshot, how far the partition is stored, whether
	// the positions in held still are, which the caller once saw, and the pairs whose
	// ID is above the one given. A zero position always is. It is what a node asks
	// again and again that follows while another one cuts: it costs next to nothing
	// when nothing is new.
	Progress(ctx context.Context, partition int, held []Position, above int64) (*Progress, error)
	// Commit stores a cut in one transaction. Its first statement moves the
	// position from c.From to c.To; if c.From is not what is stored, or what
	// c.Requires is not, nothing is changed and the error is ErrConflict. An error
	// other than that may also mean that the commit happened: Load tells.
	// The IDs of the last [LineageLength] cuts are kept; one from further back counts
	// as not stored, if it has an ID.
	// What the cut refers to is not kept.
	Commit(ctx context.Context, c *Cut) error
	// Snapshot opens a consistent view of the chunks for one query. It ends with
	// its context, too; it must be closed all the same.
	Snapshot(ctx context.Context) (Snapshot, error)

	// Blocks returns what is stored, ordered by partition and start.
	Blocks(ctx context.Context) ([]BlockInfo, error)
	// Export calls f with all chunks of a block, some at a time: first the merged
	// ones by pair and MinT, then those of cuts by cut and pair. It is for copying a
	// block, and sees it as it was at the beginning. The chunks are valid until f
	// returns. An error of f ends the call and is returned, wrapped.
	Export(ctx context.Context, partition int, block int64, f func(merged bool, chunks []Chunk) error) error
	// BeginMerge begins to rewrite a block's chunks. Cuts committed from here on
	// are not part of the merge and stay as they are.
	BeginMerge(ctx context.Context, partition int, block int64) (Merge, error)
	// Drop removes the blocks of all partitions that begin before the time, and
	// returns them. After an error those returned are gone and the others are not.
	Drop(ctx context.Context, before int64) ([]BlockInfo, error)
	// Sweep removes what merges replaced before the time: no query reads it any
	// more.
	Sweep(ctx context.Context, before time.Time) error
	// Forget removes definitions and pairs. A definition that was seen after
	// before is kept, and a pair of which newer rows are stored than its Last.
	Forget(ctx context.Context, f *Forget) error
	// Reclaim gives space that became free back to the operating system, in
	// small steps, until ctx ends or nothing is left.
	Reclaim(ctx context.Context) error
	// Rejected returns the newest rejected rows, at most limit.
	Rejected(ctx context.Context, limit int) ([]Rejected, error)
}

// State is what a Store knows when it is opened.
type State struct {
	Schemas    []SchemaDef
	Entities   []EntityDef
	Pairs      []PairDef
	Partitions []PartitionState // those that ever stored a cut
}

// PartitionState is how far a partition is stored.
type PartitionState struct {
	Partition int
	Position  Position
	MaxTime   int64 // not older than the newest timestamp stored
}

// Progress is what a Store says to one who follows a partition.
type Progress struct {
	PartitionState // zero if the partition never stored anything
	// Held tells whether the cuts asked for are stored: the last one is one of them
	// or was made on top of them.
	Held  bool
	Pairs []PairDef // by ID. Pairs that were only changed are not among them
}

// SchemaDef is a schema as it is stored.
type SchemaDef struct {
	ID     metric.ID
	Schema *metric.Schema
	Seen   int64 // Unix milliseconds
}

// EntityDef is an entity as it is stored.
type EntityDef struct {
	ID     metric.ID
	Entity *metric.Entity
	Seen   int64 // Unix milliseconds
}

// PairDef is an entity under a schema. Chunks name it by its ID, which is given
// by whoever commits the partition and means nothing in another partition.
type PairDef struct {
	Partition   int
	ID          int64 // from 1, growing
	Entity      metric.ID
	Schema      metric.ID
	First, Last int64    // timestamps of its oldest and newest row, or further apart
	Present     []uint64 // columns that ever had a value, one bit each
}

// Cut is what one commit stores.
type Cut struct {
	Partition int
	From, To  Position
	Requires  map[int]Position // cuts that must be stored, by partition: definitions the cut refers to are in them
	Now       time.Time
	Schemas   []SchemaDef  // new, or seen again: Seen moves up, never down
	Entities  []EntityDef  // likewise
	Pairs     []PairDef    // new, or changed: First, Last and Present are replaced
	Blocks    []BlockStats // of Chunks, ascending
	Chunks    []Chunk      // ordered by block and pair; one a pair and block
	Rejected  []Rejected   // what the records held and cannot be stored
}

// BlockStats describe the chunks of one block of a cut.
type BlockStats struct {
	Block      int64
	Chunks     int
	Bytes      int64
	MinT, MaxT int64 // oldest and newest timestamp
}

// Chunk is a chunk to be stored, or one read back.
type Chunk struct {
	Block int64
	Pair  int64
	// Cut is the number of the cut the chunk is of; of a merged chunk, the lowest
	// of its cuts, which those in the data are counted from.
	Cut        int64
	MinT, MaxT int64 // of its rows; of a small chunk that was read, those of its cut
	Data       []byte
}

// Rejected is a row that cannot be stored.
type Rejected struct {
	Partition int
	Offset    int64 // of the record
	Frame     int   // place in the record; -1 for the record as a whole
	Reason    string
	Message   string
	Entity    metric.ID
	Schema    metric.ID
	Time      int64 // of the row, Unix milliseconds
	At        time.Time
}

// BlockInfo describes what a block of a partition holds.
type BlockInfo struct {
	Partition int
	Start     int64 // Unix milliseconds
	// Cuts is how many cuts have small chunks in the block.
	Cuts   int
	Chunks int64
	Bytes  int64
	// Merged tells whether the block was merged before.
	Merged bool
}

// Merge rewrites the chunks of a block. It is used by one goroutine; either
// Commit or Abort ends it, and an Abort after a Commit changes nothing.
type Merge interface {
	// Next returns all chunks of the next pairs, ordered by pair and then by cut,
	// those of one pair never apart; io.EOF behind the last. They are valid until
	// the next call.
	Next(ctx context.Context) ([]Chunk, error)
	// Write stores merged chunks; pairs ascend over all calls, MinT within one.
	Write(ctx context.Context, chunks []Chunk) error
	// Commit puts what was written in the place of what was read.
	Commit(ctx context.Context) error
	// Abort leaves everything as it was.
	Abort(ctx context.Context) error
}

// Forget lists definitions to be removed.
type Forget struct {
	Before   int64 // Unix milliseconds
	Pairs    []PairDef
	Entities []metric.ID
	Schemas  []metric.ID
}

// Want says which chunks a query needs.
type Want struct {
	Partition  int
	Pairs      []int64 // ascending
	MinT, MaxT int64
	BeforeCut  int64 // small chunks of this cut and later ones are not wanted
}

// Snapshot is a consistent view of the chunks. It is safe for concurrent use;
// calls run one after another.
type Snapshot interface {
	// Chunks calls f with each chunk that may have rows between MinT and MaxT. A
	// pair's chunks do not come in any order. The data belongs to f. An error of
	// f ends the call and is returned.
	Chunks(ctx context.Context, w *Want, f func(Chunk) error) error
	// Close ends the snapshot.
	Close() error
}
