package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Maintain drops what is too old, forgets definitions that nothing uses and
// gives freed pages back to the file system.
func (s *Spool) Maintain(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	if err := s.ensure(ctx); err != nil {
		return err
	}
	s.logGaps(ctx)
	err := s.maintain(ctx)
	if damaged(err) {
		return s.replace(ctx, err)
	}
	return err
}

func (s *Spool) maintain(ctx context.Context) error {
	if err := errors.Join(s.trimAge(ctx), s.trimBytes(ctx)); err != nil {
		return err
	}
	if err := s.forgetUnused(ctx); err != nil {
		return err
	}
	// A step at a time: a large spool that was acknowledged shrinks over minutes.
	return s.vacuum(ctx)
}

func (s *Spool) vacuum(ctx context.Context) error {
	rows, err := s.conn.QueryContext(ctx, "PRAGMA incremental_vacuum(2000)")
	if err != nil {
		return fmt.Errorf("give back pages: %w", err)
	}
	for rows.Next() { // each step frees a page
		continue
	}
	return errors.Join(rows.Err(), rows.Close())
}

// trimBytes drops the oldest batches until the bound of bytes is kept. The
// caller holds mu.
func (s *Spool) trimBytes(ctx context.Context) error {
	excess := s.held.bytes - s.cfg.MaxBytes
	if excess <= 0 {
		return nil
	}
	return s.trim(ctx, ReasonBytes, func(_ int64, bytes int64) bool {
		more := excess > 0
		excess -= bytes
		return more
	})
}

// trimAge drops the batches whose newest sample is too old. The caller holds mu.
func (s *Spool) trimAge(ctx context.Context) error {
	horizon := s.now().Add(-s.cfg.MaxAge).UnixMilli()
	if s.held.batches == 0 || s.held.oldest >= horizon {
		return nil
	}
	return s.trim(ctx, ReasonAge, func(to int64, _ int64) bool { return to < horizon })
}

// trim drops batches from the oldest on as long as they are to fall, given
// their newest timestamp and their bytes.
func (s *Spool) trim(ctx context.Context, reason Reason, falls func(to, bytes int64) bool) error {
	var ranges []Range
	err := s.oldestFirst(ctx, func(seq uint64, to, bytes int64) bool {
		if !falls(to, bytes) {
			return false
		}
		if n := len(ranges); n > 0 && ranges[n-1].Last+1 == seq {
			ranges[n-1].Last = seq
		} else {
			ranges = append(ranges, Range{seq, seq})
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, r := range ranges {
		if err := s.drop(ctx, reason, r.First, r.Last); err != nil {
			return err
		}
	}
	return nil
}

// oldestFirst calls f for each batch until it returns false.
func (s *Spool) oldestFirst(ctx context.Context, f func(seq uint64, to, bytes int64) bool) error {
	rows, err := s.conn.QueryContext(ctx, "SELECT seq, to_ms, bytes FROM batch ORDER BY seq")
	if err != nil {
		return fmt.Errorf("look for the oldest batches: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var seq uint64
		var to, bytes int64
		if err := rows.Scan(&seq, &to, &bytes); err != nil {
			return fmt.Errorf("look at an old batch: %w", err)
		}
		if !f(seq, to, bytes) {
			return nil
		}
	}
	return rows.Err()
}

// drop deletes batches that were never acknowledged and records the gap in the
// same transaction. The caller holds mu.
func (s *Spool) drop(ctx context.Context, reason Reason, first, last uint64) error {
	var lost Gap
	var gone held
	var gaps gapList
	err := s.transact(ctx, false, func(tx *sql.Tx) (err error) {
		if gone, err = deleteRange(tx, Range{first, last}); err != nil || gone.batches == 0 {
			return err
		}
		lost = Gap{
			Reason: reason, First: first, Last: last,
			From: gone.oldest, To: gone.newest, Batches: gone.batches, Samples: gone.samples,
		}
		gaps = s.gaps.with(lost)
		return gaps.save(tx)
	})
	if err != nil {
		return fmt.Errorf("drop batches %d to %d: %w", first, last, err)
	}
	if gone.batches == 0 {
		return nil
	}
	s.gaps = gaps
	s.gaps.markSaved()
	s.totals.lose(lost)
	s.logGaps(ctx)
	return s.release(ctx, gone)
}

// forgetUnused deletes the definitions of entities that are not live and that no
// waiting batch uses. The caller holds mu.
func (s *Spool) forgetUnused(ctx context.Context) error {
	first, err := s.first(ctx)
	if err != nil {
		return err
	}
	ids := s.defs.unused(first, s.live.entities())
	if len(ids) < forgetFrom {
		return nil
	}
	err = s.transact(ctx, false, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.Exec("DELETE FROM entity WHERE id = ?", id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget unused entities: %w", err)
	}
	s.defs.forget(ids)
	return nil
}

// forgetFrom is how many definitions must be unused before they are forgotten:
// a thing that comes back keeps its number for a while.
const forgetFrom = 200
