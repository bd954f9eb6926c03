package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/esolutions/esmon/services/control"
)

// Import stores tokens and agents as another database held them. What is there
// already stays as it is.
func (c *Control) Import(ctx context.Context, tokens []control.Token, agents []control.Agent) error {
	var batch pgx.Batch
	for i := range tokens {
		t := &tokens[i]
		batch.Queue("INSERT INTO tokens ("+tokenColumns+") VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT DO NOTHING",
			t.ID, t.SecretHash, t.Description, int64(t.Uses), int64(t.Used), ms(t.Created), ms(t.Expires), ms(t.Revoked))
	}
	for i := range agents {
		values, err := agentValues(&agents[i])
		if err != nil {
			return err
		}
		batch.Queue(insertAgentRow+" ON CONFLICT DO NOTHING", values...)
	}
	return c.db.Write(ctx, func(tx pgx.Tx) error {
		return failed(tx.SendBatch(ctx, &batch).Close(), "import tokens and agents")
	})
}
