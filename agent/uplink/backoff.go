package uplink

import (
	"math/rand/v2"
	"time"
)

// backoff spaces attempts: each waits a random time between nothing and a bound
// that doubles up to a cap. The wait stays random at the cap, so that a fleet
// that lost its server does not come back all at once.
type backoff struct {
	base, limit time.Duration
	attempt     int
	random      func(n int64) int64 // rand.Int64N, or a test's
}

func newBackoff(base, limit time.Duration) *backoff {
	return &backoff{base: base, limit: limit, random: rand.Int64N}
}

// next returns how long to wait before the next attempt.
func (b *backoff) next() time.Duration {
	bound := b.limit
	if b.attempt < 30 && b.base<<b.attempt < b.limit {
		bound = b.base << b.attempt
	}
	b.attempt++
	return time.Duration(b.random(int64(bound) + 1))
}

func (b *backoff) reset() { b.attempt = 0 }
