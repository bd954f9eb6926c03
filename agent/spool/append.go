package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// reserveBy is how many sequence numbers are reserved at once. Each reservation
// is one fsync; a process that dies leaves the rest of its block unused.
const reserveBy = 4096

// row is a batch about to be written.
type row struct {
	seq      uint64
	frames   []*ingestv1.Frame
	from, to int64
	samples  int64
	payload  []byte
}

func (r *row) bytes() int64 { return int64(len(r.payload)) + rowBytes }

func newRow(c *codec, frames []*ingestv1.Frame) (*row, error) {
	r := &row{frames: frames, from: frames[0].TimestampMs, to: frames[0].TimestampMs}
	for _, f := range frames {
		r.from, r.to = min(r.from, f.TimestampMs), max(r.to, f.TimestampMs)
		r.samples += int64(len(f.Values))
	}
	var err error
	r.payload, err = c.encode(frames)
	return r, err
}

// ended is a pair that a probe reported no more.
type ended struct {
	probe string
	pair  pair
}

// addition is what one transaction adds.
type addition struct {
	batches  [][]*ingestv1.Frame
	ended    []ended // pairs that are live no more
	replaces uint64  // sequence of a batch that the new ones stand for; 0: none
}

// append writes batches and all that belongs to them, definitions and live
// entities, in one transaction. The caller holds mu.
func (s *Spool) append(ctx context.Context, add addition) error {
	batches := add.batches
	rows := make([]*row, len(batches))
	for i, frames := range batches {
		r, err := newRow(s.codec, frames)
		if err != nil {
			return err
		}
		rows[i] = r
	}
	var gone held
	err := s.transact(ctx, s.mustSync(len(rows)), func(tx *sql.Tx) (err error) {
		// Numbered here: a damaged file is replaced and this runs again.
		for i, r := range rows {
			r.seq = s.next + uint64(i)
		}
		if gone, err = deleteRange(tx, Range{add.replaces, add.replaces}); err != nil {
			return err
		}
		return s.write(tx, rows, add.ended)
	})
	if err != nil {
		return fmt.Errorf("write %d batches to the spool: %w", len(rows), err)
	}
	s.appendedRows(rows)
	s.totals.AppendedBatches -= gone.batches
	s.totals.AppendedSamples -= gone.samples
	// The batches are in the spool: a failure from here on is none of theirs, or
	// the caller would write them again. Maintain tries again and says why.
	_ = errors.Join(s.release(ctx, gone), s.trimBytes(ctx))
	return nil
}

// mustSync tells whether the transaction gives out numbers for the first time.
func (s *Spool) mustSync(batches int) bool {
	return s.next+uint64(batches) > s.limit || s.defs.dirty()
}

func (s *Spool) write(tx *sql.Tx, rows []*row, gone []ended) error {
	if err := s.defs.save(tx); err != nil {
		return err
	}
	for _, e := range gone {
		if _, err := tx.Exec("DELETE FROM live WHERE probe = ? AND entity = ? AND schema = ?", e.probe, e.pair.entity, e.pair.schema); err != nil {
			return fmt.Errorf("forget a vanished entity: %w", err)
		}
	}
	if err := s.live.save(tx); err != nil {
		return err
	}
	if err := s.gaps.save(tx); err != nil {
		return err
	}
	if err := s.reserve(tx, len(rows)); err != nil {
		return err
	}
	for _, r := range rows {
		if err := insertRow(tx, r); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spool) reserve(tx *sql.Tx, batches int) error {
	need := s.next + uint64(batches)
	if need <= s.limit {
		return nil
	}
	if _, err := tx.Exec("UPDATE meta SET value = ? WHERE key = 'sequence_limit'", fmt.Sprint(need+reserveBy)); err != nil {
		return fmt.Errorf("reserve sequence numbers: %w", err)
	}
	return nil
}

func insertRow(tx *sql.Tx, r *row) error {
	_, err := tx.Exec("INSERT INTO batch (seq, from_ms, to_ms, frames, samples, bytes, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
		int64(r.seq), r.from, r.to, len(r.frames), r.samples, r.bytes(), r.payload)
	if err != nil {
		return fmt.Errorf("insert batch %d: %w", r.seq, err)
	}
	return nil
}

// appendedRows brings what is kept in memory up to the committed rows.
func (s *Spool) appendedRows(rows []*row) {
	if need := s.next + uint64(len(rows)); need > s.limit {
		s.limit = need + reserveBy
	}
	s.defs.markSaved()
	s.live.markSaved()
	s.gaps.markSaved()
	for _, r := range rows {
		s.next = r.seq + 1
		s.defs.use(r.frames, r.seq)
		s.hold(r)
		s.totals.AppendedBatches++
		s.totals.AppendedSamples += r.samples
	}
	select {
	case s.appended <- struct{}{}:
	default: // the receiver knows already
	}
}

func (s *Spool) hold(r *row) {
	h := &s.held
	if h.batches == 0 {
		h.oldest, h.newest = r.from, r.to
	}
	h.oldest, h.newest = min(h.oldest, r.from), max(h.newest, r.to)
	h.batches++
	h.bytes += r.bytes()
	h.samples += r.samples
}
