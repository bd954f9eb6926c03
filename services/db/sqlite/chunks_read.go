package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/esolutions/esmon/services/tsdb"
)

// snapshot is one read transaction. It implements tsdb.Snapshot.
type snapshot struct {
	mu     sync.Mutex // guards tx: a transaction runs one statement at a time
	tx     *sql.Tx
	blocks []storedBlock // by partition and block
}

// Snapshot implements tsdb.Store. The snapshot ends with ctx, too.
func (c *Chunks) Snapshot(ctx context.Context) (tsdb.Snapshot, error) {
	tx, err := c.db.snapshots.BeginTx(ctx, nil)
	if err != nil {
		return nil, chunksError(err, "open a snapshot of the chunks")
	}
	// SQLite takes the snapshot with the first read, so it is done here.
	blocks, err := readBlocks(ctx, tx, "")
	if err != nil {
		_ = tx.Rollback() // the first error counts
		return nil, chunksError(err, "open a snapshot of the chunks")
	}
	return &snapshot{tx: tx, blocks: blocks}, nil
}

// Close implements tsdb.Snapshot.
func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.tx.Rollback() // there is nothing to commit
	if errors.Is(err, sql.ErrTxDone) {
		return nil // it ended with its context
	}
	return chunksError(err, "close a snapshot of the chunks")
}

// Chunks implements tsdb.Snapshot.
func (s *snapshot) Chunks(ctx context.Context, w *tsdb.Want, f func(tsdb.Chunk) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pairs := possible(w.Pairs)
	if len(pairs) == 0 {
		return nil
	}
	for i := range s.blocks {
		b := &s.blocks[i]
		if b.partition != w.Partition || b.block > w.MaxT || b.block+tsdb.BlockLength.Milliseconds() <= w.MinT {
			continue
		}
		r := blockReader{s.tx, b, w, pairs, f}
		err := r.merged(ctx)
		if err == nil {
			err = r.small(ctx)
		}
		if err != nil {
			return chunksError(err, "read block %d of partition %d", b.block, b.partition)
		}
	}
	return nil
}

// blockReader reads what is wanted of one block.
type blockReader struct {
	tx    *sql.Tx
	b     *storedBlock
	w     *tsdb.Want
	pairs []int64 // that are wanted: at least one, ascending
	f     func(tsdb.Chunk) error
}

// possible returns those of the ascending pairs whose ids can be. Others would
// run into the rest of a rowid.
func possible(pairs []int64) []int64 {
	from, _ := slices.BinarySearch(pairs, 1)
	to, _ := slices.BinarySearch(pairs, maxPair+1)
	return pairs[from:to]
}

const (
	// scanInstead is how many rows a scan may pass over for one that is wanted:
	// about as much as a search for one row costs.
	scanInstead = 4
	// scanFrom is how many pairs make up for a statement of its own, which a scan
	// needs for each cut.
	scanFrom = 16
)

// scan tells whether passing over all rows between the first and the last wanted
// pair is cheaper than searching for each. There are about so many rows in all.
func (r *blockReader) scan(rows int64) bool {
	n := int64(len(r.pairs))
	rows = min(rows, r.pairs[n-1]-r.pairs[0]+1)
	return n >= scanFrom && n >= rows/scanInstead
}

func (r *blockReader) wanted(pair int64) bool {
	_, ok := slices.BinarySearch(r.pairs, pair)
	return ok
}

const (
	// idsAtOnce is how many small chunks one statement asks for by their rowids.
	idsAtOnce = 400
	// spansAtOnce is how many pairs one statement asks for in a merged table.
	spansAtOnce = 100
)

// merged reads the wanted pairs from the merged table.
func (r *blockReader) merged(ctx context.Context) error {
	if r.b.merged == 0 {
		return nil
	}
	if r.scan(r.b.mergedChunks) {
		return r.mergedWhere(ctx, pairSpan(r.pairs[0], r.pairs[len(r.pairs)-1]))
	}
	for some := range slices.Chunk(r.pairs, spansAtOnce) {
		spans := make([]string, len(some))
		for i, p := range some {
			spans[i] = pairSpan(p, p)
		}
		if err := r.mergedWhere(ctx, strings.Join(spans, " OR ")); err != nil {
			return err
		}
	}
	return nil
}

