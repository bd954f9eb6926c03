package spool

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// Batch is a batch that waits for its acknowledgement.
type Batch struct {
	Sequence uint64
	Frames   []*ingestv1.Frame
	From, To int64 // timestamps of its first and last sample, Unix ms
	Samples  int64
}

// ErrReplaced is returned when the spool file was replaced: numbers of the old
// one mean nothing any more.
var ErrReplaced = errors.New("the spool was replaced by a new one")

// Span returns the first and last sequence number that may wait in the spool;
// last < first if there is none.
func (s *Spool) Span(ctx context.Context) (id string, first, last uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	if err := s.ensure(ctx); err != nil {
		return "", 0, 0, err
	}
	first, err = s.first(ctx)
	return s.id, first, s.next - 1, err
}

// first returns the lowest sequence number that waits, next if none does.
func (s *Spool) first(ctx context.Context) (uint64, error) {
	var first uint64
	err := s.conn.QueryRowContext(ctx, "SELECT ifnull(min(seq), ?) FROM batch", int64(s.next)).Scan(&first)
	if damaged(err) {
		err = s.replace(ctx, err)
		return s.next, err
	}
	if err != nil {
		return 0, fmt.Errorf("find the first batch of the spool: %w", err)
	}
	return first, nil
}

// Read returns the first waiting batch with a number from first to last, nil if
// there is none. A batch that cannot be decoded, or of which a definition is
// missing, is dropped as a gap: it would hold up all behind it. ErrReplaced
// says that the spool is no longer the one with the id.
func (s *Spool) Read(ctx context.Context, id string, first, last uint64) (*Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	for {
		if err := s.ensure(ctx); err != nil {
			return nil, err
		}
		if id != s.id {
			return nil, ErrReplaced
		}
		b, payload, err := s.readRow(ctx, first, last)
		if damaged(err) {
			if err := s.replace(ctx, err); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil || b == nil {
			return nil, err
		}
		if b.Frames, err = s.codec.decode(payload); err == nil && s.defs.describe(b.Frames) {
			return b, nil
		}
		if err := s.drop(ctx, ReasonCorrupt, b.Sequence, b.Sequence); err != nil {
			return nil, err
		}
	}
}

func (s *Spool) readRow(ctx context.Context, first, last uint64) (*Batch, []byte, error) {
	var b Batch
	var payload []byte
	err := s.conn.QueryRowContext(ctx,
		"SELECT seq, from_ms, to_ms, samples, payload FROM batch WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT 1", int64(first), int64(last)).
		Scan(&b.Sequence, &b.From, &b.To, &b.Samples, &payload)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read a batch from the spool: %w", err)
	}
	return &b, payload, nil
}

// lookahead is how many batches [Spool.Oldest] looks at: they lie in about the order of
// their times.
const lookahead = 64

// Oldest returns the time of the oldest sample, Unix ms, among the waiting batches from
// the number on, of the first of them if there are many; false if there is none.
// ErrReplaced says that the spool is no longer the one with the id.
func (s *Spool) Oldest(ctx context.Context, id string, first uint64) (ms int64, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	if err := s.ensure(ctx); err != nil {
		return 0, false, err
	}
	if id != s.id {
		return 0, false, ErrReplaced
	}
	var oldest sql.NullInt64
	err = s.conn.QueryRowContext(ctx,
		"SELECT min(from_ms) FROM (SELECT from_ms FROM batch WHERE seq >= ? ORDER BY seq LIMIT ?)", int64(first), lookahead).Scan(&oldest)
	if err != nil {
		return 0, false, fmt.Errorf("find the oldest sample of the spool: %w", err)
	}
	return oldest.Int64, oldest.Valid, nil
}

// Range is a range of sequence numbers, both ends included.
type Range struct{ First, Last uint64 }

