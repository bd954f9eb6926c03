package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/esolutions/esmon/services/control"
)

// SaveConnects implements control.AgentStore.
func (c *Control) SaveConnects(ctx context.Context, connects []control.Connect) (refused []string, err error) {
	err = c.each(ctx, `UPDATE agents SET connect_counter = ?1, connected_ms = ?2, host_name = ?3, host_id = ?4, os_description = ?5, arch = ?6,
		agent_version = ?7, session = ?8, node = ?9 WHERE id = ?10 AND session IN (?8, ?11) AND revoked_ms = 0`, len(connects), func(i int) []any {
		k := &connects[i]
		return []any{int64(k.Counter), ms(k.Time), k.HostName, k.HostID, k.OSDescription, k.Arch, k.Version, k.Session, k.Node, k.ID, k.After}
	}, func(i int) { refused = append(refused, connects[i].Session) })
	if err != nil {
		return nil, err
	}
	return refused, nil
}

// SaveClosed implements control.AgentStore.
func (c *Control) SaveClosed(ctx context.Context, closed []control.Closed) error {
	return c.each(ctx, "UPDATE agents SET node = '' WHERE id = ?1 AND session = ?2 AND node <> ''", len(closed), func(i int) []any {
		return []any{closed[i].ID, closed[i].Session}
	}, nil)
}

// SaveSeen implements control.AgentStore.
func (c *Control) SaveSeen(ctx context.Context, seen []control.Seen) error {
	return c.each(ctx, `UPDATE agents SET confirmed_counter = max(confirmed_counter, ?1), skew_ms = iif(?2 >= last_ack_ms, ?3, skew_ms),
		last_ack_ms = max(last_ack_ms, ?2) WHERE id = ?4`, len(seen), func(i int) []any {
		s := &seen[i]
		return []any{int64(s.Confirmed), ms(s.LastAck), s.SkewMS, s.ID}
	}, nil)
}

// each runs one statement n times in one transaction, and calls missed, if there
// is one, for each time that it changed nothing.
func (c *Control) each(ctx context.Context, query string, n int, args func(int) []any, missed func(int)) error {
	return c.db.Write(ctx, func(tx *sql.Tx) error {
		st, err := tx.PrepareContext(ctx, query)
		if err != nil {
			return fmt.Errorf("prepare the update of agents: %w", err)
		}
		defer func() { _ = st.Close() }() // it ends with the transaction
		for i := range n {
			rows, err := changed(st.ExecContext(ctx, args(i)...))
			if err != nil {
				return fmt.Errorf("update agents: %w", err)
			}
			if rows == 0 && missed != nil {
				missed(i)
			}
		}
		return nil
	})
}
