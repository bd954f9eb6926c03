package spool

import (
	"context"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// Exec runs a statement on the spool's own connection: tests break things with
// it.
func (s *Spool) Exec(ctx context.Context, query string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.ExecContext(ctx, query, args...)
	return err
}

// SetMaxLive sets the bound of a probe's live entities, before anything is put.
func (s *Spool) SetMaxLive(n int) { s.maxLive = n }

// Decode decodes a payload.
func Decode(payload []byte) (int, error) {
	c, err := newCodec()
	if err != nil {
		return 0, err
	}
	defer c.close()
	frames, err := c.decode(payload)
	return len(frames), err
}

// Encode encodes one frame.
func Encode(t int64, values ...float64) ([]byte, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.encode(oneFrame(t, values))
}
func oneFrame(t int64, values []float64) []*ingestv1.Frame {
	return []*ingestv1.Frame{{Entity: 1, Schema: 1, TimestampMs: t, Values: values}}
}
