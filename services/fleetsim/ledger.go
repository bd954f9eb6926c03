package fleetsim

import (
	"math"
	"sync"
	"time"
)

// minute is the span that the ledger counts by, in milliseconds.
const minute = int64(time.Minute / time.Millisecond)

// tally says how many samples a series has in a minute, and which: the sum does
// not depend on their order, and differs if a value or a timestamp differs.
type tally struct {
	Count uint32
	Sum   uint64
}

func (t *tally) add(ts int64, v float64) {
	t.Count++
	t.Sum += mix(uint64(ts)*0x9e3779b97f4a7c15 ^ mix(math.Float64bits(v)))
}

// mix is the finaliser of SplitMix64: it spreads each bit over all.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// ledger is what was acknowledged to one agent, by minute and series.
type ledger struct {
	mu      sync.Mutex
	minutes map[int64][]tally // start of the minute → one tally a series
	samples uint64
}

func newLedger() *ledger { return &ledger{minutes: make(map[int64][]tally)} }

// book enters the samples of one moment. Each moment is booked once.
func (l *ledger) book(ts int64, row []float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := ts - ts%minute
	tallies := l.minutes[start]
	if tallies == nil {
		tallies = make([]tally, len(row))
		l.minutes[start] = tallies
	}
	for i, v := range row {
		tallies[i].add(ts, v)
	}
	l.samples += uint64(len(row))
}