// pairSpan is the condition for all merged chunks from one pair to another.
func pairSpan(first, last int64) string {
	return fmt.Sprintf("id BETWEEN %d AND %d", first<<partBits, last<<partBits|maxPart)
}

func (r *blockReader) mergedWhere(ctx context.Context, where string) error {
	query := mergedColumns + quoted(r.b.mergedTable()) + " WHERE (" + where + ") AND min_time <= ? AND max_time >= ?"
	return each(ctx, r.tx, query, func(rows *sql.Rows) error {
		k, err := scanMerged(rows, r.b.block)
		if err != nil || !r.wanted(k.Pair) {
			return err
		}
		return r.f(k)
	}, r.w.MaxT, r.w.MinT)
}

const mergedColumns = "SELECT id, cut, min_time, max_time, data FROM "

func scanMerged(rows *sql.Rows, block int64) (tsdb.Chunk, error) {
	k := tsdb.Chunk{Block: block}
	var id int64
	err := rows.Scan(&id, &k.Cut, &k.MinT, &k.MaxT, &k.Data)
	k.Pair = id >> partBits
	return k, err
}

// small reads the wanted pairs of each cut that overlaps the time range.
func (r *blockReader) small(ctx context.Context) error {
	var ids []int64 // to be searched, all of one table
	table := int64(0)
	flush := func() error {
		err := r.search(ctx, table, ids)
		ids = ids[:0]
		return err
	}
	for i := range r.b.cuts {
		k := &r.b.cuts[i]
		if k.cut >= r.w.BeforeCut || k.minT > r.w.MaxT || k.maxT < r.w.MinT {
			continue
		}
		if r.scan(k.chunks) {
			if err := r.scanCut(ctx, k); err != nil {
				return err
			}
			continue
		}
		for _, p := range r.pairs {
			if len(ids) == idsAtOnce || k.small != table {
				if err := flush(); err != nil {
					return err
				}
				table = k.small
			}
			ids = append(ids, smallID(k.nth, p))
		}
	}
	return flush()
}

// scanCut reads a cut from the first to the last wanted pair.
func (r *blockReader) scanCut(ctx context.Context, k *storedCut) error {
	query := "SELECT id, data FROM " + quoted(r.b.smallTable(k.small)) + " WHERE id BETWEEN ? AND ?"
	return each(ctx, r.tx, query, func(rows *sql.Rows) error {
		var id int64
		var data sql.RawBytes // copied only if it is wanted
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		pair := id & maxPair
		if !r.wanted(pair) {
			return nil
		}
		return r.f(k.chunk(r.b.block, pair, slices.Clone(data)))
	}, smallID(k.nth, r.pairs[0]), smallID(k.nth, r.pairs[len(r.pairs)-1]))
}

// search reads small chunks by their rowids.
func (r *blockReader) search(ctx context.Context, table int64, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	query := "SELECT id, data FROM " + quoted(r.b.smallTable(table)) + " WHERE id IN (" + joinInts(ids) + ")"
	return each(ctx, r.tx, query, func(rows *sql.Rows) error {
		var id int64
		var data []byte
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		// It is there: the id was made from it.
		at, _ := slices.BinarySearchFunc(r.b.cuts, id>>pairBits, func(k storedCut, nth int64) int { return int(k.nth - nth) })
		return r.f(r.b.cuts[at].chunk(r.b.block, id&maxPair, data))
	})
}

func (k *storedCut) chunk(block, pair int64, data []byte) tsdb.Chunk {
	return tsdb.Chunk{Block: block, Pair: pair, Cut: k.cut, MinT: k.minT, MaxT: k.maxT, Data: data}
}

func joinInts(ids []int64) string {
	b := make([]byte, 0, 20*len(ids))
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(b)
}
