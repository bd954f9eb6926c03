package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/control"
)

// SaveConnects implements control.AgentStore.
func (c *Control) SaveConnects(ctx context.Context, connects []control.Connect) (refused []string, err error) {
	missed, err := c.each(ctx, `UPDATE agents SET connect_counter = $1, connected_ms = $2, host_name = $3, host_id = $4, os_description = $5, arch = $6,
		agent_version = $7, session = $8, node = $9 WHERE id = $10 AND session IN ($8, $11) AND revoked_ms = 0`,
		inOrder(len(connects), func(i int) string { return connects[i].ID }),
		func(i int) []any {
			k := &connects[i]
			return []any{int64(k.Counter), ms(k.Time), k.HostName, k.HostID, k.OSDescription, k.Arch, k.Version, k.Session, k.Node, k.ID, k.After}
		})
	if err != nil {
		return nil, err
	}
	for _, i := range missed {
		refused = append(refused, connects[i].Session)
	}
	return refused, nil
}

// SaveClosed implements control.AgentStore.
func (c *Control) SaveClosed(ctx context.Context, closed []control.Closed) error {
	_, err := c.each(ctx, "UPDATE agents SET node = '' WHERE id = $1 AND session = $2 AND node <> ''",
		inOrder(len(closed), func(i int) string { return closed[i].ID }),
		func(i int) []any { return []any{closed[i].ID, closed[i].Session} })
	return err
}

// inOrder returns the numbers from 0 to n by the id each stands for: all that
// change several agents take them in this order, so that two at a time wait for
// each other and do not end in a deadlock.
func inOrder(n int, id func(int) string) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(id(a), id(b)) })
	return order
}

// each runs one statement for each number, in one transaction and without
// waiting for each answer. It returns those, ascending, for which it changed
// nothing.
func (c *Control) each(ctx context.Context, query string, order []int, args func(int) []any) (missed []int, err error) {
	if len(order) == 0 {
		return nil, nil
	}
	batch := &pgx.Batch{}
	for _, i := range order {
		batch.Queue(query, args(i)...)
	}
	res := c.db.pool.SendBatch(ctx, batch)
	for _, i := range order {
		tag, e := res.Exec()
		if e != nil {
			err = e
			break
		}
		if tag.RowsAffected() == 0 {
			missed = append(missed, i)
		}
	}
	if err := cmp.Or(err, res.Close()); err != nil { // all are committed when it is closed
		return nil, failed(err, "update agents")
	}
	slices.Sort(missed)
	return missed, nil
}

// SaveSeen implements control.AgentStore.
func (c *Control) SaveSeen(ctx context.Context, seen []control.Seen) error {
	var ids []string
	var confirmed, acks, skews []int64
	for _, s := range latest(seen) {
		ids, confirmed = append(ids, s.ID), append(confirmed, int64(s.Confirmed))
		acks, skews = append(acks, ms(s.LastAck)), append(skews, s.SkewMS)
	}
	if len(ids) == 0 {
		return nil
	}
	// The rows are locked by id before any is written: see inOrder.
	_, err := c.db.pool.Exec(ctx, `WITH locked AS (SELECT id FROM agents WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
		UPDATE agents SET confirmed_counter = greatest(confirmed_counter, seen.confirmed), last_ack_ms = greatest(last_ack_ms, seen.ack),
			skew_ms = CASE WHEN seen.ack >= last_ack_ms THEN seen.skew ELSE skew_ms END
		FROM locked, unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS seen (id, confirmed, ack, skew)
		WHERE agents.id = locked.id AND seen.id = locked.id`, ids, confirmed, acks, skews)
	return failed(err, "update agents")
}

// latest makes one of several reports of an agent, as one statement changes a row
// once.
func latest(seen []control.Seen) []control.Seen {
	at := make(map[string]int, len(seen))
	var merged []control.Seen
	for _, s := range seen {
		i, ok := at[s.ID]
		if !ok {
			at[s.ID] = len(merged)
			merged = append(merged, s)
			continue
		}
		m := &merged[i]
		m.Confirmed = max(m.Confirmed, s.Confirmed)
		if !s.LastAck.Before(m.LastAck) {
			m.LastAck, m.SkewMS = s.LastAck, s.SkewMS
		}
	}
	return merged
}
