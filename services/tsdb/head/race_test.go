package head_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/esolutions/esmon/services/tsdb/head"
)

const (
	racePairs = 40
	raceWidth = 11
	raceRows  = 120
)

// expected is what every value of a row follows from, so that a reader can tell
// a torn row, or one of another table.
func expected(table uint64, ref uint32, i, column int) float64 {
	return float64(table*1e9) + float64(int(ref)*1_000_000+i*100+column)
}

// One appender that goes from table to table, cuts that let go of them, and
// readers that hold what they read.
func TestReadersBesideTheAppender(t *testing.T) {
	t.Parallel()
	pool := head.NewPool(1 << 20)
	var mu sync.RWMutex // guards active, as the lock of a partition does
	active, number := head.NewTable(pool), uint64(0)
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				mu.RLock()
				table, n := active, number
				table.Retain()
				mu.RUnlock()
				for ref := range uint32(racePairs) {
					if err := readRace(table, n, ref); err != nil {
						t.Error(err)
					}
				}
				table.Size()
				table.Release()
			}
		})
	}
	for range 12 {
		values := make([]float64, raceWidth)
		for i := range raceRows {
			for ref := range uint32(racePairs) {
				for c := range values {
					values[c] = expected(number, ref, i, c)
				}
				active.Append(ref, number<<32|uint64(i), int64(i), values)
			}
		}
		mu.Lock()
		full := active
		active, number = head.NewTable(pool), number+1
		mu.Unlock()
		readers.Go(func() { // the commit
			full.Refs(func(ref uint32) { full.Rows(ref) })
			full.Release()
		})
	}
	done.Store(true)
	readers.Wait()
	pool.Words()
}

func readRace(table *head.Table, n uint64, ref uint32) error {
	rows := table.Rows(ref)
	if rows.Unsorted {
		return errors.New("rows are unsorted")
	}
	i := 0
	for c := rows.Cursor(); c.Next(); i++ {
		if c.Time() != int64(i) || c.Rank() != n<<32|uint64(i) {
			return fmt.Errorf("table %d, pair %d, row %d: time %d, rank %x", n, ref, i, c.Time(), c.Rank())
		}
		for column := range raceWidth {
			if got, want := c.Value(column), expected(n, ref, i, column); got != want {
				return fmt.Errorf("table %d, pair %d, row %d: value %g, want %g", n, ref, i, got, want)
			}
		}
	}
	if i != rows.Len() {
		return fmt.Errorf("%d rows of %d", i, rows.Len())
	}
	return nil
}
