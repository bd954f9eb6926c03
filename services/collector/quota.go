package collector

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/esolutions/esmon/services/metric"
)

// quota is what one sender uses of what it may. It outlives its streams, so that
// connecting again gains nothing.
type quota struct {
	cfg    *Config
	who    string // such as `agent 1f2e…`, for messages
	bucket *rate.Limiter

	mu     sync.Mutex // guards what follows
	live   map[pairID]*livePair
	series int       // of all live pairs
	swept  time.Time // when idle pairs were last looked for

	users int       // streams and pushes; guarded by quotas.mu
	idle  time.Time // since when there are none; guarded by quotas.mu
}

type pairID struct{ entity, schema metric.ID }

// livePair is an entity with a schema that frames came for lately.
type livePair struct {
	width int
	used  atomic.Int64 // when a frame came last, Unix seconds
	gone  atomic.Bool  // it was idle and counts no more: it must be admitted anew
}

// sweepEvery bounds how often a sender over its quota makes the collector look
// through all its pairs.
const sweepEvery = 10 * time.Second

// admit counts the pair, or says why it may not be.
func (q *quota) admit(id pairID, width int, now time.Time) (*livePair, *metric.Refusal) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if p := q.live[id]; p != nil {
		p.used.Store(now.Unix())
		return p, nil
	}
	if q.series+width > q.cfg.MaxSeries && now.Sub(q.swept) >= sweepEvery {
		q.sweepLocked(now)
	}
	if q.series+width > q.cfg.MaxSeries {
		return nil, &metric.Refusal{Reason: "agent_series_quota", Message: fmt.Sprintf(
			"%s has %d series in use, its quota is %d (collector.max_series) and this would add %d: find what makes a series of every request, user or file, or raise the setting; series that are not sent for %s (collector.idle_after) free their place",
			q.who, q.series, q.cfg.MaxSeries, width, q.cfg.IdleAfter)}
	}
	p := &livePair{width: width}
	p.used.Store(now.Unix())
	q.live[id] = p
	q.series += width
	return p, nil
}

// retire stops counting the pair.
func (q *quota) retire(id pairID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if p := q.live[id]; p != nil {
		q.dropLocked(id, p)
	}
}

func (q *quota) sweep(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sweepLocked(now)
}

func (q *quota) sweepLocked(now time.Time) {
	q.swept = now
	oldest := now.Add(-q.cfg.IdleAfter).Unix()
	for id, p := range q.live {
		if p.used.Load() < oldest {
			q.dropLocked(id, p)
		}
	}
}

func (q *quota) dropLocked(id pairID, p *livePair) {
	p.gone.Store(true)
	q.series -= p.width
	delete(q.live, id)
}

// take spends samples of the rate. If there are too few left, nothing is spent
// and it returns how long to wait.
func (q *quota) take(samples int, now time.Time) time.Duration {
	r := q.bucket.ReserveN(now, samples)
	if !r.OK() { // more than the burst; the server's settings exclude it
		return time.Second
	}
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// quotas are those of all senders.
type quotas struct {
	cfg *Config
	mu  sync.Mutex // guards what follows
	by  map[string]*quota
}

// use returns the quota of the sender; the caller releases it.
func (qs *quotas) use(who string) *quota {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q := qs.by[who]
	if q == nil {
		q = &quota{
			cfg: qs.cfg, who: who, live: map[pairID]*livePair{},
			bucket: rate.NewLimiter(rate.Limit(qs.cfg.SamplesPerSecond), qs.cfg.BurstSamples),
		}
		qs.by[who] = q
	}
	q.users++
	return q
}

func (qs *quotas) release(q *quota, now time.Time) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if q.users--; q.users == 0 {
		q.idle = now
	}
}

// tidy forgets senders that are gone for long and idle series of the others.
func (qs *quotas) tidy(now time.Time) {
	qs.mu.Lock()
	var rest []*quota
	for who, q := range qs.by {
		if q.users == 0 && now.Sub(q.idle) > qs.cfg.IdleAfter {
			delete(qs.by, who)
			continue
		}
		rest = append(rest, q)
	}
	qs.mu.Unlock()
	for _, q := range rest {
		q.sweep(now)
	}
}
