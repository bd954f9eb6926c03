package uplink

import (
	"context"
	"errors"
	"time"

	ingestv1 "github.com/esolutions/esmon/gen/go/esmon/ingest/v1"
)

// advice is what to do, as the server cannot always say it.
const advice = "the agent goes on measuring and keeps everything in its spool; enrol it anew: esmon token create on the server, esmon-agent enroll --server ADDRESS --token TOKEN here; a running agent takes the new identity by itself"

// failureLogEvery is how often a row of failures is logged.
const failureLogEvery = 5 * time.Minute

// logFailure says why there is no stream: when the reason changes, and now and
// then.
func (u *Uplink) logFailure(ctx context.Context, server string, err error, refusal *forGood, wait time.Duration) {
	text := server + ": " + err.Error()
	if refusal != nil {
		text = refusal.reason
	}
	if !u.failures.due(u.now(), text) {
		return
	}
	if refusal != nil {
		u.log.ErrorContext(ctx, "the server refuses this agent's identity", "server", server,
			"reason", refusal.reason, "message", refusal.message, "do", advice)
		return
	}
	u.log.WarnContext(ctx, "no connection to the server; measuring goes on into the spool", "server", server,
		"error", err, "next_attempt_in", wait.Round(time.Millisecond).String())
}

// maxLogged is how many collectors' failures one line of the log shows.
const maxLogged = 5

// logRound says why no collector could be reached, likewise.
func (u *Uplink) logRound(ctx context.Context, faults []error, wait time.Duration) {
	err := errors.Join(faults[:min(len(faults), maxLogged)]...)
	if !u.failures.due(u.now(), err.Error()) {
		return
	}
	u.log.WarnContext(ctx, "no connection to the server; measuring goes on into the spool", "tried", len(faults),
		"error", err, "next_attempt_in", wait.Round(time.Millisecond).String())
}

// refusalLogEvery is how often a refusal of one reason is logged.
const refusalLogEvery = time.Hour

// maxReasons is how many reasons of refusals are told apart; the server has far
// fewer.
const maxReasons = 100

// refused counts a refusal and logs one of each reason now and then: per item it
// is a counter.
func (u *Uplink) refused(ctx context.Context, r *ingestv1.Refusal) {
	reason := r.GetReason()
	u.state.update(func(s *Stats) {
		if _, known := s.Refusals[reason]; !known && len(s.Refusals) >= maxReasons {
			reason = "other"
		}
		s.Refusals[reason]++
		if r.GetRetryable() {
			s.PutOff++
		}
	})
	now := u.now()
	if at, logged := u.refusedAt[reason]; !logged || now.Sub(at).Abs() >= refusalLogEvery {
		u.refusedAt[reason] = now
		u.log.WarnContext(ctx, "the server refused something; further refusals for this reason are only counted for an hour",
			"reason", r.GetReason(), "message", r.GetMessage(), "batch", r.GetSequence(), "frame", r.GetFrame(), "comes_again", r.GetRetryable())
	}
}

// skewAlarm is how far the clocks may differ before it is said.
const skewAlarm = 10 * time.Second

// noteSkew says when the clocks begin to differ much, and when that is over.
func (u *Uplink) noteSkew(ctx context.Context, ms int64) {
	skew := (time.Duration(ms) * time.Millisecond)
	far := skew.Abs() > skewAlarm
	if far == u.skewed {
		return
	}
	u.skewed = far
	if far {
		u.log.WarnContext(ctx, "this host's clock differs from the server's: set it, samples carry this host's time", "ahead_by", skew.String())
	} else {
		u.log.InfoContext(ctx, "this host's clock agrees with the server's again", "ahead_by", skew.String())
	}
}

// seldom lets through what is new and, now and then, what is not.
type seldom struct {
	last string
	at   time.Time
}

func (s *seldom) due(now time.Time, text string) bool {
	if text == s.last && now.Sub(s.at).Abs() < failureLogEvery {
		return false
	}
	s.last, s.at = text, now
	return true
}
