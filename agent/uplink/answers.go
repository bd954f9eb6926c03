package uplink

import (
	"context"
	"errors"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"

	"github.com/esolutions/esmon/agent/spool"
)

// receive handles what came in.
func (s *session) receive(sctx context.Context) error {
	acks, err := s.inbox.take()
	for _, a := range acks {
		if err := s.ack(sctx, a); err != nil {
			return err
		}
	}
	if err != nil && s.closing && len(s.window.flight) == 0 {
		return s.finish(sctx)
	}
	return err
}

func (s *session) ack(sctx context.Context, a *ingestv1.Ack) error {
	now := s.u.now()
	for _, r := range a.GetRefusals() {
		s.u.refused(sctx, r)
		if r.GetRetryable() {
			s.window.postpone(r.GetSequence(), now.Add(s.wait(r)))
			s.forget(r.GetSequence())
		}
	}
	var acked []spool.Range
	for _, r := range a.GetRanges() {
		acked = append(acked, s.window.answered(spool.Range{First: r.GetFirst(), Last: r.GetLast()})...)
	}
	if len(s.window.flight) == 0 {
		s.stall.Stop()
	} else {
		s.stall.Reset(s.u.cfg.AckTimeout)
	}
	s.u.state.acked(now, a, len(acked) > 0, len(s.window.flight))
	s.u.noteSkew(sctx, a.GetSkewMs())
	if len(acked) == 0 {
		return nil
	}
	for _, r := range acked {
		for seq := r.First; seq <= r.Last; seq++ {
			delete(s.carried, seq)
			delete(s.putOffs, seq)
		}
	}
	s.backoff.reset() // a stream that works, not one that is only opened
	if !s.acked {
		s.acked = true
		s.u.roster.worked(s.to)
	}
	return s.changed(s.u.spool.Ack(sctx, s.spoolID, acked))
}

// changed returns what the result of a change of the spool means for the stream.
func (s *session) changed(err error) error {
	if errors.Is(err, spool.ErrReplaced) {
		return errRecycle
	}
	return own(err)
}

// split halves the batch because of which the server ended the stream: the one
// sent first of those not answered, if the server answered all before it, else the
// largest. A batch of one frame is dropped and reported as a gap.
func (s *session) split(sctx context.Context, cause error, itself bool) error {
	sequence, ok := s.window.oldest()
	if !itself {
		sequence, ok = s.window.largest()
	}
	if !ok {
		return cause // it was not a batch
	}
	s.u.refused(sctx, &ingestv1.Refusal{Sequence: sequence, Reason: reasonTooLarge, Message: explain(cause).Error()})
	b, err := s.u.spool.Read(sctx, s.spoolID, sequence, sequence)
	if err == nil && b != nil {
		err = s.u.spool.Split(sctx, s.spoolID, b)
	}
	if err != nil {
		return s.changed(err)
	}
	return &largeError{cause}
}

// wait returns how long a batch waits that the server put off: as long as it
// asks for, within bounds, and a random time on top whose bound doubles with each
// refusal. A fleet that was put off together must not come back together.
func (s *session) wait(r *ingestv1.Refusal) time.Duration {
	asked := time.Duration(r.GetRetryAfterMs()) * time.Millisecond
	asked = min(max(asked, 100*time.Millisecond), 5*time.Minute)
	n := s.putOffs[r.GetSequence()]
	s.putOffs[r.GetSequence()] = n + 1
	more := min(asked<<min(n, 10), max(asked, s.u.cfg.BackoffMax))
	return asked + time.Duration(s.backoff.random(int64(more)+1))
}
