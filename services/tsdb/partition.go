package tsdb

import (
	"math"
	"sync"

	"github.com/esolutions/esmon/services/tsdb/head"
	"github.com/esolutions/esmon/services/tsdb/index"
)

// maxRejected bounds the rejected rows of one cut that are told one by one.
const maxRejected = 1000

// partition is what the DB holds of one partition of the ingest log.
type partition struct {
	id int

	mu     sync.RWMutex // guards all below, but not what is in the tables
	active *head.Table  // rows in no cut so far; set by the appending goroutine only
	sealed *sealed      // the cut under way, nil if there is none
	recent []*cutData   // stored cuts still in memory, without a gap up to pos. Replaced, never changed in place
	pos    Position     // stored
	logID  string       // log of the rows in active
	next   int64        // records before it are appended in full
	// coldMaxT is the newest timestamp of all stored rows that are not in recent.
	coldMaxT  int64
	pairs     []storedPair // by the pair's Ref
	lastID    int64        // highest id given to a pair
	following bool         // another process cuts
	rejected  []Rejected   // of the records in active
	refused   int          // rejected rows above maxRejected

	resolve resolver // scratch of the appending goroutine
}

// storedPair is what is stored about a pair. Its zero value means nothing is.
type storedPair struct {
	id          int64
	first, last int64
	present     []uint64
}

// known returns the place for what is stored about the pair. It needs mu.
func (p *partition) known(ref uint32) *storedPair {
	for int(ref) >= len(p.pairs) {
		p.pairs = append(p.pairs, storedPair{})
	}
	return &p.pairs[ref]
}

// peek returns what is stored about the pair. It needs mu, for reading.
func (p *partition) peek(ref uint32) *storedPair {
	if int(ref) >= len(p.pairs) {
		return &storedPair{}
	}
	return &p.pairs[ref]
}

// storedID returns the id of the pair in the store, 0 if it has none. It needs mu.
func (p *partition) storedID(pair *index.Pair) int64 {
	return p.peek(pair.Ref).id
}

// reset forgets all that is not stored. It needs mu.
func (p *partition) reset(pool *head.Pool) {
	p.active.Release()
	if p.sealed != nil {
		p.sealed.table.Release()
	}
	p.active, p.sealed, p.recent = head.NewTable(pool), nil, nil
	p.pos, p.logID, p.next, p.coldMaxT = Position{}, "", 0, math.MinInt64
	p.pairs, p.lastID = nil, 0
	p.rejected, p.refused = nil, 0
}

// size returns what is unstored, and the bytes of recent cuts.
func (p *partition) size() (head.Size, int64) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	size := p.active.Size()
	if p.sealed != nil {
		s := p.sealed.table.Size()
		size.Rows += s.Rows
		size.Bytes += s.Bytes
	}
	recent := int64(0)
	for _, c := range p.recent {
		recent += int64(len(c.data))
	}
	return size, recent
}
