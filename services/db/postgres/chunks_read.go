package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/tsdb"
)

// blockReader reads what is wanted of one block.
type blockReader struct {
	tx    pgx.Tx
	b     *storedBlock
	w     *tsdb.Want
	pairs []int64 // that are wanted: at least one, ascending
	f     func(tsdb.Chunk) error
}

const (
	// scanInstead is how many rows a scan may pass over for one that is wanted:
	// about as much as a search for one row costs.
	scanInstead = 8
	// scanFrom is from how many pairs on a scan is worth a thought.
	scanFrom = 16
	// idsAtOnce is how many small chunks one statement searches.
	idsAtOnce = 20_000
)

// scan tells whether passing over all rows between the first and the last wanted
// pair is cheaper than searching for each. There are about so many rows in all.
func (r *blockReader) scan(rows int64) bool {
	n := int64(len(r.pairs))
	return n >= scanFrom && n >= min(rows, r.last()-r.first()+1)/scanInstead
}

func (r *blockReader) first() int64 { return r.pairs[0] }
func (r *blockReader) last() int64  { return r.pairs[len(r.pairs)-1] }

// merged reads the wanted pairs from the merged table.
func (r *blockReader) merged(ctx context.Context) error {
	table := quoted(r.b.mergedTable())
	query := fmt.Sprintf(`SELECT k.id, k.cut, k.min_time, k.max_time, k.data FROM unnest($1::bigint[]) AS pair
		JOIN %s AS k ON k.id BETWEEN pair << %d AND (pair << %d) + %d WHERE k.min_time <= $2 AND k.max_time >= $3`, table, partBits, partBits, maxPart)
	args := []any{r.pairs, r.w.MaxT, r.w.MinT}
	if r.scan(r.b.mergedChunks) {
		query = fmt.Sprintf(`SELECT id, cut, min_time, max_time, data FROM %s
			WHERE id BETWEEN $4 AND $5 AND id >> %d = ANY($1::bigint[]) AND min_time <= $2 AND max_time >= $3`, table, partBits)
		args = append(args, r.first()<<partBits, r.last()<<partBits|maxPart)
	}
	return eachRaw(ctx, r.tx, query, func(row [][]byte) error { return r.f(mergedChunk(r.b.block, row)) }, args...)
}

// mergedChunk makes a chunk of a row of the columns id, cut, min_time, max_time
// and data.
func mergedChunk(block int64, row [][]byte) tsdb.Chunk {
	return tsdb.Chunk{
		Block: block, Pair: integer(row[0]) >> partBits, Cut: integer(row[1]),
		MinT: integer(row[2]), MaxT: integer(row[3]), Data: slices.Clone(row[4]),
	}
}

// small reads the wanted pairs of cuts that are in one table.
func (r *blockReader) small(ctx context.Context, table string, cuts []*storedCut) error {
	var scanned, searched []*storedCut
	for _, k := range cuts {
		if r.scan(k.chunks) {
			scanned = append(scanned, k)
		} else {
			searched = append(searched, k)
		}
	}
	scan := cutRanges(table) + fmt.Sprintf(" WHERE k.id & %d = ANY($4::bigint[])", int64(maxPair))
	if err := r.smallFrom(ctx, scanned, scan, nthOf(scanned), r.first(), r.last(), r.pairs); err != nil {
		return err
	}
	return r.search(ctx, table, searched)
}

// search reads chunks of cuts by their ids, in the order in which they lie there.
func (r *blockReader) search(ctx context.Context, table string, cuts []*storedCut) error {
	query := "SELECT k.id, k.data FROM unnest($1::bigint[]) AS wanted JOIN " + quoted(table) + " AS k ON k.id = wanted"
	ids := make([]int64, 0, min(len(cuts)*len(r.pairs), idsAtOnce))
	for i, k := range cuts {
		for j, p := range r.pairs {
			ids = append(ids, smallID(k.nth, p))
			last := i == len(cuts)-1 && j == len(r.pairs)-1
			if len(ids) < idsAtOnce && !last {
				continue
			}
			if err := r.smallFrom(ctx, cuts, query, ids); err != nil {
				return err
			}
			ids = ids[:0]
		}
	}
	return nil
}

// smallFrom reads what a query finds of the cuts.
func (r *blockReader) smallFrom(ctx context.Context, cuts []*storedCut, query string, args ...any) error {
	if len(cuts) == 0 {
		return nil
	}
	return eachRaw(ctx, r.tx, query, func(row [][]byte) error { return r.f(smallChunk(r.b, cuts, row)) }, args...)
}

// cutRanges is a query for all chunks of the pairs $2 to $3 of the cuts $1.
func cutRanges(table string) string {
	return fmt.Sprintf("SELECT k.id, k.data FROM unnest($1::bigint[]) AS nth JOIN %s AS k ON k.id BETWEEN (nth << %d) + $2 AND (nth << %d) + $3",
		quoted(table), pairBits, pairBits)
}

func nthOf(cuts []*storedCut) []int64 {
	list := make([]int64, len(cuts))
	for i, k := range cuts {
		list[i] = k.nth
	}
	return list
}

// smallChunk makes a chunk of a row of the columns id and data. Its cut is among
// those, from which the id was made that was asked for.
func smallChunk(b *storedBlock, cuts []*storedCut, row [][]byte) tsdb.Chunk {
	id := integer(row[0])
	at, _ := slices.BinarySearchFunc(cuts, id>>pairBits, func(k *storedCut, nth int64) int { return int(k.nth - nth) })
	k := cuts[at]
	return tsdb.Chunk{Block: b.block, Pair: id & maxPair, Cut: k.cut, MinT: k.minT, MaxT: k.maxT, Data: slices.Clone(row[1])}
}

func integer(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// eachRaw calls f with the binary form of every row of a query for a table of
// chunks, valid until it returns. The server keeps no plan: there are many such
// tables, and it would not know that one plan is good for few ids, another for
// many.
func eachRaw(ctx context.Context, q querier, query string, f func(row [][]byte) error, args ...any) error {
	return each(ctx, q, query, func(rows pgx.Rows) error { return f(rows.RawValues()) },
		append([]any{pgx.QueryExecModeCacheDescribe, pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
}