// Ack deletes acknowledged batches.
func (s *Spool) Ack(ctx context.Context, id string, ranges []Range) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != s.id {
		return ErrReplaced
	}
	var acked held
	err := s.transact(ctx, false, func(tx *sql.Tx) error {
		acked = held{}
		for _, r := range ranges {
			h, err := deleteRange(tx, r)
			if err != nil {
				return err
			}
			acked.batches += h.batches
			acked.bytes += h.bytes
			acked.samples += h.samples
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete acknowledged batches: %w", err)
	}
	if id != s.id {
		return ErrReplaced
	}
	s.totals.AckedBatches += acked.batches
	s.totals.AckedSamples += acked.samples
	return s.release(ctx, acked)
}

// deleteRange deletes the batches of the range and returns what they held.
func deleteRange(tx *sql.Tx, r Range) (h held, err error) {
	args := []any{int64(r.First), int64(r.Last)}
	err = tx.QueryRow(`SELECT count(*), ifnull(sum(bytes), 0), ifnull(sum(samples), 0), ifnull(min(from_ms), 0), ifnull(max(to_ms), 0)
		FROM batch WHERE seq BETWEEN ? AND ?`, args...).Scan(&h.batches, &h.bytes, &h.samples, &h.oldest, &h.newest)
	if err != nil {
		return h, fmt.Errorf("count batches: %w", err)
	}
	if h.batches == 0 {
		return h, nil
	}
	if _, err := tx.Exec("DELETE FROM batch WHERE seq BETWEEN ? AND ?", args...); err != nil {
		return h, fmt.Errorf("delete batches: %w", err)
	}
	return h, nil
}

// release takes deleted batches off what is held.
func (s *Spool) release(ctx context.Context, gone held) error {
	h := &s.held
	h.batches -= gone.batches
	h.bytes -= gone.bytes
	h.samples -= gone.samples
	if gone.batches == 0 || h.batches == 0 {
		return nil
	}
	// Numbers follow time, save for batches that were split.
	err := s.conn.QueryRowContext(ctx, `SELECT
		(SELECT from_ms FROM batch ORDER BY seq LIMIT 1), (SELECT to_ms FROM batch ORDER BY seq DESC LIMIT 1)`).
		Scan(&h.oldest, &h.newest)
	if err != nil {
		return fmt.Errorf("find the oldest and the newest batch of the spool: %w", err)
	}
	return nil
}

// Split replaces a batch by two of half its frames, with new numbers, because
// the server takes no batch of its size. A single frame that is too large is
// dropped as a gap.
func (s *Spool) Split(ctx context.Context, id string, b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != s.id {
		return ErrReplaced
	}
	if len(b.Frames) < 2 {
		return s.drop(ctx, ReasonTooLarge, b.Sequence, b.Sequence)
	}
	half := len(b.Frames) / 2
	return s.append(ctx, addition{
		batches: [][]*ingestv1.Frame{b.Frames[:half], b.Frames[half:]}, replaces: b.Sequence,
	})
}

// Known are the numbers of definitions that a receiver has.
type Known struct{ Schemas, Entities map[uint32]bool }

// Definitions returns the definitions of what the frames use, save those that
// the receiver knows.
func (s *Spool) Definitions(frames []*ingestv1.Frame, known Known) ([]*ingestv1.SchemaDefinition, []*ingestv1.EntityDefinition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	schemas, err := newMessages(frames, known.Schemas, (*ingestv1.Frame).GetSchema,
		func(id uint32) (*ingestv1.SchemaDefinition, error) { return s.defs.schemas[id].message() })
	if err != nil {
		return nil, nil, err
	}
	entities, err := newMessages(frames, known.Entities, (*ingestv1.Frame).GetEntity,
		func(id uint32) (*ingestv1.EntityDefinition, error) { return s.defs.entities[id].message() })
	return schemas, entities, err
}

// newMessages returns the message of each number that the frames use and the
// receiver does not know.
func newMessages[M any](frames []*ingestv1.Frame, known map[uint32]bool, number func(*ingestv1.Frame) uint32, message func(uint32) (*M, error)) (out []*M, err error) {
	seen := map[uint32]bool{}
	for _, f := range frames {
		id := number(f)
		if seen[id] || known[id] {
			continue
		}
		seen[id] = true
		m, err := message(id)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}
