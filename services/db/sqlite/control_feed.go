package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/esolutions/esmon/services/control"
)

// AgentChanges implements control.AgentFeed. The cursor is a revision. As one
// connection writes, revisions are committed in the order in which they are given.
func (c *Control) AgentChanges(ctx context.Context, cursor string, limit int) (control.AgentChanges, error) {
	tx, err := c.db.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return control.AgentChanges{}, fmt.Errorf("read the changes of agents: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	var now int64
	if err := tx.QueryRowContext(ctx, "SELECT revision FROM agents_revision").Scan(&now); err != nil {
		return control.AgentChanges{}, fmt.Errorf("read the revision of agents: %w", err)
	}
	if cursor == "" {
		return control.AgentChanges{Next: strconv.FormatInt(now, 10)}, nil
	}
	after, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || after > now {
		return control.AgentChanges{}, control.ErrCursorLost
	}
	var last int64
	list, err := agents(tx.QueryContext(ctx, "SELECT "+agentColumns+" FROM agents WHERE revision > ? ORDER BY revision LIMIT ?", after, limit))
	if err != nil {
		return control.AgentChanges{}, err
	}
	if len(list) < limit {
		return control.AgentChanges{Agents: list, Next: strconv.FormatInt(now, 10)}, nil
	}
	if err := tx.QueryRowContext(ctx, "SELECT revision FROM agents WHERE id = ?", list[len(list)-1].ID).Scan(&last); err != nil {
		return control.AgentChanges{}, fmt.Errorf("read the revision of an agent: %w", err)
	}
	return control.AgentChanges{Agents: list, Next: strconv.FormatInt(last, 10), More: true}, nil
}
