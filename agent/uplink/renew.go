package uplink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/esolutions/esmon/agent/collectors"
	"github.com/esolutions/esmon/agent/enrol"
)

// renewLoop replaces the certificate after two thirds of its life.
func (u *Uplink) renewLoop(ctx context.Context) {
	wait := newBackoff(u.cfg.RenewRetry, 30*u.cfg.RenewRetry)
	for ctx.Err() == nil {
		until := u.identity.Identity().RenewAt().Sub(u.now())
		if until > 0 {
			// Short steps: the wall clock may be set meanwhile.
			pause(ctx, min(until, time.Minute))
			continue
		}
		if err := u.renew(ctx); err != nil {
			if ctx.Err() == nil {
				u.log.WarnContext(ctx, "the certificate could not be renewed; it is tried again",
					"error", err, "ends", u.identity.Identity().Expires().UTC().Format(time.RFC3339))
			}
			pause(ctx, u.cfg.RenewRetry/10+wait.next())
			continue
		}
		wait.reset()
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// renew asks the collectors for a new certificate, that of the stream first, and
// uses it. A refusal of the identity would be that of all.
func (u *Uplink) renew(ctx context.Context) error {
	list, lookups, err := u.lookUp(ctx)
	if err != nil {
		return err
	}
	for _, l := range lookups {
		err = errors.Join(err, l)
	}
	now := u.Stats().Server
	if i := slices.IndexFunc(list, func(c collectors.Candidate) bool { return c.String() == now }); i > 0 {
		list[0], list[i] = list[i], list[0]
	}
	for _, c := range list {
		if err = u.renewAt(ctx, c); err == nil || ctx.Err() != nil {
			return err
		}
		if _, peer := errors.AsType[*collectors.PeerError](err); !peer && refusedForGood(err) != nil {
			return err
		}
	}
	return err
}

func (u *Uplink) renewAt(ctx context.Context, c collectors.Candidate) error {
	conn, err := u.dial(c, u.cfg.DialTimeout)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	i, err := enrol.Renew(ctx, conn, u.identity.Identity())
	if err != nil {
		cause := conn.Cause(err)
		if _, peer := errors.AsType[*collectors.PeerError](cause); !peer {
			cause = enrol.Explain(cause)
		}
		return fmt.Errorf("renew at %s: %w", c, cause)
	}
	switch err := u.identity.Replace(i); {
	case errors.Is(err, enrol.ErrOtherIdentity):
		if _, err := u.identity.Reload(); err != nil {
			return err
		}
		u.log.InfoContext(ctx, "a new identity was found", "agent_id", u.identity.Identity().AgentID)
	case err != nil:
		return err
	default:
		u.state.update(func(s *Stats) { s.Renewals++ })
		u.log.InfoContext(ctx, "the certificate was renewed", "ends", i.Expires().UTC().Format(time.RFC3339))
	}
	select {
	case u.renewed <- struct{}{}: // the stream is opened anew, with it
	default:
	}
	return nil
}
