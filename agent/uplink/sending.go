package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/spool"
)

// send sends as much as the windows allow.
func (s *session) send(sctx context.Context) error {
	for {
		id, _, last, err := s.u.spool.Span(sctx)
		if err != nil {
			return own(err)
		}
		if id != s.spoolID {
			return errRecycle // a damaged spool was replaced: its numbers begin anew
		}
		l, r := s.window.pick(s.u.now(), last, s.closing)
		if l == noLane || s.next != nil {
			return nil
		}
		b, err := s.u.spool.Read(sctx, s.spoolID, r.First, r.Last)
		switch {
		case errors.Is(err, spool.ErrReplaced):
			return errRecycle
		case err != nil:
			return own(err)
		case b == nil:
			s.window.none(l, r)
			continue
		case l == liveLane && s.u.now().Sub(time.UnixMilli(b.To)) > s.u.cfg.LiveAge && !s.closing:
			s.window.stale(last)
			continue
		}
		if err := s.sendBatch(sctx, l, b); err != nil {
			return err
		}
	}
}

// sendBatch sends one batch with the definitions that the server lacks.
func (s *session) sendBatch(sctx context.Context, l lane, b *spool.Batch) error {
	schemas, entities, err := s.u.spool.Definitions(b.Frames, s.known)
	if err != nil {
		return fmt.Errorf("describe batch %d: %w", b.Sequence, err)
	}
	complete, err := s.complete(sctx, l, b.Sequence)
	if err != nil {
		return err
	}
	m := &ingestv1.Batch{
		Sequence: b.Sequence, SentAtMs: s.u.now().UnixMilli(), Backlog: l != liveLane,
		Schemas: schemas, Entities: entities, Frames: b.Frames, CompleteMs: complete,
	}
	bytes := m.SizeVT()
	if s.maxBytes > 0 && bytes > s.maxBytes {
		s.window.passed(l, b.Sequence)
		return s.changed(s.u.spool.Split(sctx, s.spoolID, b))
	}
	if len(s.window.flight) == 0 {
		s.stall.Reset(s.u.cfg.AckTimeout)
	}
	if err := s.stream.Send(&ingestv1.StreamRequest{Message: &ingestv1.StreamRequest_Batch{Batch: m}}); err != nil {
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("send batch %d: %w", b.Sequence, err)
		}
		// The stream has ended; what came before its end counts.
		if err := s.inbox.wait(sctx); err != nil {
			return err
		}
		return s.receive(sctx)
	}
	s.window.sent(l, b.Sequence, bytes)
	s.remember(b.Sequence, schemas, entities)
	s.u.state.sent(l, len(s.window.flight))
	if len(s.known.Entities) > maxDefinitions {
		s.leave(errRecycle)
	}
	return nil
}

// complete returns up to when the agent's data is complete at the server once the
// batch and those sent before it are stored; 0 if that is not known.
func (s *session) complete(sctx context.Context, l lane, sequence uint64) (int64, error) {
	if s.u.complete == nil {
		return 0, nil
	}
	ms := s.u.complete()
	for _, first := range s.window.waiting(l, sequence) {
		oldest, ok, err := s.u.spool.Oldest(sctx, s.spoolID, first)
		switch {
		case errors.Is(err, spool.ErrReplaced):
			return 0, errRecycle
		case err != nil:
			return 0, own(err)
		case ok:
			ms = min(ms, oldest)
		}
	}
	return max(0, ms), nil
}

// remember notes which definitions the server has now.
func (s *session) remember(sequence uint64, schemas []*ingestv1.SchemaDefinition, entities []*ingestv1.EntityDefinition) {
	if len(schemas)+len(entities) == 0 {
		return
	}
	var c carried
	for _, d := range schemas {
		s.known.Schemas[d.GetId()] = true
		c.schemas = append(c.schemas, d.GetId())
	}
	for _, d := range entities {
		s.known.Entities[d.GetId()] = true
		c.entities = append(c.entities, d.GetId())
	}
	s.carried[sequence] = c
}

// forget makes the definitions that a batch brought be sent again: a server that
// put the batch off need not have kept them.
func (s *session) forget(sequence uint64) {
	c := s.carried[sequence]
	for _, id := range c.schemas {
		delete(s.known.Schemas, id)
	}
	for _, id := range c.entities {
		delete(s.known.Entities, id)
	}
	delete(s.carried, sequence)
}
