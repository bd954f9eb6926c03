package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/tsdb"
)

// Chunks keeps the time series: it implements tsdb.Store.
//
// The chunks of a block are in tables of their own. Those of cuts are in
// chunks_small_<partition>_<block>_<number>, in the order of cut and pair, so that
// a cut only appends pages; merged ones in chunks_merged_<…>, in the order of
// pair and time. Both are keyed by a rowid made of these two, because rows of a
// rowid table may fill a page, where those of an index spill from a quarter of
// it on.
type Chunks struct {
	db *DB
	// Now is the clock that the time given to Sweep is of; time.Now unless set.
	Now func() time.Time
}

var _ tsdb.Store = (*Chunks)(nil)

// Chunks returns the store of the time series.
func (db *DB) Chunks() *Chunks { return &Chunks{db: db, Now: time.Now} }

const (
	// pairBits is how many low bits of a small chunk's rowid are the pair. The
	// rest counts the cuts of the block.
	pairBits = 40
	maxPair  = 1<<pairBits - 1
	maxNth   = 1<<(63-pairBits) - 1
	// partBits is how many low bits of a merged chunk's rowid count the chunks of
	// a pair in a block.
	partBits = 16
	maxPart  = 1<<partBits - 1
)

// smallID returns the rowid of a small chunk.
func smallID(nth, pair int64) int64 { return nth<<pairBits | pair }

func smallTable(partition int, block, number int64) string {
	return fmt.Sprintf("chunks_small_%d_%d_%d", partition, block, number)
}

func mergedTable(partition int, block, number int64) string {
	return fmt.Sprintf("chunks_merged_%d_%d_%d", partition, block, number)
}

// quoted makes a table's name part of a statement: a block before 1970 brings a
// minus sign in.
func quoted(table string) string { return `"` + table + `"` }

// checkPair refuses a pair whose id would run into the rest of a rowid.
func checkPair(pair int64) error {
	if pair < 1 || pair > maxPair {
		return fmt.Errorf("pair %d: ids are from 1 to %d", pair, int64(maxPair))
	}
	return nil
}

// each calls f for every row of the query.
func each(ctx context.Context, tx *sql.Tx, query string, f func(*sql.Rows) error, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	return eachRow(rows, err, f)
}

// eachRow calls f for every row and closes rows. err is what the query returned.
func eachRow(rows *sql.Rows, err error, f func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err is checked
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// read calls f with a transaction that only reads.
func (c *Chunks) read(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := c.db.reader.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // there is nothing to commit
	return f(tx)
}

func encodeWords(words []uint64) []byte {
	b := make([]byte, 0, 8*len(words))
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

func decodeWords(b []byte) []uint64 {
	var words []uint64
	for ; len(b) >= 8; b = b[8:] {
		words = append(words, binary.LittleEndian.Uint64(b))
	}
	return words
}

// chunksError says what was attempted and names a full disk as such.
func chunksError(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	if isFull(err) {
		return fmt.Errorf("%s: %w: %w", what, tsdb.ErrFull, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
