package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/esolutions/esmon/services/control"
)

// Import stores tokens and agents as another database held them. What is there
// already stays as it is.
func (c *Control) Import(ctx context.Context, tokens []control.Token, agents []control.Agent) error {
	return c.db.Write(ctx, func(tx *sql.Tx) error {
		err := execEach(ctx, tx, "INSERT INTO tokens ("+tokenColumns+") VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING", len(tokens), func(i int) []any {
			t := &tokens[i]
			return []any{t.ID, t.SecretHash, t.Description, t.Uses, t.Used, ms(t.Created), ms(t.Expires), ms(t.Revoked)}
		})
		if err != nil {
			return fmt.Errorf("import tokens: %w", err)
		}
		rows := make([][]any, len(agents))
		for i := range agents {
			if rows[i], err = agentValues(&agents[i]); err != nil {
				return err
			}
		}
		if err := execEach(ctx, tx, insertAgentRow+" ON CONFLICT DO NOTHING", len(rows), func(i int) []any { return rows[i] }); err != nil {
			return fmt.Errorf("import agents: %w", err)
		}
		return nil
	})
}
