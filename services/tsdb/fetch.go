package tsdb

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/esolutions/esmon/services/tsdb/index"
)

// fetcher reads chunks from the Store for a query: for many pairs at a time, in
// the order of the series, and no more than fit the query's memory. Its owner's
// lock guards it.
type fetcher struct {
	limit   int64
	bytes   int64
	held    map[fetchKey][]Chunk
	batches [][]fetchKey // oldest first
	mean    int64        // bytes of a pair so far
}

// fetchKey is a pair of a partition, and the range that its chunks were read for. The
// number of a pair would not do: it may become another's while the querier lives.
type fetchKey struct {
	partition  int
	pair       *index.Pair
	mint, maxt int64
}

func (set *seriesSet) fetchKey(v *view, pair *index.Pair) fetchKey {
	return fetchKey{v.p.id, pair, set.mint, set.maxt}
}

const (
	firstBatch = 64
	mostBatch  = 1024
)

func (f *fetcher) init(q *Querier) {
	f.limit, f.held = q.db.cfg.QueryBytes, map[fetchKey][]Chunk{}
}

// chunks returns what is stored of the pair in the range of the set. at is the
// place of the series that asks; those behind it will ask next.
func (q *Querier) chunks(v *view, set *seriesSet, at int, pair *index.Pair) ([]Chunk, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	key := set.fetchKey(v, pair)
	if list, ok := q.fetch.held[key]; ok {
		return list, nil
	}
	if q.closed {
		return nil, fmt.Errorf("read chunks: the querier is closed")
	}
	if q.snap == nil {
		snap, err := q.db.store.Snapshot(q.ctx)
		if err != nil {
			return nil, fmt.Errorf("open snapshot of the chunks: %w", err)
		}
		q.snap = snap
	}
	if err := q.load(v, set, at, pair); err != nil {
		return nil, fmt.Errorf("read chunks: %w", err)
	}
	return q.fetch.held[key], nil
}

// errTooMuch ends a read that brings more than the query may hold.
var errTooMuch = errors.New("more chunks than fit the query's memory")

// load fetches the pair and those that the series behind it will need. When that
// is more than fits, it fetches the pair alone, however large it is.
func (q *Querier) load(v *view, set *seriesSet, at int, pair *index.Pair) error {
	err := q.loadBatch(v, set, at, pair, q.fetch.batchSize())
	if errors.Is(err, errTooMuch) {
		q.fetch.mean = max(q.fetch.mean, q.fetch.limit)
		err = q.loadBatch(v, set, at, pair, 1)
	}
	return err
}

func (q *Querier) loadBatch(v *view, set *seriesSet, at int, pair *index.Pair, size int) error {
	f := &q.fetch
	batch, byID := q.batch(v, set, at, pair, size)
	f.makeRoom(int64(len(batch)) * f.mean)
	f.batches = append(f.batches, batch)
	if len(byID) == 0 {
		return nil
	}
	want := &Want{
		Partition: v.p.id, Pairs: slices.Sorted(maps.Keys(byID)),
		MinT: set.mint, MaxT: min(set.maxt, v.coldMaxT), BeforeCut: v.beforeCut,
	}
	before := f.bytes
	q.db.metrics.sqlReads.Inc()
	err := q.snap.Chunks(q.ctx, want, func(c Chunk) error {
		key := byID[c.Pair]
		f.held[key] = append(f.held[key], c)
		f.bytes += int64(len(c.Data))
		if f.bytes > f.limit && len(batch) > 1 {
			return errTooMuch
		}
		return nil
	})
	if err != nil {
		f.drop(len(f.batches) - 1)
		return err
	}
	f.mean = max(f.mean, (f.bytes-before)/int64(len(batch)))
	for _, key := range batch {
		slices.SortFunc(f.held[key], func(a, b Chunk) int { return cmp.Compare(a.MinT, b.MinT) })
	}
	return nil
}

// batch returns what to fetch: the pair, and those of the series behind it up to
// the size, without what is held already. byID has those that the store knows.
func (q *Querier) batch(v *view, set *seriesSet, at int, pair *index.Pair, size int) (batch []fetchKey, byID map[int64]fetchKey) {
	f := &q.fetch
	byID = map[int64]fetchKey{}
	take := func(p *index.Pair) {
		key := set.fetchKey(v, p)
		if _, ok := f.held[key]; ok {
			return
		}
		f.held[key] = nil
		batch = append(batch, key)
		if id := q.storedID(v.p, p); id != 0 {
			byID[id] = key
		}
	}
	take(pair)
	for _, s := range set.list[at:] {
		if len(batch) >= size {
			break
		}
		for _, src := range s.sources {
			take(src.pair)
		}
	}
	return batch, byID
}

// storedID returns the pair's id in the store, 0 if it has none. The number of a
// pair that was collected meanwhile may be another's by now; if it is not after
// the id was read, the id is the pair's.
func (q *Querier) storedID(p *partition, pair *index.Pair) int64 {
	p.mu.RLock()
	id := p.storedID(pair)
	p.mu.RUnlock()
	if q.db.index.ByRef(pair.Ref) != pair {
		return 0
	}
	return id
}

// batchSize returns how many pairs to fetch together.
func (f *fetcher) batchSize() int {
	if f.mean == 0 {
		return firstBatch
	}
	return int(min(max(f.limit/2/f.mean, 1), mostBatch))
}

// makeRoom forgets the oldest batches until the bytes fit.
func (f *fetcher) makeRoom(bytes int64) {
	for len(f.batches) > 0 && f.bytes+bytes > f.limit {
		f.drop(0)
	}
}

func (f *fetcher) drop(i int) {
	for _, key := range f.batches[i] {
		for _, c := range f.held[key] {
			f.bytes -= int64(len(c.Data))
		}
		delete(f.held, key)
	}
	f.batches = slices.Delete(f.batches, i, i+1)
}

func formatTime(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
