//go:build server

package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/esolutions/esmon/services/tsdb"
)

// snapshot is one read transaction. It implements tsdb.Snapshot.
type snapshot struct {
	mu     sync.Mutex // a transaction runs one statement at a time
	tx     *sql.Tx
	blocks []storedBlock // by partition and block
}

// storedBlock is a block with its cuts that are not merged.
type storedBlock struct {
	partition      int
	block          int64
	merged         int64
	mergedChunks   int64
	small          int64 // number of the table that cuts go to
	mergedBytes    int64
	cuts           []storedCut
	cutChunks, cut int64 // sum of the cuts' chunks; newest cut
}

type storedCut struct {
	cut, small, chunks, bytes int64
	minT, maxT                int64
}

// Snapshot implements tsdb.Store.
func (c *Chunks) Snapshot(ctx context.Context) (tsdb.Snapshot, error) {
	tx, err := c.db.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open a snapshot: %w", err)
	}
	// SQLite takes the snapshot with the first read, so it is done here.
	blocks, err := readBlocks(ctx, tx)
	if err != nil {
		_ = tx.Rollback() // it only read
		return nil, err
	}
	return &snapshot{tx: tx, blocks: blocks}, nil
}

func readBlocks(ctx context.Context, tx *sql.Tx) ([]storedBlock, error) {
	var blocks []storedBlock
	err := each(ctx, tx, "SELECT partition, block, small, merged, merged_chunks, merged_bytes FROM tsdb_blocks ORDER BY partition, block", func(rows *sql.Rows) error {
		var b storedBlock
		if err := rows.Scan(&b.partition, &b.block, &b.small, &b.merged, &b.mergedChunks, &b.mergedBytes); err != nil {
			return err
		}
		blocks = append(blocks, b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	at := 0
	err = each(ctx, tx, "SELECT partition, block, cut, small, chunks, bytes, min_time, max_time FROM tsdb_cuts ORDER BY partition, block, cut", func(rows *sql.Rows) error {
		var partition int
		var block int64
		var k storedCut
		if err := rows.Scan(&partition, &block, &k.cut, &k.small, &k.chunks, &k.bytes, &k.minT, &k.maxT); err != nil {
			return err
		}
		for blocks[at].partition != partition || blocks[at].block != block {
			at++
		}
		b := &blocks[at]
		b.cuts = append(b.cuts, k)
		b.cutChunks += k.chunks
		b.cut = k.cut
		return nil
	})
	return blocks, err
}

// Close implements tsdb.Snapshot.
func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tx.Rollback() // there is nothing to commit
}

// Chunks implements tsdb.Snapshot.
func (s *snapshot) Chunks(ctx context.Context, w *tsdb.Want, f func(tsdb.Chunk) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.blocks {
		b := &s.blocks[i]
		if b.partition != w.Partition || b.block > w.MaxT || b.block+tsdb.BlockLength.Milliseconds() <= w.MinT {
			continue
		}
		if b.merged > 0 {
			if err := s.mergedChunks(ctx, b, w, f); err != nil {
				return chunksError(err, "read block %d", b.block)
			}
		}
		if err := s.smallChunks(ctx, b, w, f); err != nil {
			return chunksError(err, "read block %d", b.block)
		}
	}
	return nil
}

// scanInstead is how many rows a scan may pass over for one that is wanted: about
// as much as a search for one row costs.
const scanInstead = 16

// mergedChunks reads the wanted pairs from the merged table, by a scan where most
// of the block is wanted.
func (s *snapshot) mergedChunks(ctx context.Context, b *storedBlock, w *tsdb.Want, f func(tsdb.Chunk) error) error {
	from := "SELECT id, cut, min_time, max_time, data FROM " + mergedTable(b.partition, b.block, b.merged) + " WHERE "
	use := func(rows *sql.Rows) error {
		var id int64
		k := tsdb.Chunk{Block: b.block}
		if err := rows.Scan(&id, &k.Cut, &k.MinT, &k.MaxT, &k.Data); err != nil {
			return err
		}
		k.Pair = id >> nthBits
		if k.MinT > w.MaxT || k.MaxT < w.MinT || !wanted(w.Pairs, k.Pair) {
			return nil
		}
		return f(k)
	}
	if int64(len(w.Pairs))*scanInstead > b.mergedChunks {
		return each(ctx, s.tx, from+"id BETWEEN ? AND ?", use, w.Pairs[0]<<nthBits, w.Pairs[len(w.Pairs)-1]<<nthBits|(1<<nthBits-1))
	}
	for pairs := range slices.Chunk(w.Pairs, idsAtOnce/4) {
		terms := make([]string, len(pairs))
		for i, p := range pairs {
			terms[i] = fmt.Sprintf("id BETWEEN %d AND %d", p<<nthBits, p<<nthBits|(1<<nthBits-1))
		}
		if err := each(ctx, s.tx, from+strings.Join(terms, " OR "), use); err != nil {
			return err
		}
	}
	return nil
}

// idsAtOnce is how many rows one statement asks for by their ids.
const idsAtOnce = 400

// smallChunks reads the wanted pairs of each cut that overlaps the time range.
func (s *snapshot) smallChunks(ctx context.Context, b *storedBlock, w *tsdb.Want, f func(tsdb.Chunk) error) error {
	var ids []int64 // to be searched, all of one table
	table := int64(0)
	flush := func() error {
		err := s.byID(ctx, b, table, ids, f)
		ids = ids[:0]
		return err
	}
	for i := range b.cuts {
		k := &b.cuts[i]
		if k.cut >= w.BeforeCut || k.minT > w.MaxT || k.maxT < w.MinT {
			continue
		}
		if int64(len(w.Pairs))*scanInstead > k.chunks {
			if err := s.scanCut(ctx, b, k, w, f); err != nil {
				return err
			}
			continue
		}
		for _, p := range w.Pairs {
			if len(ids) == idsAtOnce || k.small != table {
				if err := flush(); err != nil {
					return err
				}
				table = k.small
			}
			ids = append(ids, k.cut<<pairBits|p)
		}
	}
	return flush()
}

func (s *snapshot) scanCut(ctx context.Context, b *storedBlock, k *storedCut, w *tsdb.Want, f func(tsdb.Chunk) error) error {
	query := "SELECT id, data FROM " + smallTable(b.partition, b.block, k.small) + " WHERE id BETWEEN ? AND ?"
	return each(ctx, s.tx, query, func(rows *sql.Rows) error {
		var id int64
		var data sql.RawBytes
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		pair := id & (1<<pairBits - 1)
		if !wanted(w.Pairs, pair) {
			return nil
		}
		return f(tsdb.Chunk{Block: b.block, Pair: pair, Cut: k.cut, MinT: k.minT, MaxT: k.maxT, Data: slices.Clone(data)})
	}, k.cut<<pairBits|w.Pairs[0], k.cut<<pairBits|w.Pairs[len(w.Pairs)-1])
}

func (s *snapshot) byID(ctx context.Context, b *storedBlock, table int64, ids []int64, f func(tsdb.Chunk) error) error {
	if len(ids) == 0 {
		return nil
	}
	query := "SELECT id, data FROM " + smallTable(b.partition, b.block, table) + " WHERE id IN (" + joinInts(ids) + ")"
	return each(ctx, s.tx, query, func(rows *sql.Rows) error {
		var id int64
		k := tsdb.Chunk{Block: b.block}
		if err := rows.Scan(&id, &k.Data); err != nil {
			return err
		}
		k.Pair, k.Cut = id&(1<<pairBits-1), id>>pairBits
		at, _ := slices.BinarySearchFunc(b.cuts, k.Cut, func(c storedCut, cut int64) int { return int(c.cut - cut) }) // it is there: the id was made from it
		k.MinT, k.MaxT = b.cuts[at].minT, b.cuts[at].maxT
		return f(k)
	})
}

func wanted(pairs []int64, pair int64) bool {
	_, ok := slices.BinarySearch(pairs, pair)
	return ok
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
