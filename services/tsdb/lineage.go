package tsdb

import (
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/esolutions/esmon/services/tsdb/index"
)

// A database may go back in time: a standby that lags takes over, a backup is put
// back. Cuts made then get the numbers of those that were lost. So each has an ID,
// too, and the Store keeps the IDs of the last cuts of each partition, its lineage.
// By that a process finds out whether what it once saw stored still is: what it
// follows, and the definitions that it does not store again.

// LineageLength is how many cuts of a partition a Store knows the IDs of.
const LineageLength = 1000

// Position is how far a partition of the ingest log is stored.
type Position struct {
	LogID  string // identity of the log; empty if nothing of a log is stored, whatever Offset says
	Offset int64  // everything before it is stored
	Cut    int64  // number of the last cut; grows by one with each and never starts again
	// ID tells the cut from others that may have had its number before the database
	// went back in time. It is random, and 0 if whoever made the cut gave it none: a
	// copy, or a program from before there were IDs.
	ID int64
}

// copying begins the LogID of positions in a database that is being copied to.
const copying = "copy "

// Copying returns the LogID of the positions in a database while the copy by the
// name is not complete.
func Copying(name string) string { return copying + name }

// Incomplete tells whether the position is one of a copy that is not complete.
func (p Position) Incomplete() bool { return strings.HasPrefix(p.LogID, copying) }

// newID returns the ID of a new cut.
func newID() int64 { return 1 + rand.Int64N(math.MaxInt64) }

// basis is the stored cuts on which this process's belief rests about what
// definitions are stored: if the database has all of them, it has those that the
// index holds for saved.
type basis struct {
	mu   sync.Mutex       // guards cuts, and what of the index is saved, which must fit to it
	cuts map[int]Position // the newest by partition
}

// rebase makes what the index holds for saved what was loaded, and nothing else.
func (db *DB) rebase(state *State) error {
	db.basis.mu.Lock()
	defer db.basis.mu.Unlock()
	// The store may have gone back in time, definitions with it.
	db.index.Unsaved()
	db.basis.cuts = map[int]Position{}
	for _, p := range state.Partitions {
		db.basis.cuts[p.Partition] = p.Position
	}
	return db.restoreDefinitions(state)
}

// unsaved returns the definitions that are to be stored with a cut from the
// position, and the cuts that must be there for no other to be missing.
func (db *DB) unsaved(partition int, from Position) (*index.Changes, map[int]Position) {
	db.basis.mu.Lock()
	defer db.basis.mu.Unlock()
	requires := maps.Clone(db.basis.cuts)
	if requires[partition] == from {
		delete(requires, partition) // the Store looks at it anyway
	}
	return db.index.Changes(), requires
}

// saved notes that a cut of this process is stored with the definitions.
func (db *DB) saved(partition int, to Position, c *index.Changes) {
	db.basis.mu.Lock()
	defer db.basis.mu.Unlock()
	db.index.Saved(c)
	db.basis.cuts[partition] = to
}

// restsOn returns the partition's cut that the belief rests on.
func (db *DB) restsOn(partition int) Position {
	db.basis.mu.Lock()
	defer db.basis.mu.Unlock()
	return db.basis.cuts[partition]
}

// descend notes that the cut at to was made on top of the one at from. If the belief
// rests on that, it may as well rest on this, which the Store will know for longer.
func (db *DB) descend(partition int, from, to Position) {
	db.basis.mu.Lock()
	defer db.basis.mu.Unlock()
	if db.basis.cuts[partition] == from && to != from {
		db.basis.cuts[partition] = to
	}
}
