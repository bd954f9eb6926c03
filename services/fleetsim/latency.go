package fleetsim

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// latencies is a histogram of durations with buckets that are at most an eighth
// wide, cheap enough to add to on every acknowledgement.
type latencies struct{ buckets [64 * 8]atomic.Int64 }

func (l *latencies) add(d time.Duration) { l.buckets[bucket(uint64(max(d, 1)))].Add(1) }

// bucket returns the exponent and the next three bits of v.
func bucket(v uint64) int {
	exp := bits.Len64(v) - 1
	if exp < 3 {
		return int(v)
	}
	return exp<<3 | int(v>>(exp-3)&7)
}

// lowest is the smallest value of a bucket.
func lowest(b int) uint64 {
	exp := b >> 3
	if exp < 3 {
		return uint64(b)
	}
	return (8 | uint64(b&7)) << (exp - 3)
}

// quantile returns the upper end of the bucket that holds the quantile.
func (l *latencies) quantile(q float64) time.Duration {
	var total int64
	for i := range l.buckets {
		total += l.buckets[i].Load()
	}
	rank := int64(q * float64(total))
	for i := range l.buckets {
		n := l.buckets[i].Load()
		if n > rank {
			return time.Duration(lowest(i + 1))
		}
		rank -= n
	}
	return 0
}
