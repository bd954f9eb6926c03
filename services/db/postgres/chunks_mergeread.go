package postgres

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/esolutions/esmon/services/tsdb"
)

const (
	// mergeBytes is about how many bytes Next returns.
	mergeBytes = 4 << 20
	// mostPairs is how many pairs Next looks at together at the most.
	mostPairs = 1024
)

// Next implements tsdb.Merge.
func (m *merge) Next(ctx context.Context) ([]tsdb.Chunk, error) {
	var chunks []tsdb.Chunk
	err := m.use(func(conn *pgxpool.Conn) (err error) {
		for len(chunks) == 0 && m.next <= maxPair {
			if chunks, err = m.window(ctx, conn); err != nil || len(chunks) > 0 {
				return err
			}
			// No pair has so an id; the next that is there may be far away.
			if m.next, err = m.seek(ctx, conn); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, m.error(err, "read for the merge of")
	}
	if len(chunks) == 0 {
		return nil, io.EOF
	}
	slices.SortStableFunc(chunks, func(a, b tsdb.Chunk) int {
		return cmp.Or(cmp.Compare(a.Pair, b.Pair), cmp.Compare(a.Cut, b.Cut))
	})
	return chunks, nil
}

// pairsAtOnce returns how many pairs have about mergeBytes.
func (m *merge) pairsAtOnce() int64 {
	pairs, bytes := int64(1), m.from.mergedBytes // pairs: in whichever cut has most
	for i := range m.from.cuts {
		pairs = max(pairs, m.from.cuts[i].chunks)
		bytes += m.from.cuts[i].bytes
	}
	return min(max(mergeBytes/(bytes/pairs+1), 1), mostPairs)
}

// window returns all chunks of the next ids, and goes past them.
func (m *merge) window(ctx context.Context, conn *pgxpool.Conn) ([]tsdb.Chunk, error) {
	last := min(m.next+m.pairsAtOnce()-1, maxPair)
	var chunks []tsdb.Chunk
	if m.from.merged > 0 {
		query := "SELECT id, cut, min_time, max_time, data FROM " + quoted(m.from.mergedTable()) + " WHERE id BETWEEN $1 AND $2 ORDER BY id"
		err := eachRaw(ctx, conn, query, func(row [][]byte) error {
			chunks = append(chunks, mergedChunk(m.from.block, row))
			return nil
		}, m.next<<partBits, last<<partBits|maxPart)
		if err != nil {
			return nil, err
		}
	}
	err := m.from.cutsIn(anyCut, func(table string, cuts []*storedCut) error {
		return eachRaw(ctx, conn, cutRanges(table), func(row [][]byte) error {
			chunks = append(chunks, smallChunk(&m.from, cuts, row))
			return nil
		}, nthOf(cuts), m.next, last)
	})
	if err == nil { // else it can be tried again
		m.next = last + 1
	}
	return chunks, err
}

func anyCut(*storedCut) bool { return true }

// seek returns the first pair not yet read that has chunks. If there is none, it
// is one that cannot be.
func (m *merge) seek(ctx context.Context, conn *pgxpool.Conn) (int64, error) {
	first := int64(maxPair + 1)
	if m.from.merged > 0 {
		query := fmt.Sprintf("SELECT min(id) >> %d FROM %s WHERE id >= $1", partBits, quoted(m.from.mergedTable()))
		var pair *int64
		if err := conn.QueryRow(ctx, query, m.next<<partBits).Scan(&pair); err != nil {
			return 0, err
		}
		if pair != nil {
			first = *pair
		}
	}
	err := m.from.cutsIn(anyCut, func(table string, cuts []*storedCut) error {
		query := fmt.Sprintf(`SELECT min(first.id & %d) FROM unnest($1::bigint[]) AS nth, LATERAL (SELECT k.id FROM %s AS k
			WHERE k.id BETWEEN (nth << %d) + $2 AND (nth << %d) + %d ORDER BY k.id LIMIT 1) AS first`, int64(maxPair), quoted(table), pairBits, pairBits, int64(maxPair))
		var pair *int64
		if err := conn.QueryRow(ctx, query, nthOf(cuts), m.next).Scan(&pair); err != nil {
			return err
		}
		if pair != nil {
			first = min(first, *pair)
		}
		return nil
	})
	return first, err
}
