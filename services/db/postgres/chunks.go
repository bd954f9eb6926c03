package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/tsdb"
)

// Chunks keeps the time series: it implements tsdb.Store.
//
// The chunks of a block are in tables of their own. Those of cuts are in
// chunks_small_<partition>_<block>_<number>, in the order of cut and pair, so that
// a cut only appends pages; merged ones in chunks_merged_<…>, in the order of
// pair and time. Both have one key made of these two. Which tables there are and
// what is in them is in tables that begin with tsdb_: whoever asks these in a
// transaction sees one state. A table is made before the transaction that fills
// it, because the file of one that was not committed when a server crashed is
// never removed; and it is dropped long after the transaction that took it out
// of use, so that nobody who still reads it is disturbed or waited for.
type Chunks struct {
	db *DB
	// Now is the clock that the time given to Sweep is of; time.Now unless set.
	Now func() time.Time
}

var _ tsdb.Store = (*Chunks)(nil)

// Chunks returns the store of the time series.
func (db *DB) Chunks() *Chunks { return &Chunks{db: db, Now: time.Now} }

const (
	// pairBits is how many low bits of a small chunk's id are the pair. The rest
	// counts the cuts of the block.
	pairBits = 40
	maxPair  = 1<<pairBits - 1
	maxNth   = 1<<(63-pairBits) - 1
	// partBits is how many low bits of a merged chunk's id count the chunks of a
	// pair in a block.
	partBits = 16
	maxPart  = 1<<partBits - 1
)

// smallID returns the id of a small chunk.
func smallID(nth, pair int64) int64 { return nth<<pairBits | pair }

// checkPair refuses a pair whose id would run into the rest of a chunk's.
func checkPair(pair int64) error {
	if pair < 1 || pair > maxPair {
		return fmt.Errorf("pair %d: ids are from 1 to %d", pair, int64(maxPair))
	}
	return nil
}

// beginner is a connection or a pool of them.
type beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// durable is how transactions begin whose commit must outlive the server: also
// when its administrator, or this session, chose not to wait for the disk. The
// statements of one see what others committed meanwhile.
var durable = pgx.TxOptions{BeginQuery: `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
	SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'`}

// short is how transactions begin that see what others committed meanwhile.
var short = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}

// reading is how transactions begin that see one state of the database.
var reading = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// within runs fn in a transaction and commits it. If fn returns an error, nothing
// of it stays.
func within(ctx context.Context, on beginner, options pgx.TxOptions, fn func(pgx.Tx) error) error {
	tx, err := on.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	// Also when the caller gave up: the connection goes back clean or not at all.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // does nothing after the commit
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// querier is a transaction, a connection or a pool.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// each calls f for every row of the query.
func each(ctx context.Context, q querier, query string, f func(pgx.Rows) error, args ...any) error {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// changed executes a statement and returns how many rows it changed.
func changed(ctx context.Context, tx pgx.Tx, statement string, args ...any) (int64, error) {
	tag, err := tx.Exec(ctx, statement, args...)
	return tag.RowsAffected(), err
}

// storable makes a text one that the database takes.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
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
	if hasCode(err, "53100") && !errors.Is(err, tsdb.ErrFull) { // disk_full, also of a file that cannot grow
		err = fmt.Errorf("%w: %w", tsdb.ErrFull, err)
	}
	return failed(err, format, args...)
}
