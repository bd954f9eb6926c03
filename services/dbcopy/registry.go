package dbcopy

import (
	"context"
	"fmt"
	"time"

	"github.com/esolutions/esmon/services/control"
)

// pageSize is how many tokens or agents are read at a time.
const pageSize = 1000

// copyRegistry copies tokens and agents.
func (c *copier) copyRegistry(ctx context.Context) error {
	c.begin("tokens and agents", 0, 0)
	err := eachTokens(ctx, c.from.Registry, func(page []control.Token) error { return c.to.Registry.Import(ctx, page, nil) })
	if err == nil {
		err = eachAgents(ctx, c.from.Registry, func(page []control.Agent) error { return c.to.Registry.Import(ctx, nil, page) })
	}
	if err != nil {
		return fmt.Errorf("copy tokens and agents: %w", err)
	}
	return nil
}

// eachTokens calls f with all tokens, a page at a time.
func eachTokens(ctx context.Context, r Registry, f func([]control.Token) error) error {
	page := control.TokenPage{Limit: pageSize}
	for {
		list, err := r.ListTokens(ctx, page)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := f(list); err != nil {
			return err
		}
		last := &list[len(list)-1]
		page.Before, page.BeforeID = last.Created, last.ID
	}
}

// eachAgents calls f with all agents, a page at a time.
func eachAgents(ctx context.Context, r Registry, f func([]control.Agent) error) error {
	after := ""
	for {
		list, err := r.ScanAgents(ctx, after, pageSize)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := f(list); err != nil {
			return err
		}
		after = list[len(list)-1].ID
	}
}

// count counts the tokens and agents of a registry.
func (s *source) count(ctx context.Context, r Registry) error {
	err := eachTokens(ctx, r, func(page []control.Token) error { s.tokens += len(page); return nil })
	if err != nil {
		return err
	}
	return eachAgents(ctx, r, func(page []control.Agent) error { s.agents += len(page); return nil })
}

// describeToken returns all that is kept of a token as one text.
func describeToken(t *control.Token) string {
	x := *t
	plain(&x.Created, &x.Expires, &x.Revoked)
	return fmt.Sprintf("%+q", fmt.Sprintf("%+v", x))
}

// describeAgent returns all that is kept of an agent as one text.
func describeAgent(a *control.Agent) string {
	x := *a
	plain(&x.Enrolled, &x.Revoked, &x.Cloned, &x.CertificateEnd, &x.Connected, &x.LastAck)
	return fmt.Sprintf("%+q", fmt.Sprintf("%+v", x))
}

// plain makes moments that are the same the same text.
func plain(times ...*time.Time) {
	for _, t := range times {
		*t = t.UTC()
	}
}
